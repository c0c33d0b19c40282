"""The limiting spectrum: against large matrices, and against the law of Marchenko and Pastur."""

import numpy as np
import pytest
import torch
from scipy.optimize import root

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


def traces(z, parts, d, m, n, r, s, seed=0):
    """q and p of one large random matrix at the number z."""
    rng = np.random.default_rng(seed)
    W, x, G = rng.standard_normal((m, d)) / d**0.5, rng.standard_normal((n, d)), rng.standard_normal((m, n))
    G = parts.slope * r * W @ x.T + parts.sample**0.5 * G
    inverse = np.linalg.inv((parts.rest - z) * np.eye(m) + G @ G.T / n + (parts.slope * s) ** 2 * W @ W.T)
    return np.trace(inverse) / m, np.trace(W.T @ inverse @ W) / m


@pytest.mark.parametrize(("parts", "psi_m", "psi_n", "r", "s", "width"), [
    (dn.FeatureParts(0.3, 0.6, 0.05, 0.01), 16, 2, 0.9, 0.3, 0.4), (dn.FeatureParts(0.0, 1.5, 0.8, 0.3), 3, 7, 0.4, 0.8, 0.2),
    (dn.FeatureParts(0.0, -0.5, 0.0, 0.2), 2, 1, 1.3, 0.7, 0.5), (dn.FeatureParts(0.0, 1.0, 0.5, 0.1), 15, 0.5, 0.9, 0.4, 0.5),
    (dn.FeatureParts(0.0, 0.7, 0.3, 0.1), 4, 3, 1000.0, 1.0, 0.3), (dn.FeatureParts(0.0, 0.7, 0.3, 0.1), 4, 3, 1.0, 300.0, 0.3), (dn.FeatureParts(0.0, 0.7, 0.4, 0.0), 0.5, 0.5, 0.8, 1.1, 0.3)])
def test_both_traces_solve_the_two_equations(parts, psi_m, psi_n, r, s, width):
    """SciPy's solver on the equations as they stand, begun at a random matrix's own traces, which chooses among the roots.

    Which bug this catches: a wrong derivative, with which the method still comes near, or a power of the slope."""
    b = torch.tensor([0.03, 0.4, 2.0, 11.0], dtype=F64)
    found = [part.tolist() for part in dn.equivalent_spectrum(b, parts, psi_m, psi_n, r, s, width=width)]
    v2, a2 = parts.sample, parts.slope**2
    for k, z in enumerate((b * (1 + 1j * width)).tolist()):
        def equations(u, z=z):
            q, p = complex(u[0], u[1]), complex(u[2], u[3])
            D = 1 + psi_m / psi_n * (a2 * r**2 * p + v2 * q)
            one = p * (a2 * s**2 * psi_m + 1 / q + psi_m * a2 * r**2 / D) - 1
            two = psi_m * (parts.rest - z) + psi_m * v2 / D + (1 - psi_m) / q - p / q**2
            return one.real, one.imag, two.real, two.imag

        q, p = traces(z, parts, 40, round(40 * psi_m), round(40 * psi_n), r, s)
        solved = root(equations, (q.real, q.imag, p.real, p.imag), tol=1e-13)
        assert np.allclose(solved.x, (q.real, q.imag, p.real, p.imag), rtol=0.3, atol=0.05 * abs(q))
        assert found[0][k] == pytest.approx(solved.x[1] / np.pi, rel=1e-7)
        assert found[1][k] == pytest.approx(a2 * s**2 * psi_m * solved.x[3] / np.pi / b[k].item(), rel=1e-7)


def marchenko_pastur(z, ratio):
    """tr (G G^T/n - z)^-1 / m for m/n = ratio: the root of ratio z q^2 + (z + ratio - 1) q + 1 = 0 in the upper half-plane."""
    roots = np.roots([ratio * z, z + ratio - 1, 1])
    return roots[roots.imag.argmax()]


