"""Shares of the components against mpmath, where exponents are huge, tied, or far apart."""

import mpmath
import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.processes.posterior import Products, shares

KINDS = [torch.float32, torch.float64]


def exact(weights, means, variances, x):
    """log p, score and its derivative in one dimension with 400 digits."""
    with mpmath.workdps(400):
        w, m, v = ([mpmath.mpf(float(a)) for a in row] for row in (weights, means, variances))
        x = mpmath.mpf(float(x))
        term = [a / mpmath.sqrt(2 * mpmath.pi * c) * mpmath.exp(-((x - b) ** 2) / (2 * c)) for a, b, c in zip(w, m, v, strict=True)]
        total = sum(term)
        share, pull = [one / total for one in term], [(b - x) / c for b, c in zip(m, v, strict=True)]
        score = sum(s * p for s, p in zip(share, pull, strict=True))
        change = sum(s * ((p - score) ** 2 - 1 / c) for s, p, c in zip(share, pull, v, strict=True))
        return float(mpmath.log(total)), float(score), float(change)


CASES = {
    "duplicates, far, little noise": ([0.5, 0.5], [0.0, 0.0], 0.0, 10.0, 1e-5),
    "duplicates with unequal weights": ([0.9, 0.1], [1.0, 1.0], 0.0, 300.0, 1e-4),
    "a tie in the middle": ([0.5, 0.5], [-3.0, 3.0], 0.0, 0.0, 1e-3),
    "nearly a tie": ([0.25, 0.75], [-3.0, 3.0], 0.1, 1e-4, 1e-3),
    "three, far to the right": ([0.2, 0.3, 0.5], [-1.0, 0.0, 0.5], 1.0, 5e3, 0.5),
    "far, and components of different width": ([0.5, 0.5], [0.0, 0.0], (1.0, 1.5), 2e3, 0.5),
    "far, with means that differ little": ([0.5, 0.5], [0.0, 2e-3], 1.0, 1e3, 1e-3),
}


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_right_for_ties_duplicates_and_far_points(case, dtype):
    """Which bug this catches: exp(log term - logsumexp), which loses the logarithm of the number of ties beside a large exponent."""
    weights, means, std, x, t = case
    sde, kind = dn.VE(), dict(dtype=dtype)
    means, x = torch.tensor(means, **kind)[:, None], torch.tensor([[x]], **kind)
    std = torch.tensor(std, **kind)
    p = dn.GaussianMixture.isotropic(torch.tensor(weights, **kind), means, std).diffused(sde)
    variances = (p.mixture.variances.double() + float(sde.std(torch.tensor(t, **kind)).double()) ** 2).expand(len(weights), 1)[:, 0]
    log_p, score, change = exact(p.mixture.weights, means[:, 0], variances, x)
    tolerance = 2e-6 if dtype == torch.float32 else 1e-9
    assert float(p.log_prob(x, t)) == pytest.approx(log_p, rel=tolerance)
    assert float(p.score(x, t)) == pytest.approx(score, rel=tolerance, abs=tolerance * 1e3)
    assert float(p.divergence(x, t)) == pytest.approx(change, rel=20 * tolerance)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("d", [2, 30, 784])
def test_products_are_the_pulls(d, dtype):
    """Which bug this catches: cancellation in |x|^2 - 2 x m + |m|^2, and in the spread, for a data set far from the origin."""
    rng = np.random.default_rng(d)
    data = torch.from_numpy(100 + rng.standard_normal((40, d))).to(dtype)
    data[1] = data[0]
    x = torch.cat([data[:5] + 0.02 * torch.from_numpy(rng.standard_normal((5, d))).to(dtype), 3 * data[5:8]])
    for t in (1e-5, 1e-3, 0.5):
        fast = dn.GaussianMixture.empirical(data).diffused(dn.VE())
        slow = dn.GaussianMixture.isotropic(fast.mixture.weights, data, torch.zeros(40, dtype=dtype)).diffused(dn.VE())
        assert len(fast.mixture.variances) == 1 and len(slow.mixture.variances) == 40
        rtol = 1e-6 if dtype == torch.float32 else 1e-9
        for name in ("log_prob", "score", "divergence"):
            a, b = getattr(fast, name)(x, t), getattr(slow, name)(x, t)
            torch.testing.assert_close(a, b, rtol=rtol, atol=rtol * float(b.abs().max()))


