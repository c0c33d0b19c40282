"""Gaussian mixtures and their marginals against torch.distributions, autograd, quadrature and sampling."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffnotes as dn
from diffnotes.processes import mixtures

F64 = torch.float64
EYE = torch.eye(2, dtype=F64)[None]


def random_mixture(seed, k, d):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(k))
    roots = rng.standard_normal((k, d, d))
    return dn.GaussianMixture(weights, 2 * rng.standard_normal((k, d)), roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(d))


def torch_mixture(weights, means, covariances):
    components = torch.distributions.MultivariateNormal(means, covariances)
    return torch.distributions.MixtureSameFamily(torch.distributions.Categorical(weights), components)


def covariances_of(mixture):
    return mixture.basis @ torch.diag_embed(mixture.variances) @ mixture.basis.mT


def test_normal_is_the_normal_law():
    x = torch.tensor([[0.3, -2.0], [1.0, 0.0]], dtype=torch.float64)
    expected = torch.distributions.Normal(0.0, torch.tensor(1.5, dtype=torch.float64)).log_prob(x).sum(1)
    assert torch.allclose(dn.GaussianMixture.normal(torch.tensor(1.5), 2).log_prob(x), expected)
    with pytest.raises(ValueError, match=r"^std: got .*; allowed: "):
        dn.GaussianMixture.normal(-1.0)


def test_one_time_for_each_point_equals_one_call_for_each_time():
    p = random_mixture(3, 3, 2).diffused(dn.VE())
    x, t = dn.normal(np.random.default_rng(0), (5, 2)), torch.linspace(0.1, 1, 5, dtype=torch.float64)
    assert torch.allclose(p.score(x, t), torch.stack([p.score(x[i], t[i]) for i in range(5)]), rtol=1e-12)


def test_batch_shapes():
    p = random_mixture(3, 3, 2).diffused(dn.OU())
    x = dn.normal(np.random.default_rng(0), (4, 3, 2))
    assert p.score(x, 0.5).shape == (4, 3, 2) and p.log_prob(x, 0.5).shape == (4, 3) and p.divergence(x, 0.5).shape == (4, 3)


def watch(monkeypatch, kind, seen):
    """Note the numbers of points in the blocks that are made."""
    made = kind.__init__
    monkeypatch.setattr(kind, "__init__", lambda self, mixture, x, *rest: seen.append(len(x)) or made(self, mixture, x, *rest))


@pytest.mark.parametrize("kind, size", [("full", 6), ("isotropic", 6), ("own", 6), ("data", 3), ("line", 3)])
def test_blocks_change_nothing_and_hold_what_they_may(kind, size, monkeypatch):
    """A point takes an entry for each component, or for each component and axis; a block has at most so many, and one point at least.

    Which bug this catches: a data set in high dimension with the temporaries of components that each have a width of their own."""
    means, weights = dn.normal(np.random.default_rng(0), (3, 1 if kind == "line" else 2)), [0.2, 0.3, 0.5]
    p = dict(full=lambda: random_mixture(1, 3, 2), isotropic=lambda: dn.GaussianMixture(weights, means, 0.5 * EYE),
             own=lambda: dn.GaussianMixture.isotropic(weights, means, [0.5, 0.7, 0.5]), data=lambda: dn.GaussianMixture.empirical(means),
             line=lambda: dn.GaussianMixture.empirical(means))[kind]().diffused(dn.OU())
    x, seen = dn.normal(np.random.default_rng(0), (50, p.mixture.d)), []
    whole = [getattr(p, name)(x, 0.5) for name in ("log_prob", "score", "divergence")]
    used, other = (mixtures.Products, mixtures.Pulls) if kind == "data" else (mixtures.Pulls, mixtures.Products)
    watch(monkeypatch, used, seen)
    monkeypatch.setattr(other, "__init__", None)
    for entries, rows in ((1, 1), (7 * size + size - 1, 7), (50 * size, 50)):
        monkeypatch.setattr(mixtures, "_CHUNK_PRODUCTS" if kind == "data" else "_CHUNK", entries)
        for name, expected in zip(("log_prob", "score", "divergence"), whole, strict=True):
            torch.testing.assert_close(getattr(p, name)(x, 0.5), expected, rtol=1e-11, atol=1e-11)
            assert seen == [rows] * (50 // rows) + [50 % rows] * (50 % rows > 0)
            seen.clear()


@pytest.mark.parametrize("kind", ["data", "own"])
def test_a_block_fits_a_cache_and_a_gpu_gets_more(kind, monkeypatch):
    """Which bug this catches: blocks of a few numbers, or of gigabytes."""
    means, name, seen = torch.zeros(500, 2, dtype=F64), "Products" if kind == "data" else "Pulls", []
    p = dn.GaussianMixture.isotropic(torch.full((500,), 1 / 500, dtype=F64), means, 1.0 if kind == "data" else torch.ones(500, dtype=F64))
    watch(monkeypatch, getattr(mixtures, name), seen)
    p.log_prob(torch.zeros(3000, 2, dtype=F64))
    assert 0.2e6 < max(seen) * 500 * (1 if kind == "data" else 2) * 8 < 10e6  # bytes
    assert 50e6 < mixtures._CHUNK_CUDA * 8 < 500e6


def test_a_draw_takes_the_component_whose_share_of_the_unit_interval_it_hits(monkeypatch):
    """Which bug this catches: a component beyond the last where the shares sum to less than one by rounding."""
    u = torch.tensor([0.0, 0.1999, 0.2001, 0.6999, 0.7001, 1 - 2**-53], dtype=F64)
    monkeypatch.setattr("diffnotes.base.rng.uniform", lambda generator, shape, **kind: u)
    monkeypatch.setattr("diffnotes.base.rng.normal", lambda generator, shape, **kind: torch.ones(shape, **kind))
    x = dn.GaussianMixture.isotropic([0.2, 0.5, 0.3], [[0.0], [10.0], [20.0]], [1.0, 2.0, 3.0]).sample(6, None)
    assert x[:, 0].tolist() == [1.0, 1.0, 12.0, 12.0, 23.0, 23.0]
    short = dn.GaussianMixture.isotropic([0.1] * 10, torch.arange(10.0, dtype=F64)[:, None], 0.0)
    short.weights = short.weights * (1 - 1e-12)
    assert short.sample(6, None)[-1] == 9


def test_two_modes_and_normal_are_what_they_say():
    p = dn.GaussianMixture.two_modes(2.0, 0.3, 3)
    assert p.means.tolist() == [[-2.0, 0.0, 0.0], [2.0, 0.0, 0.0]] and p.weights.tolist() == [0.3, 0.7] and (p.variances == 1).all()
    assert dn.GaussianMixture.two_modes(0.0).means.shape == (2, 1) and dn.GaussianMixture.two_modes(1.0).weights.tolist() == [0.5, 0.5]
    assert dn.GaussianMixture.two_modes(1e15).means[1] == 1e15 and dn.GaussianMixture.normal(0.0).means.tolist() == [[0.0]]
    for call, name in ((lambda: dn.GaussianMixture.two_modes(1.1e15), "mu"), (lambda: dn.GaussianMixture.two_modes(1.0, 0.0), "weight"),
                       (lambda: dn.GaussianMixture.isotropic([1.0, 0.0], [[0.0], [1.0]], 1.0), "weights"), (lambda: dn.GaussianMixture.normal(-0.5), "std"),
                       (lambda: dn.GaussianMixture.isotropic([1.5, -0.5], [[0.0], [1.0]], 1.0), "weights"),
                       (lambda: dn.GaussianMixture.normal(1.0, 0), "d"), (lambda: p.diffused(dn.OU()).half_width(0.1, 0.0), "deviations"),
                       (lambda: p.diffused(dn.OU()).half_width(0.1, 38.1), "deviations"), (lambda: p.diffused(dn.OU()).half_width(-0.1), "t"),
                       (lambda: dn.GaussianMixture.isotropic([0.5, 0.5], [[0.0], [1.0]], [1.0]), "std"),
                       (lambda: dn.GaussianMixture.isotropic([0.5, 0.5], [[0.0], [1.0]], [1.0, -1.0]), "std"),
                       (lambda: dn.GaussianMixture([0.2, 0.3, 0.5], torch.zeros(3, 2, dtype=F64), EYE.expand(2, 2, 2)), "covariances")):
        with pytest.raises(ValueError, match=rf"^{name}: got "):
            call()
    assert float(p.diffused(dn.OU()).half_width(0.0, 0.5)) == 2.5
    assert float(p.diffused(dn.OU()).half_width(5.0, 38.0)) == pytest.approx(38 + 2 * np.exp(-5.0))


def test_a_density_at_time_zero_needs_a_width_of_every_component():
    x = torch.zeros(2, 1, dtype=F64)
    some = dn.GaussianMixture.isotropic([0.5, 0.5], [[0.0], [1.0]], [0.0, 1.0]).diffused(dn.OU())
    for t in (0.0, [0.3, 0.0], [0.0, 0.3]):
        with pytest.raises(ValueError, match=r"^t: got 0; allowed: t > 0: a component without variance"):
            some.score(x, t)
    assert some.score(x, 1e-6).isfinite().all() and dn.GaussianMixture.normal(1e-3).diffused(dn.OU()).score(x, 0.0).isfinite().all()


def test_moments_are_their_sums_for_one_width_a_width_each_and_data():
    rng = np.random.default_rng(0)
    means, weights = torch.from_numpy(rng.standard_normal((4, 3))), torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=F64)
    centred = means - (weights[:, None] * means).sum(0)
    between = sum(w * c[:, None] * c for w, c in zip(weights, centred, strict=True))
    for std in (0.7, [0.1, 0.5, 1.0, 2.0]):
        mixture = dn.GaussianMixture.isotropic(weights, means, std)
        within = (weights * torch.tensor(std, dtype=F64) ** 2).sum() * torch.eye(3, dtype=F64)
        torch.testing.assert_close(mixture.covariance(), within + between)
        torch.testing.assert_close(mixture.mean(), weights @ means)


def test_sampled_marginal_has_the_density():
    p = dn.GaussianMixture.two_modes(2.0, weight=0.3).diffused(dn.OU())
    x = p.sample(200_000, 0.4, np.random.default_rng(0))[:, 0]
    edges = torch.linspace(-4, 4, 17, dtype=torch.float64)
    observed = torch.histogram(x, edges).hist / len(x)
    fine = torch.linspace(-4, 4, 1601, dtype=torch.float64)
    expected = torch.stack([torch.trapezoid(piece, dx=0.005) for piece in p.log_prob(fine[:, None], 0.4).exp().unfold(0, 101, 100)])
    assert torch.allclose(observed, expected, atol=5e-3)


def test_empirical_mixture_is_the_kernel_density_of_the_data():
    data = dn.normal(np.random.default_rng(0), (7, 2))
    sde, x = dn.VP(), dn.normal(np.random.default_rng(1), (5, 2))
    p = dn.GaussianMixture.empirical(data).diffused(sde)
    kernels = torch.distributions.Normal(sde.scale(0.3) * data, sde.std(0.3)).log_prob(x[:, None]).sum(-1)
    assert torch.allclose(p.log_prob(x, 0.3), torch.logsumexp(kernels, 1) - np.log(7), rtol=1e-12)


def test_isotropic_equals_full_covariance():
    weights, means = [0.2, 0.8], np.array([[0.0, 1.0], [2.0, -1.0]])
    x = dn.normal(np.random.default_rng(0), (9, 2))
    plain = dn.GaussianMixture.isotropic(weights, means, [0.5, 2.0])
    full = dn.GaussianMixture(weights, means, np.stack([0.25 * np.eye(2), 4 * np.eye(2)]))
    assert torch.allclose(plain.score(x), full.score(x), rtol=1e-10) and torch.allclose(plain.covariance(), full.covariance())
    shared = dn.GaussianMixture(weights, means, 0.25 * np.eye(2)[None])
    assert torch.allclose(shared.log_prob(x), dn.GaussianMixture.isotropic(weights, means, 0.5).log_prob(x), rtol=1e-10)


def test_far_from_the_data_nothing_underflows():
    p = dn.GaussianMixture.two_modes(3.0).diffused(dn.OU())
    score = p.score(torch.tensor([[1e4]], dtype=torch.float64), 0.01)
    assert float(score) == pytest.approx(-(1e4 - 3 * np.exp(-0.01)), rel=1e-6)


def test_half_width_covers_the_marginals():
    p = dn.GaussianMixture.two_modes(5.0).diffused(dn.VE())
    for t in (0.01, 0.5, 1.0):
        radius = float(p.half_width(t, 6.0))
        x = torch.linspace(-radius, radius, 4001, dtype=torch.float64)
        assert float(torch.trapezoid(p.log_prob(x[:, None], t).exp(), x)) == pytest.approx(1.0, abs=1e-7)


def test_half_width_is_set_by_the_widest_component_and_the_farthest():
    """Which bug this catches: the narrowest component, the nearest mean or the shortest axis in place of the largest."""
    r, v, t = float(dn.OU().scale(0.3)), float(dn.OU().std(0.3)), 0.3
    wide = dn.GaussianMixture.isotropic([0.5, 0.5], [[0.0], [2.0]], [10.0, 1.0]).diffused(dn.OU())
    assert float(wide.half_width(t, 3.0)) == pytest.approx(3 * (100 * r**2 + v**2) ** 0.5)
    far = dn.GaussianMixture.isotropic([0.5, 0.5], [[0.0, 0.0], [1.0, -50.0]], [4.0, 1.0]).diffused(dn.OU())
    assert float(far.half_width(t, 3.0)) == pytest.approx(50 * r + 3 * (r**2 + v**2) ** 0.5)
    long = dn.GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.0], [0.0, 100.0]]]).diffused(dn.OU())
    assert float(long.half_width(t, 3.0)) == pytest.approx(3 * (100 * r**2 + v**2) ** 0.5)
    times = torch.tensor([0.1, 2.0], dtype=F64)
    assert torch.equal(wide.half_width(times), torch.stack([wide.half_width(s, 7.0) for s in times]))


def test_covariances_are_symmetric_and_positive_up_to_rounding():
    """Which bug this catches: a tolerance that refuses the rounding of a product, or lets a matrix through that is no covariance."""
    def mixture(matrix):
        return dn.GaussianMixture([1.0], torch.zeros(1, 2, dtype=F64), torch.as_tensor(matrix, dtype=F64)[None])

    for scale in (1e-3, 1.0, 1e4):  # both tolerances are relative
        for entry in ((0, 1), (1, 0)):
            cov = scale * torch.eye(2, dtype=F64)
            cov[entry] = 0.5e-6 * scale
            mixture(cov)
            cov[entry] = 2e-6 * scale
            with pytest.raises(ValueError, match=r"^covariances: got .*; allowed: symmetric matrices"):
                mixture(cov)
        below = mixture(scale * torch.diag(torch.tensor([1.0, -0.5e-6], dtype=F64)))
        assert torch.allclose(below.covariance(), scale * torch.diag(torch.tensor([1.0, 0.0], dtype=F64)), rtol=1e-12)
        with pytest.raises(ValueError, match=r"^covariances: got -.*; allowed: positive semi-definite matrices"):
            mixture(scale * torch.diag(torch.tensor([1.0, -2e-6], dtype=F64)))
    assert not mixture(torch.zeros(2, 2, dtype=F64)).covariance().any()  # a point
    tiny = torch.diag(torch.tensor([1.0, 1e-15], dtype=F64))  # well above the rounding of 1: a variance, not a zero
    torch.testing.assert_close(mixture(tiny).covariance(), tiny, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_sum_to_one_up_to_rounding_and_are_made_to(dtype):
    def weights(second):
        means = torch.tensor([[0.0], [1.0]], dtype=dtype)
        return dn.GaussianMixture.isotropic(torch.tensor([0.5, second], dtype=dtype), means, 1.0).weights

    for gap in (5e-7, -5e-7):
        assert weights(0.5 + gap).sum().item() == pytest.approx(1, abs=torch.finfo(dtype).eps)
        with pytest.raises(ValueError, match=r"^weights: got .*; allowed: weights whose sum is one"):
            weights(0.5 + 4 * gap)


@pytest.mark.parametrize("call, name", [
    (lambda: dn.GaussianMixture([0.5, 0.6], [[0.0, 0], [1, 1]], EYE), "weights"),
    (lambda: dn.GaussianMixture([0.5, -0.5], [[0.0, 0], [1, 1]], EYE), "weights"),
    (lambda: dn.GaussianMixture([1.0], [[0.0, 0], [1, 1]], EYE), "weights"),
    (lambda: dn.GaussianMixture([0.5, 0.5], [0.0, 1], EYE), "means"),
    (lambda: dn.GaussianMixture([0.5, 0.5], [[0.0, float("nan")], [1, 1]], EYE), "means"),
    (lambda: dn.GaussianMixture([1.0], [[0.0, 0]], -EYE), "covariances"),
    (lambda: dn.GaussianMixture([1.0], [[0.0, 0]], [[[1.0, 0.5], [0.0, 1.0]]]), "covariances"),
    (lambda: dn.GaussianMixture.isotropic([1.0], [[0.0]], -1.0), "std"),
    (lambda: dn.GaussianMixture.two_modes(-1.0), "mu"), (lambda: dn.GaussianMixture.two_modes(1.0, weight=1.0), "weight"),
    (lambda: dn.GaussianMixture.two_modes(1.0, d=0), "d"), (lambda: dn.GaussianMixture.empirical(torch.zeros(0, 2)), "x"),
    (lambda: dn.GaussianMixture.two_modes(1.0).score(torch.zeros(3, 2, dtype=torch.float64)), "x"),
    (lambda: dn.GaussianMixture.two_modes(1.0).score(torch.zeros(3, 1, dtype=torch.float32)), "x"),
    (lambda: dn.GaussianMixture.two_modes(1.0).sample(0, np.random.default_rng(0)), "n"),
    (lambda: dn.GaussianMixture.two_modes(1.0).sample(3, 0), "generator"),
    (lambda: dn.GaussianMixture.two_modes(1.0).diffused("OU"), "sde"),
    (lambda: dn.GaussianMixture.two_modes(1.0).diffused(dn.OU()).score(torch.zeros(1, 1, dtype=torch.float64), 6.0), "t"),
    (lambda: dn.GaussianMixture.empirical(torch.zeros(2, 1)).log_prob(torch.zeros(1, 1)), "t"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_divergence_in_single_precision_does_not_cancel():
    p = dn.GaussianMixture.empirical(torch.zeros(1, 1)).diffused(dn.VE())
    exact = -1 / float(dn.VE().std(torch.tensor(1e-5, dtype=F64))) ** 2
    assert float(p.divergence(torch.tensor([[10.0]]), 1e-5)) == pytest.approx(exact, rel=1e-4)


def test_single_precision_and_singular_covariances():
    dn.GaussianMixture([1.0], torch.zeros(1, 784), torch.ones(1, 784, 784))  # eigenvalues -1e-3 by rounding, beside 784
    a = dn.normal(np.random.default_rng(1), (3, 2))
    flat = dn.GaussianMixture([1.0], torch.zeros(1, 3, dtype=F64), (a @ a.mT)[None])
    with pytest.raises(ValueError, match=r"^t: got 0; allowed: t > 0"):
        flat.score(torch.ones(3, dtype=F64))
    assert flat.diffused(dn.OU()).score(torch.ones(3, dtype=F64), 0.1).isfinite().all()


@pytest.mark.parametrize("shared", [True, False])
def test_full_covariances_in_matrix_form(shared):
    """Covariance, samples, scores and divergences with rotations, against torch.distributions and autograd."""
    rng, k, d = np.random.default_rng(0), 3, 4
    roots = torch.from_numpy(rng.standard_normal((1 if shared else k, d, d)))
    covariances, weights, means = roots @ roots.mT, torch.tensor([0.2, 0.5, 0.3], dtype=F64), dn.normal(rng, (k, d))
    mixture = dn.GaussianMixture(weights, means, covariances)
    law = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(weights),
                                                torch.distributions.MultivariateNormal(means, covariances.expand(k, d, d)))
    centred = means - weights @ means
    torch.testing.assert_close(mixture.covariance(), torch.einsum("k,kij->ij", weights, covariances.expand(k, d, d)) + centred.mT @ (weights[:, None] * centred))
    x = mixture.sample(100_000, rng)
    assert float((torch.cov(x.mT) - mixture.covariance()).norm() / mixture.covariance().norm()) < 0.02
    x = x[:5].requires_grad_()
    torch.testing.assert_close(mixture.log_prob(x.detach()), law.log_prob(x.detach()))
    torch.testing.assert_close(mixture.score(x.detach()), torch.autograd.grad(law.log_prob(x).sum(), x)[0])
    p = mixture.diffused(dn.OU())
    jacobian = torch.stack([torch.func.jacrev(lambda y: p.score(y, 0.3))(row) for row in x.detach()])
    torch.testing.assert_close(p.divergence(x.detach(), 0.3), jacobian.diagonal(dim1=1, dim2=2).sum(1))


def test_moments_and_samples():
    mixture, n = random_mixture(5, 3, 2), 400_000
    x = mixture.sample(n, np.random.default_rng(1))
    assert torch.allclose(x.mean(0), mixture.mean(), atol=5 * float(mixture.covariance().diagonal().max()) ** 0.5 / n**0.5)
    assert torch.allclose(torch.cov(x.mT), mixture.covariance(), rtol=0.02, atol=0.02)
    assert mixture.diffused(dn.OU()).sample(10, 0.5, np.random.default_rng(0)).shape == (10, 2)


def test_the_covariance_of_many_points_needs_no_matrix_for_each():
    """Which bug this catches: a [n, d, d] temporary, here 2 GB."""
    x = dn.normal(np.random.default_rng(0), (1000, 500))
    torch.testing.assert_close(dn.GaussianMixture.empirical(x).covariance(), torch.cov(x.mT, correction=0))


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5), st.floats(0.01, 5.0))
@settings(max_examples=25, deadline=None)
def test_marginals_match_torch_distributions_and_autograd(seed, k, d, t):
    sde, mixture = dn.OU(), random_mixture(seed, k, d)
    r, s = sde.scale(t), sde.std(t)
    oracle = torch_mixture(mixture.weights, r * mixture.means, r**2 * covariances_of(mixture) + s**2 * torch.eye(d, dtype=torch.float64))
    x = 2 * dn.normal(np.random.default_rng(seed), (6, d)).requires_grad_()
    p = mixture.diffused(sde)
    log_prob = oracle.log_prob(x)
    score, = torch.autograd.grad(log_prob.sum(), x)
    assert torch.allclose(p.log_prob(x.detach(), t), log_prob, rtol=1e-9, atol=1e-9)
    assert torch.allclose(p.score(x.detach(), t), score, rtol=1e-7, atol=1e-8)
    both = p.log_prob_and_score(x.detach(), t)
    assert torch.equal(both[0], p.log_prob(x.detach(), t)) and torch.equal(both[1], p.score(x.detach(), t))
    jacobian = torch.stack([torch.autograd.functional.jacobian(lambda y: p.score(y[None], t)[0], row) for row in x.detach()])
    assert torch.allclose(p.divergence(x.detach(), t), jacobian.diagonal(dim1=1, dim2=2).sum(1), rtol=1e-6, atol=1e-7)


def test_the_prior_bound_is_exact_for_one_component():
    one = dn.GaussianMixture.isotropic([1.0], [[2.0, 0.0, 1.0]], 0.5).diffused(dn.OU())
    r, s = math.exp(-5.0), math.sqrt(1 - math.exp(-10.0))
    exact = dn.kl_gaussian(r * torch.tensor([2.0, 0.0, 1.0]).double(), torch.eye(3).double() * (0.25 * r**2 + s**2), torch.zeros(3).double(),
                           torch.eye(3).double() * s**2)
    assert one.prior_kl() == pytest.approx(float(exact), rel=1e-6)
    x = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    two = dn.GaussianMixture.two_modes(2.0).diffused(dn.VP(beta_max=6.0))
    prior = dn.GaussianMixture.normal(two.sde.std(1.0))
    assert dn.kl_grid(two.log_prob(x[:, None], 1.0).exp(), prior.log_prob(x[:, None]).exp(), x[1] - x[0]) <= two.prior_kl()


def test_the_distribution_function_is_the_integral_of_the_density_and_a_staircase_of_data():
    mixture = dn.GaussianMixture.isotropic([0.3, 0.7], [[-1.0], [2.0]], [0.5, 1.5])
    p, x = mixture.diffused(dn.OU()), torch.linspace(-12, 12, 24_001, dtype=F64)[:, None]
    for density, cdf in ((mixture.log_prob(x), mixture.cdf(x)), (p.log_prob(x, 0.7), p.cdf(x, 0.7))):
        torch.testing.assert_close(cdf, torch.cat([cdf.new_zeros(1), torch.cumulative_trapezoid(density.exp(), x[:, 0])]), atol=1e-7, rtol=0)
    times = torch.tensor([0.0, 0.4, 5.0], dtype=F64)
    torch.testing.assert_close(p.cdf(x[:3] + 12, times), torch.stack([p.cdf(x[k:k + 1] + 12, t)[0] for k, t in enumerate(times)]))
    data = dn.GaussianMixture.empirical(torch.tensor([[0.0], [1.0]], dtype=F64))
    assert data.cdf(torch.tensor([[-0.1], [0.0], [0.9], [1.0]], dtype=F64)).tolist() == [0.0, 0.5, 0.5, 1.0]
    assert float(dn.GaussianMixture.normal(1.0).cdf([-9.0])) == pytest.approx(1.1285884e-19, rel=1e-6)  # small tails keep their digits
    with pytest.raises(ValueError, match=r"^mixture: got a density in d = 2; allowed: d = 1"):
        dn.GaussianMixture.two_modes(1.0, d=2).cdf(torch.zeros(3, 2, dtype=F64))
