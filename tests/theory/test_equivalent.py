"""The limiting spectrum: against large matrices, and against the law of Marchenko and Pastur."""

import numpy as np
import pytest
import torch

import diffnotes as dn

F64 = torch.float64


def test_agrees_with_large_gaussian_matrices():
    rng, d, m, n, r, s = np.random.default_rng(0), 30, 480, 60, 0.9, 0.3
    parts, seen, b, width = dn.FeatureParts(0.0, 0.6, 0.05, 0.01), [], torch.tensor([0.02, 0.3, 9.0], dtype=F64), 0.4
    z = torch.complex(b, width * b)
    for _ in range(4):
        W, x, G = (torch.from_numpy(rng.standard_normal(shape)) for shape in ((m, d), (n, d), (m, n)))
        W = W / d**0.5
        G = parts.slope * r * W @ x.mT + parts.sample**0.5 * G
        U = parts.rest * torch.eye(m, dtype=F64) + G @ G.mT / n + (parts.slope * s) ** 2 * W @ W.mT
        value, basis = torch.linalg.eigh(U)
        inverse = (1 / (value - z[:, None])).imag / np.pi
        overlap = (W.mT @ basis).square().sum(0)
        seen.append(torch.stack([inverse.mean(1), (parts.slope * s) ** 2 / d * (inverse * overlap).sum(1) / b]))
    mean = torch.stack(seen).mean(0)
    found = torch.stack(dn.equivalent_spectrum(b, parts, m / d, n / d, r, s, width=width))
    assert ((found - mean).abs() < 0.04 * mean).all()


def test_without_a_linear_part_in_the_samples_the_law_of_marchenko_and_pastur_is_left():
    """r -> 0: the samples' bulk and, apart from it, the noise's.  Its weight is n/m, its ends are the law's."""
    parts = dn.FeatureParts(0.0, 1e-3, 1.0, 0.0)
    low, high = parts.edges(8, 2)
    b = torch.linspace(0.8 * low, 1.1 * high, 800, dtype=F64)
    density, _ = dn.equivalent_spectrum(b, parts, 8.0, 2.0, 1e-6, 1.0)
    assert abs(float(density.sum() * (b[1] - b[0])) - 2 / 8) < 5e-3
    inside = b[density > 0.05 * density.max()]
    assert abs(inside[0] - low) < 0.02 * low and abs(inside[-1] - high) < 0.02 * high


def test_eigenvalues_below_zero_are_refused():
    with pytest.raises(ValueError, match=r"^b: got -1; allowed: eigenvalues > 0"):
        dn.equivalent_spectrum(torch.tensor([1.0, -1.0]), dn.FeatureParts(0.0, 1.0, 1.0, 0.1), 8.0, 2.0, 1.0, 1.0)
