import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffnotes as dn

F64 = torch.float64
SDE = dn.OU(T=5.0)


def features(seed, d=2, width=5, embedding=3):
    return dn.RandomFeatures.draw(width, d, SDE.T, np.random.default_rng(seed), embedding=embedding)


def mixture(kind, seed, d=2, k=3):
    means = dn.normal(np.random.default_rng(seed), (k, d))
    if kind == "data":
        return dn.GaussianMixture.empirical(means)
    return dn.GaussianMixture.isotropic(torch.tensor([0.2, 0.3, 0.5], dtype=F64), means, torch.tensor([0.1, 0.7, 1.3], dtype=F64))


def by_quadrature(f, p, t, n=1201):
    """B and C by the trapezoidal rule over two standard normals for each component; std z is part of their sum."""
    x = torch.linspace(-8, 8, n, dtype=F64)
    density = torch.exp(-(x**2) / 2)
    weight = (density[:, None] * density).flatten()
    weight = weight / weight.sum()
    grid = torch.stack(torch.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2)
    scale, std = SDE.scale(t), SDE.std(t)
    B, C = torch.zeros(f.width, f.width, dtype=F64), torch.zeros(2, f.width, dtype=F64)
    for share, mean, variance in zip(p.mixture.weights, p.mixture.means, p.mixture.variances.expand(3, 2), strict=True):
        spread = torch.sqrt(scale**2 * variance[0] + std**2)
        phi = f(scale * mean + spread * grid, t)
        B += share * std**2 * (phi * weight[:, None]).mT @ phi
        C -= share * std * (grid * std / spread * weight[:, None]).mT @ phi  # E[z | the sum of the two normals]
    return B, C


@pytest.mark.parametrize("kind", ["data", "gaussians"])
@pytest.mark.parametrize("t", [0.05, 0.6])
def test_agrees_with_quadrature_in_the_plane(kind, t):
    f, p = features(1), mixture(kind, 2).diffused(SDE)
    B, C = by_quadrature(f, p, t)
    result = dn.denoising_statistics(f, p, t, terms=400)
    torch.testing.assert_close(result.B, B, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(result.C, C, rtol=1e-4, atol=1e-7)
    assert result.S == 2


def test_is_the_loss_of_the_authors_programs_averaged_over_the_noise():
    f, p, t = features(3, d=6, width=8), mixture("data", 4, d=6).diffused(SDE), 0.4
    rng = np.random.default_rng(5)
    theta = dn.normal(rng, (6, 8))
    x0, z = p.mixture.means[torch.arange(300_000) % 3], dn.normal(rng, (300_000, 6))
    drawn = ((SDE.std(t) * f.score(theta)(SDE.perturb(x0, t, z), t) + z) ** 2).sum(-1)
    error = 4 * drawn.std() / len(drawn) ** 0.5
    assert abs(dn.denoising_statistics(f, p, t).loss(theta) - drawn.mean()) < error


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


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), t=st.floats(1e-3, 4.0), terms=st.integers(2, 12), kind=st.sampled_from(["data", "gaussians"]))
def test_truncation_keeps_its_bound_and_a_positive_matrix(seed, t, terms, kind):
    f, p = features(seed, d=4, width=10), mixture(kind, seed + 1, d=4).diffused(SDE)
    short, long = (dn.denoising_statistics(f, p, t, terms=k) for k in (terms, 1000))
    size = f.W.norm(dim=1)
    g = ((f.W / size[:, None]) @ (f.W / size[:, None]).mT).abs().fill_diagonal_(0)
    b = torch.sqrt(SDE.scale(t) ** 2 * p.mixture.variances.amax() + SDE.std(t) ** 2) * size
    bound = b[:, None] * b * g**terms / (5 * terms * (terms - 1) * (1 - g))
    assert ((short.B - long.B).abs() * f.width / SDE.std(t) ** 2 <= bound + 1e-12).all()
    assert torch.linalg.eigvalsh(short.B)[0] > -1e-12 * short.B.abs().max()
    assert torch.equal(short.B.diagonal(), short.B.diagonal().clamp(min=0)) and torch.equal(short.C, long.C)


def test_follows_dtype_and_device():
    for kind in (dict(dtype=torch.float32), dict(device="meta")):
        f = dn.RandomFeatures.draw(6, 3, SDE.T, np.random.default_rng(0), **kind)
        x = torch.zeros(4, 3, **{"dtype": F64, **kind})
        result = dn.denoising_statistics(f, dn.GaussianMixture.empirical(x).diffused(SDE), 0.3)
        assert {a.dtype for a in (result.B, result.C, result.S)} == {f.W.dtype} and result.B.device == f.W.device


@pytest.mark.parametrize("change, name", [
    (dict(features=None), "features"), (dict(p=None), "p"), (dict(t=0.0), "t"), (dict(t=6.0), "t"), (dict(t=float("nan")), "t"),
    (dict(terms=1), "terms"), (dict(p=dn.GaussianMixture.normal(1.0, 3).diffused(SDE)), "p.mixture.means"),
    (dict(p=dn.GaussianMixture([1.0], torch.zeros(1, 2, dtype=F64), torch.eye(2, dtype=F64)[None]).diffused(SDE)), "p"),
    (dict(features=dn.RandomFeatures(torch.zeros(2, 2, dtype=F64), torch.ones(2, 1, dtype=F64), 5.0)), "features")])
def test_names_the_bad_argument(change, name):
    arguments = dict(features=features(0), p=mixture("data", 0).diffused(SDE), t=0.3, terms=20) | change
    with pytest.raises(ValueError, match=f"^{name}: got"):
        dn.denoising_statistics(**arguments)


def test_blocks_of_data_change_nothing(monkeypatch):
    """Horner's rule runs over the terms of one block of the data at a time."""
    p = dn.GaussianMixture.empirical(dn.normal(np.random.default_rng(0), (7, 2))).diffused(SDE)
    whole = dn.denoising_statistics(features(0), p, 0.3)
    monkeypatch.setattr("diffnotes.noise_average._ENTRIES", 2 * 20 * 5)
    torch.testing.assert_close(dn.denoising_statistics(features(0), p, 0.3).B, whole.B)


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