@pytest.mark.parametrize(("psi_m", "psi_n"), [(1e3, 1e-3), (1e3, 1e3), (0.5, 1e9), (1e-3, 1e-3)])
def test_either_part_alone_has_the_law_of_marchenko_and_pastur(psi_m, psi_n):
    """0.2 + 0.7 G G^T/n for no slope, and 0.2 + 0.49 W W^T, whose ratio is psi_m, for neither sample nor signal."""
    b = np.array([1e-3, 0.3])
    z = b * (1 + 0.2j)
    found, fall = dn.equivalent_spectrum(b, dn.FeatureParts(0.0, 1e-12, 0.7, 0.2), psi_m, psi_n, 1.0, 1.0, width=0.2)
    q = np.array([marchenko_pastur((one - 0.2) / 0.7, psi_m / psi_n) / 0.7 for one in z])
    assert found.tolist() == pytest.approx(q.imag / np.pi, rel=1e-9) and fall.abs().max() < 1e-6
    found, fall = dn.equivalent_spectrum(b, dn.FeatureParts(0.0, 0.7, 0.0, 0.2), psi_m, psi_n, 1e-9, 1.0, width=0.2)
    q = np.array([marchenko_pastur((one - 0.2) / 0.49, psi_m) / 0.49 for one in z])
    assert found.tolist() == pytest.approx(q.imag / np.pi, rel=1e-6)
    assert fall.tolist() == pytest.approx(psi_m * ((z - 0.2) * q).imag / np.pi / b, rel=1e-5)  # W W^T/(U - z) is 1 + (z - 0.2)/(U - z)


def test_a_few_features_of_many_samples_have_one_eigenvalue():
    """m much less than d and n: W W^T and G G^T/n are nearly multiples of one, U is v^2 + a^2 (r^2 + s^2)."""
    found, _ = dn.equivalent_spectrum([1e-3, 2.0], dn.FeatureParts(0.0, 1.0, 0.5, 0.0), 1e-4, 1e9, 0.8, 0.6, width=0.3)
    z = np.array([1e-3, 2.0]) * (1 + 0.3j)
    assert found.tolist() == pytest.approx((1 / (1.5 - z)).imag / np.pi, rel=2e-3)


def test_what_is_learned_in_the_end_and_all_eigenvalues():
    """The integral of the fall is a^2 s^2/d tr W^T U^-1 W, of the density one; in float32 the answer is of that type."""
    b = torch.logspace(-2, 1.5, 600, dtype=F64)
    parts = dn.FeatureParts(0.0, 1.0, 0.3, 0.1)
    density, fall = dn.equivalent_spectrum(b, parts, 4.0, 3.0, 0.8, 0.6, width=1e-2)
    learned = 4 * 0.6**2 * traces(0, parts, 60, 240, 180, 0.8, 0.6)[1]
    assert torch.trapezoid(fall, b).item() == pytest.approx(learned, rel=0.02) and torch.trapezoid(density, b).item() == pytest.approx(1, abs=0.02)
    single = dn.equivalent_spectrum(b[::50].float(), parts, 4.0, 3.0, 0.8, 0.6, width=1e-2)
    for one, other in zip(single, (density, fall), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other[::50], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("change", "said"), [
    ({"b": [1.0, 0.0]}, "b: got 0; allowed: eigenvalues > 0"), ({"width": 0.0}, r"width: got 0.0; allowed: a finite number in \[1e-06, 1\]"),
    ({"width": 1.5}, "width: got 1.5"), ({"psi_m": 0.0}, "psi_m: got 0.0"), ({"psi_n": 1e9 + 0.5}, "psi_n: got 1000000000.5"),
    ({"scale": 0.0}, "scale: got 0.0"), ({"std": 0.0}, "std: got 0.0"), ({"parts": 1}, "parts: got")])
def test_errors_say_what_is_allowed(change, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        dn.equivalent_spectrum(**dict(b=[1.0], parts=dn.FeatureParts(0.0, 1.0, 1.0, 0.1), psi_m=8.0, psi_n=2.0, scale=1.0, std=1.0) | change)


def test_eigenvalues_below_zero_are_refused():
    with pytest.raises(ValueError, match=r"^b: got -1; allowed: eigenvalues > 0"):
        dn.equivalent_spectrum(torch.tensor([1.0, -1.0]), dn.FeatureParts(0.0, 1.0, 1.0, 0.1), 8.0, 2.0, 1.0, 1.0)