@pytest.mark.parametrize("sde, t", [(dn.OU(), 0.4), (dn.VP(), 0.3), (dn.VE(), 0.2)])
@pytest.mark.parametrize("kind", ["shared", "own"])
def test_any_covariances_are_those_of_torch_distributions(kind, sde, t):
    """Which bug this catches: another power of the scale, which the VE of the other tests, scale one, cannot show."""
    rng, k, d = np.random.default_rng(0), 3, 4
    roots = torch.from_numpy(rng.standard_normal((1 if kind == "shared" else k, d, d)))
    cov, weights, means = roots @ roots.mT, torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64), torch.from_numpy(2 * rng.standard_normal((k, d)))
    r, s = sde.scale(t).double(), sde.std(t).double()
    components = torch.distributions.MultivariateNormal(r * means, r**2 * cov + s**2 * torch.eye(d, dtype=torch.float64))
    law = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(weights), components)
    x = torch.from_numpy(rng.standard_normal((5, d))).requires_grad_()
    score, = torch.autograd.grad(law.log_prob(x).sum(), x, create_graph=True)
    change = sum(torch.autograd.grad(score[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(d))
    p, at = dn.GaussianMixture(weights, means, cov).diffused(sde), torch.full((5,), t, dtype=torch.float64)
    for now in (torch.tensor(t, dtype=torch.float64), at):
        torch.testing.assert_close(p.log_prob(x.detach(), now), law.log_prob(x).detach(), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(p.score(x.detach(), now), score.detach(), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(p.divergence(x.detach(), now), change.detach(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sde", [dn.OU(), dn.VP(), dn.VE()])
def test_products_are_the_pulls_of_components_with_one_width(sde):
    """The two ways agree at every scale, for components of one width and for a width of its own for each, all the same."""
    rng = np.random.default_rng(0)
    weights, means = rng.dirichlet(np.ones(6)), rng.standard_normal((6, 3))
    fast, slow = (dn.GaussianMixture.isotropic(weights, means, std).diffused(sde) for std in (0.7, np.full(6, 0.7)))
    x, t = torch.from_numpy(2 * rng.standard_normal((9, 3))), torch.linspace(0.0, sde.T, 9, dtype=torch.float64)
    for name in ("log_prob", "score", "divergence"):
        torch.testing.assert_close(getattr(fast, name)(x, t), getattr(slow, name)(x, t), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(getattr(fast, name)(x, 0.3), getattr(slow, name)(x, 0.3), rtol=1e-9, atol=1e-9)


def test_no_divergence_is_below_that_of_one_component():
    """A mixture's score has the divergence of one component and the variance of the pulls.

    Which bug this catches: a variance that rounding made negative, times 1 / std^4."""
    rng = np.random.default_rng(0)
    data = torch.from_numpy(100 * rng.standard_normal((200, 20)))
    t = torch.tensor(1e-2, dtype=torch.float64)  # with less noise the products do not fit
    divergence = dn.GaussianMixture.empirical(data.repeat(3, 1)).diffused(dn.VE()).divergence(data, t)
    alone = -20 / dn.VE().std(t) ** 2
    assert (divergence >= alone * (1 + 1e-15)).all()
    torch.testing.assert_close(divergence, alone.expand(200), rtol=0.1, atol=0)


def test_shares_sum_to_one_and_keep_weights_beside_large_exponents():
    for dtype in KINDS:
        exponent, weights = torch.full((1, 3), -3e15, dtype=dtype), torch.tensor([0.7, 0.2, 0.1], dtype=dtype)
        share, total = shares(exponent, weights.log())
        torch.testing.assert_close(share[0], weights)
        assert float(total) == float(exponent[0, 0])
        exponent[0, 2] = -4e15  # nothing is left of the third, and the others keep theirs
        share, total = shares(exponent, weights.log())
        torch.testing.assert_close(share[0], torch.tensor([7 / 9, 2 / 9, 0.0], dtype=dtype))
        assert float(total) == float(exponent[0, 0])
    share, total = shares(torch.tensor([[0.0, 1.0]], dtype=torch.float64), torch.tensor([0.0, -2.0], dtype=torch.float64))
    torch.testing.assert_close(total, torch.log(1 + torch.exp(torch.tensor([-1.0], dtype=torch.float64))))
    torch.testing.assert_close(share[:, 1], torch.sigmoid(torch.tensor([-1.0], dtype=torch.float64)))


def test_weights_rounded_to_float32_are_weights():
    means = torch.zeros(3, 1, dtype=torch.float64)
    mixture = dn.GaussianMixture.isotropic(np.array([0.1, 0.2, 0.7], dtype=np.float32), means, 1.0)
    assert float(mixture.weights.sum()) == pytest.approx(1, abs=1e-15)
    with pytest.raises(ValueError, match=r"^weights: got 1\.00001; allowed: weights whose sum is one to 1e-6"):
        dn.GaussianMixture.isotropic([0.1, 0.2, 0.70001], means, 1.0)
    assert len(dn.GaussianMixture.empirical(torch.zeros(300_000, 1, dtype=torch.float32)).weights) == 300_000


def test_second_derivatives_of_log_prob_at_ties():
    """Which bug this catches: a largest term whose choice between ties has a derivative; hessians were those of one component."""
    for d in (1, 2):
        p = dn.GaussianMixture.two_modes(3.0, d=d)
        x = torch.zeros(d, dtype=torch.float64)
        hessian = torch.func.hessian(lambda x, p=p: p.log_prob(x[None])[0])(x)
        torch.testing.assert_close(hessian, torch.diag(torch.tensor([8.0, -1.0][:d], dtype=torch.float64)))
        assert torch.autograd.gradgradcheck(p.log_prob, x[None].requires_grad_())


def test_a_data_set_may_change_learn_and_be_used_in_any_mode():
    """Which bug this catches: what is kept from a first call, under ``no_grad``, ``inference_mode`` or in ``jacrev``."""
    x = dn.normal(np.random.default_rng(0), (5, 3))
    data = dn.normal(np.random.default_rng(1), (4, 3)).requires_grad_()
    p = dn.GaussianMixture.empirical(data).diffused(dn.OU())
    with torch.inference_mode():
        p.score(x, 0.5)
    torch.func.jacrev(lambda y: p.score(y, 0.5))(x)
    for _ in range(2):
        slope, = torch.autograd.grad(p.log_prob(x, 0.5).sum(), data)
        assert slope.abs().sum() > 0
    before = p.score(x, 0.5)
    with torch.no_grad():
        data.mul_(3)
    assert not torch.allclose(p.score(x, 0.5), before)


@pytest.mark.parametrize("d, std", [(2, 1e-7), (2, 1e-9), (200, 1e-5), (200, 1e-7)])
def test_small_distances_beside_large_points_keep_their_digits(d, std):
    """Which bug this catches: |x|^2 - 2 x m + |m|^2 where the distance is a rounding of |x|."""
    rng = np.random.default_rng(0)
    data = torch.from_numpy(rng.standard_normal((6, d)))
    data[1] = data[0] + std * torch.from_numpy(rng.standard_normal(d)) / d**0.5
    x = data[:1] + std * torch.from_numpy(rng.standard_normal((1, d)))
    fast = dn.GaussianMixture.isotropic(torch.full((6,), 1 / 6, dtype=torch.float64), data, std)
    with mpmath.workdps(60):
        square = [mpmath.fsum((mpmath.mpf(float(a)) - mpmath.mpf(float(b))) ** 2 for a, b in zip(x[0], m, strict=True)) for m in data]
        variance = mpmath.mpf(float(fast.variances[0, 0]))
        exact = mpmath.log(mpmath.fsum(mpmath.exp(-s / (2 * variance)) for s in square) / 6) - d * mpmath.log(2 * mpmath.pi * variance) / 2
    assert float(fast.log_prob(x)) == pytest.approx(float(exact), abs=1e-5)


def test_autocast_does_not_reach_the_products():
    data = torch.from_numpy(5 + np.random.default_rng(0).standard_normal((50, 8))).float()
    p = dn.GaussianMixture.empirical(data).diffused(dn.VE())
    with torch.autocast("cpu", torch.bfloat16):
        inside = p.score(data, 1e-4)
    torch.testing.assert_close(inside, p.score(data, 1e-4))


@pytest.mark.parametrize(("x", "far"), [([30.0, -20.0], 1.0), ([1.0, 2.0], 40.0)])
@pytest.mark.parametrize(("std", "s"), [(0.0, 1.0), (3.0, 1e-3), (0.7, 0.4)])
def test_products_are_taken_where_they_lose_less_than_1e_7(x, far, std, s):
    """Which bug this catches: a limit that forgets the points, the means, one of the two variances, or what each is scaled by."""
    means = torch.tensor([[7.0, 2.0], [7.0 + far, 2.5], [7.0 - far / 2, 2.0]], dtype=torch.float64)
    mixture, r, x = dn.GaussianMixture.isotropic(torch.full((3,), 1 / 3, dtype=torch.float64), means, std), 0.6, torch.tensor([x]).double()
    centred = means - means.mean(0)
    size = float((x - r * means.mean(0)).square().sum() + (r * centred).square().sum(1).max())
    worth = 2.0**-52 * size / (std**2 * r**2 + s**2) / 1e-7  # the loss in units of what is allowed, at this size of the picture
    grown = worth**-0.5  # all lengths but the variances, times this: the loss becomes the limit
    for more, fits in ((0.99, True), (1.01, False)):
        large = dn.GaussianMixture.isotropic(mixture.weights, grown * more * means, std)
        at = Products.frame(large), grown * more * x, torch.tensor([r]).double(), torch.tensor([s]).double()
        assert Products.fits(large, *at) is fits
