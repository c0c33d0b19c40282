import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffnotes as dn
from diffnotes.theory import noise_average

F64 = torch.float64
SDE = dn.OU(T=5.0)


def features(seed, d=2, width=5, embedding=3):
    return dn.RandomFeatures.draw(width, d, SDE.T, np.random.default_rng(seed), embedding=embedding)


def mixture(kind, seed, d=2, k=3):
    means = dn.normal(np.random.default_rng(seed), (k, d))
    if kind == "data":
        return dn.GaussianMixture.empirical(means)
    return dn.GaussianMixture.isotropic(torch.tensor([0.2, 0.3, 0.5], dtype=F64), means, torch.tensor([0.1, 0.7, 1.3], dtype=F64))


NODES, WEIGHTS = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(200))


def by_quadrature(f, p, t):
    """B and C in any dimension, by Gauss-Legendre quadrature over the part of the first input's normal where its ReLU is active.

    Given it, the second input is normal, and the mean of its ReLU is m Phi(m / c) + c phi(m / c); no series, no kink inside.
    """
    scale, std, size = SDE.scale(t), SDE.std(t), f.W.norm(dim=1)
    g = ((f.W @ f.W.mT) / (size[:, None] * size)).clamp(-1, 1)
    c = torch.sqrt(1 - g**2).clamp(min=1e-12)
    B, C, d = torch.zeros_like(g), torch.zeros(f.d, f.width, dtype=F64), f.d
    for share, mean, variance in zip(p.mixture.weights, p.mixture.means, p.mixture.variances.expand(-1, d).expand(len(p.mixture.means), d), strict=True):
        spread = torch.sqrt(scale**2 * variance[0] + std**2)
        u = (f.W @ (scale * mean) + f.bias(t)) / (spread * size)
        low = (-u).clamp(-9, 9)[:, None]
        z = low + (9 - low) * (1 + NODES) / 2  # [m, nodes]
        weight = (9 - low) / 2 * WEIGHTS * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        active = (spread * size)[:, None] * (u[:, None] + z) * weight
        m = u[:, None] + g[:, :, None] * z[:, None]  # the mean of input j, given that of input i: [m, m, nodes]
        ratio = m / c[:, :, None]
        other = m * torch.special.ndtr(ratio) + c[:, :, None] * torch.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
        B += share * std**2 / f.width * torch.einsum("in,ijn->ij", active, spread * size[:, None] * other)
        C -= share * std * std / spread * f.W.mT / size * (active * z).sum(1) / f.width**0.5  # E[z | the sum of the two normals]
    return B, C


@pytest.mark.parametrize("kind", ["data", "gaussians"])
@pytest.mark.parametrize("t", [0.05, 0.6])
@pytest.mark.parametrize("d", [1, 2, 6])
def test_agrees_with_quadrature(kind, t, d):
    f, p = features(1, d, width=4), mixture(kind, 2, d).diffused(SDE)
    B, C = by_quadrature(f, p, t)
    result = dn.denoising_statistics(f, p, t, terms=600)
    if d > 1:  # on the line all correlations are one, where the series converges slowly
        torch.testing.assert_close(result.B, B, rtol=1e-6, atol=1e-10)
    torch.testing.assert_close(result.B.diagonal(), B.diagonal(), rtol=1e-8, atol=1e-11)
    torch.testing.assert_close(result.C, C, rtol=1e-8, atol=1e-11)
    assert result.S == d


def test_is_the_arc_cosine_kernel_for_a_normal_target():
    W = dn.normal(np.random.default_rng(6), (40, 12))
    f = dn.RandomFeatures(W, torch.zeros(40, 1, dtype=F64), SDE.T)
    t = 0.3
    result = dn.denoising_statistics(f, dn.GaussianMixture.normal(2.0, 12).diffused(SDE), t, terms=60)
    size = W.norm(dim=1)
    g = ((W / size[:, None]) @ (W / size[:, None]).mT).clamp(-1, 1)
    kernel = (torch.sqrt(1 - g**2) + g * (math.pi - torch.arccos(g))) / (2 * math.pi)
    variance = 4 * SDE.scale(t) ** 2 + SDE.std(t) ** 2
    torch.testing.assert_close(result.B, SDE.std(t) ** 2 * variance * size[:, None] * size * kernel / 40, rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(result.C, -SDE.std(t) ** 2 * W.mT / 2 / 40**0.5)


def test_no_network_beats_the_best_denoiser_of_a_normal_target():
    f, t = features(7, d=5, width=300), 0.5
    minimum = dn.GradientFlow(dn.denoising_statistics(f, dn.GaussianMixture.normal(1.0, 5).diffused(SDE), t, terms=60)).minimum()
    best = 5 * SDE.scale(t) ** 2 / (SDE.scale(t) ** 2 + SDE.std(t) ** 2)
    assert best < minimum < 1.02 * best


@pytest.mark.parametrize("change, name", [
    (dict(features=None), "features"), (dict(p=None), "p"), (dict(t=0.0), "t"), (dict(t=6.0), "t"), (dict(t=float("nan")), "t"),
    (dict(terms=1), "terms"), (dict(p=dn.GaussianMixture.normal(1.0, 3).diffused(SDE)), "p.mixture.means"),
    (dict(p=dn.GaussianMixture([1.0], torch.zeros(1, 2, dtype=F64), torch.eye(2, dtype=F64)[None]).diffused(SDE)), "p"),
    (dict(features=dn.RandomFeatures(torch.zeros(2, 2, dtype=F64), torch.ones(2, 1, dtype=F64), 5.0)), "features")])
def test_names_the_bad_argument(change, name):
    arguments = dict(features=features(0), p=mixture("data", 0).diffused(SDE), t=0.3, terms=20) | change
    with pytest.raises(ValueError, match=f"^{name}: got"):
        dn.denoising_statistics(**arguments)


@pytest.mark.parametrize("entries, blocks", [(1, [1] * 7), (2 * 20 * 5, [2, 2, 2, 1]), (2**22, [7])])
def test_blocks_of_data_change_nothing_and_hold_what_they_may(entries, blocks, monkeypatch):
    """Horner's rule runs over the terms, 20 unless told otherwise, of one block of the data at a time."""
    p = dn.GaussianMixture.empirical(dn.normal(np.random.default_rng(0), (7, 2))).diffused(SDE)
    whole, seen, coefficients = dn.denoising_statistics(features(0), p, 0.3, terms=20), [], noise_average._coefficients
    monkeypatch.setattr(noise_average, "_ENTRIES", entries)
    monkeypatch.setattr(noise_average, "_coefficients", lambda terms, b, *rest: seen.append(len(b)) or coefficients(terms, b, *rest))
    torch.testing.assert_close(dn.denoising_statistics(features(0), p, 0.3).B, whole.B, rtol=1e-12, atol=0)
    assert seen == blocks


def test_a_block_is_of_some_megabytes_and_a_gpu_gets_more(monkeypatch):
    """Which bug this catches: blocks of a few numbers, or the terms of all data at once."""
    p, seen = dn.GaussianMixture.empirical(torch.zeros(9000, 2, dtype=F64)).diffused(SDE), []
    monkeypatch.setattr(noise_average, "_coefficients", lambda terms, b, *rest: seen.append(b.numel() * terms) or [torch.zeros_like(b)] * terms)
    dn.denoising_statistics(features(0, width=20), p, 0.3, terms=40)
    assert 8e6 < max(seen) * 8 < 50e6  # bytes
    assert 0.2e9 < noise_average._ENTRIES_CUDA * 8 < 2e9


def test_a_feature_that_is_never_active_has_no_negative_square():
    """Which bug this catches: (1 + u^2) Phi(u) + u phi(u) for u far below zero, where rounding makes it negative."""
    f = dn.RandomFeatures(torch.linspace(0.1, 0.5, 9, dtype=F64)[:, None], torch.full((9, 1), -2.0, dtype=F64), 5.0)
    p = dn.GaussianMixture.empirical(torch.zeros(1, 1, dtype=F64)).diffused(SDE)
    for t in torch.linspace(0.01, 2.0, 40):
        assert (dn.denoising_statistics(f, p, float(t)).B.diagonal() >= 0).all()


def test_times_end_with_the_earlier_of_process_and_features():
    p, f = mixture("data", 0).diffused(dn.OU(T=9.0)), features(0)
    assert dn.denoising_statistics(f, p, 5.0, terms=2).B.shape == (5, 5)
    for t, law in ((5.1, p), (3.1, mixture("data", 0).diffused(dn.OU(T=3.0)))):
        with pytest.raises(ValueError, match=r"^t: got .*; allowed: a finite number in \(0, [53]\]"):
            dn.denoising_statistics(f, law, t)


def test_is_the_loss_of_the_authors_programs_averaged_over_the_noise():
    f, p, t = features(3, d=6, width=8), mixture("data", 4, d=6).diffused(SDE), 0.4
    rng = np.random.default_rng(5)
    theta = dn.normal(rng, (6, 8))
    x0, z = p.mixture.means[torch.arange(300_000) % 3], dn.normal(rng, (300_000, 6))
    drawn = ((SDE.std(t) * f.score(theta)(SDE.perturb(x0, t, z), t) + z) ** 2).sum(-1)
    error = 4 * drawn.std() / len(drawn) ** 0.5
    assert abs(dn.denoising_statistics(f, p, t).loss(theta) - drawn.mean()) < error


@pytest.mark.parametrize("terms", [2, 3, 7])
def test_horners_rule_is_the_sum_of_powers(terms):
    """The series itself, with coefficients from Gauss-Hermite quadrature of E relu(b (u + z)) He_k(z) / sqrt(k!)."""
    p = dn.GaussianMixture.empirical(dn.normal(np.random.default_rng(1), (3, 2))).diffused(SDE)
    f, t = features(2), 0.4
    z = torch.linspace(-9, 9, 200_001, dtype=F64)
    weight = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    size = torch.linalg.vector_norm(f.W, dim=1)
    b, g = SDE.std(t) * size, (f.W / size[:, None]) @ (f.W / size[:, None]).mT
    expected = torch.zeros(5, 5, dtype=F64)
    for x in p.mixture.means:
        active = torch.relu(SDE.scale(t) * f.W @ x + f.bias(t) + b * z[:, None])
        for k in range(terms):
            he = torch.from_numpy(np.polynomial.hermite_e.hermeval(z.numpy(), [0.0] * k + [1.0])) / math.sqrt(math.factorial(k))
            alpha = ((weight * he)[:, None] * active).sum(0)
            expected += g**k * alpha[:, None] * alpha / 3 * SDE.std(t) ** 2 / 5
    B = dn.denoising_statistics(f, p, t, terms=terms).B
    off = ~torch.eye(5, dtype=torch.bool)
    torch.testing.assert_close(B[off], expected[off], rtol=1e-7, atol=1e-9)


def test_follows_dtype_and_device():
    for kind in (dict(dtype=torch.float32), dict(device="meta")):
        f = dn.RandomFeatures.draw(6, 3, SDE.T, np.random.default_rng(0), **kind)
        x = torch.zeros(4, 3, **{"dtype": F64, **kind})
        result = dn.denoising_statistics(f, dn.GaussianMixture.empirical(x).diffused(SDE), 0.3)
        assert {a.dtype for a in (result.B, result.C, result.S)} == {f.W.dtype} and result.B.device == f.W.device


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), t=st.floats(1e-3, 4.0), terms=st.integers(2, 12), kind=st.sampled_from(["data", "gaussians"]))
def test_truncation_keeps_its_bound_and_a_positive_matrix(seed, t, terms, kind):
    f, p = features(seed, d=4, width=10), mixture(kind, seed + 1, d=4).diffused(SDE)
    short, (B, C) = dn.denoising_statistics(f, p, t, terms=terms), by_quadrature(f, p, t)
    size = f.W.norm(dim=1)
    g = ((f.W / size[:, None]) @ (f.W / size[:, None]).mT).abs().fill_diagonal_(0)
    b = torch.sqrt(SDE.scale(t) ** 2 * p.mixture.variances.amax() + SDE.std(t) ** 2) * size
    bound = b[:, None] * b * g**terms / (5 * terms * (terms - 1) * (1 - g))
    assert ((short.B - B).abs() * f.width / SDE.std(t) ** 2 <= bound + 1e-9).all()
    assert torch.linalg.eigvalsh(short.B)[0] > -1e-12 * short.B.abs().max()
    assert (short.B.diagonal() >= 0).all()
    torch.testing.assert_close(short.C, C, rtol=1e-7, atol=1e-10)


def test_smooth_features_agree_with_quadrature_in_two_dimensions():
    """tanh in the plane: the noise average on a Gauss-Hermite grid of both its coordinates, without a series."""
    W, x = dn.normal(np.random.default_rng(3), (5, 2)), dn.normal(np.random.default_rng(4), (3, 2))
    result, t = dn.smooth_statistics(torch.tanh, W, x, SDE, 0.2, terms=60, nodes=200), 0.2
    node, weight = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(100))
    z, weight = torch.cartesian_prod(node, node), torch.outer(weight, weight).flatten() / (2 * math.pi)
    phi = torch.tanh(SDE.perturb(x[:, None].expand(-1, len(z), -1), torch.full((3, len(z)), t), z.expand(3, -1, -1)) @ W.mT) / 5**0.5
    B = SDE.std(t) ** 2 * torch.einsum("k,nki,nkj->ij", weight, phi, phi) / 3
    C = -SDE.std(t) * torch.einsum("k,kd,nki->di", weight, z, phi) / 3
    torch.testing.assert_close(result.B, B, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(result.C, C, rtol=1e-6, atol=1e-9)
    assert result.S == 2
