"""Divergences, code lengths and densities read off a score, against closed forms and scipy."""

import numpy as np
import pytest
import torch
from scipy import stats

import diffnotes as dn

F64 = torch.float64


def gaussian(x, mean, std):
    return torch.distributions.Normal(torch.tensor(mean, dtype=F64), std).log_prob(x).exp()


def test_kl_grid_matches_torch():
    x = torch.linspace(-30, 30, 6001, dtype=F64)
    for mean, std in ((0.0, 1.0), (1.5, 0.7), (-2.0, 2.5)):
        exact = torch.distributions.kl_divergence(torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(mean, std))
        assert float(dn.kl_grid(gaussian(x, 0.0, 1.0), gaussian(x, mean, std), 0.01)) == pytest.approx(float(exact), abs=1e-6)


def test_kl_grid_on_a_stretched_grid_and_in_batches():
    x = dn.stretched_grid(100.0, 4000, 3.0)
    p = gaussian(x, 0.0, 1.0)
    q = torch.stack([p, gaussian(x, 1.0, 1.0)])
    assert dn.kl_grid(p.expand(2, -1), q, dn.cell_widths(x)).tolist() == pytest.approx([0.0, 0.5], abs=1e-5)


def test_kl_is_infinite_where_q_vanishes():
    p = torch.tensor([0.5, 0.5], dtype=F64)
    assert dn.kl_grid(p, torch.tensor([1.0, 0.0], dtype=F64), 1.0) == torch.inf
    assert float(dn.kl_grid(torch.tensor([1.0, 0.0], dtype=F64), p, 1.0)) == pytest.approx(np.log(2))


def test_kl_grid_normalises_and_leaves_out_what_holds_no_mass():
    x = torch.linspace(-8, 8, 161, dtype=F64)
    p, q = gaussian(x, 0.0, 1.0), gaussian(x, 0.5, 1.0)
    exact = dn.kl_grid(p, q, 0.1)
    assert float(dn.kl_grid(1.0005 * p, 0.9995 * q, 0.1)) == pytest.approx(float(exact), rel=1e-12)
    assert float(dn.kl_grid(p, q, torch.full_like(x, 0.1))) == pytest.approx(float(exact), rel=1e-12)
    with pytest.raises(ValueError, match=r"^p: got 1.002"):
        dn.kl_grid(1.002 * p, q, 0.1)
    with pytest.raises(ValueError, match=r"^tolerance: got -0.5"):
        dn.kl_grid(p, q, 0.1, tolerance=-0.5)
    # The threshold is one of mass, density times width, not of density.
    p, q = torch.tensor([[1e3, 1e-16], [1e3, 1e-14]], dtype=F64), torch.tensor([1e3, 0.0], dtype=F64)
    assert dn.kl_grid(p, q.expand(2, -1), 1e-3).tolist() == [0.0, torch.inf]
    # Where q is small, though not zero, the divergence is finite; cells that are left out have gradient zero, not NaN.
    small = dn.kl_grid(torch.tensor([1.0, 0.0], dtype=F64), torch.tensor([1e-310, 1.0], dtype=F64), 1.0)
    assert float(small) == pytest.approx(310 * np.log(10), rel=1e-6)
    p, q = (torch.tensor(v, dtype=F64, requires_grad=True) for v in ([0.0, 1.0, 0.0], [0.0, 0.5, 0.5]))
    assert all(g.isfinite().all() for g in torch.autograd.grad(dn.kl_grid(p, q, 1.0), (p, q)))


def test_kl_monte_carlo_covers_the_truth():
    p, q = dn.GaussianMixture.isotropic([1.0], [[0.0]], 1.0), dn.GaussianMixture.isotropic([1.0], [[1.0]], 1.0)
    z = []
    for seed in range(200):
        x = p.sample(400, np.random.default_rng(seed))
        estimate, error = dn.kl_monte_carlo(p.log_prob(x), q.log_prob(x))
        z.append(float((estimate - 0.5) / error))
    assert abs(np.mean(z)) < 0.25 and 0.85 < np.std(z) < 1.15


def test_batches_are_those_of_their_rows():
    """Which bug this catches: a sum or a mean over the wrong dimension."""
    x = torch.linspace(-8, 8, 161, dtype=F64)
    p, q = (torch.stack([torch.stack([gaussian(x, a, b) for a in (0.0, 0.3)]) for b in (1.0, 1.2, 0.9)]) for _ in range(2))
    q = q.flip(0)
    log_p, log_q = dn.normal(np.random.default_rng(0), (2, 3, 2, 2))
    mean, error = dn.kl_monte_carlo(log_p, log_q)  # two samples are enough

    def score(y, t):
        return torch.stack([torch.stack([-y, -2 * y]), torch.stack([-3 * y, -y]), torch.stack([-y, -y])])

    density = dn.integrated_score_density(score, x, 0.1)
    read = dn.kl_on_points(score, p[0, 0].log(), x, 0.1)
    for i in range(3):
        for j in range(2):
            torch.testing.assert_close(dn.kl_grid(p, q, 0.1)[i, j], dn.kl_grid(p[i, j], q[i, j], 0.1))
            row = log_p[i, j] - log_q[i, j]
            torch.testing.assert_close(mean[i, j], row.mean())
            torch.testing.assert_close(error[i, j], row.std() / 2**0.5)
            torch.testing.assert_close(density[i, j], dn.integrated_score_density(lambda y, t, i=i, j=j: score(y, t)[i, j], x, 0.1))
            torch.testing.assert_close(read[i, j], dn.kl_on_points(lambda y, t, i=i, j=j: score(y, t)[i, j], p[0, 0].log(), x, 0.1))


def test_kl_gaussian_matches_torch():
    rng = np.random.default_rng(0)
    roots = torch.from_numpy(rng.standard_normal((2, 3, 3)))
    covariances = roots @ roots.mT + 0.1 * torch.eye(3, dtype=F64)
    means = torch.from_numpy(rng.standard_normal((2, 3)))
    laws = [torch.distributions.MultivariateNormal(m, c) for m, c in zip(means, covariances, strict=True)]
    exact = torch.distributions.kl_divergence(*laws)
    assert float(dn.kl_gaussian(means[0], covariances[0], means[1], covariances[1])) == pytest.approx(float(exact), rel=1e-10)


X = torch.linspace(-12, 12, 201, dtype=F64)
LAW = gaussian(X, 0.0, 1.0)


@pytest.mark.parametrize("call, name", [
    (lambda: dn.kl_grid(LAW, LAW[:-1], 0.1), "q"), (lambda: dn.kl_grid(-LAW, LAW, 0.12), "p"),
    (lambda: dn.kl_grid(torch.where(X > 11, -1e-6, LAW), LAW, 0.12), "p"), (lambda: dn.kl_grid(LAW.expand(3, -1), LAW.expand(3, -1), torch.ones(3, dtype=F64)), "dx"),
    (lambda: dn.kl_grid(LAW, 2 * LAW, 0.12), "q"), (lambda: dn.kl_grid(LAW, LAW, 0.0), "dx"),
    (lambda: dn.kl_grid(LAW, LAW, torch.ones(3, dtype=F64)), "dx"),
    (lambda: dn.kl_monte_carlo(torch.zeros(1), torch.zeros(1)), "log_p"), (lambda: dn.kl_monte_carlo(torch.zeros(3), torch.zeros(2)), "log_q"),
    (lambda: dn.kl_gaussian(torch.zeros(2), torch.zeros(2, 2), torch.zeros(2), torch.eye(2)), "cov_p"),
    (lambda: dn.kl_gaussian(torch.zeros(2), torch.tensor([[1.0, 5.0], [0.0, 1.0]]), torch.zeros(2), torch.eye(2)), "cov_p"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_bits_per_dim_of_a_binned_gaussian_is_its_entropy():
    """Independent oracle: the entropy of the exact bin probabilities, by scipy; the uniform law on 256 levels costs 8 bits."""
    width, d, rng = 1 / 8, 3, np.random.default_rng(0)
    levels = np.round(rng.standard_normal((40_000, d)) / width)
    edges = (np.arange(-80, 81) - 0.5) * width
    exact = stats.entropy(np.diff(stats.norm.cdf(edges)), base=2)
    x = torch.tensor((levels + rng.random((40_000, d)) - 0.5) * width)
    bits = dn.bits_per_dim(dn.GaussianMixture.normal(1.0, d).log_prob(x), d, width)
    assert bits.mean() == pytest.approx(exact, abs=0.01)
    assert dn.bits_per_dim(torch.zeros(2, dtype=torch.float64), 784, 1 / 256).tolist() == [8.0, 8.0]
    scaled = dn.GaussianMixture.normal(5.0, d).log_prob(5 * x)  # the same data in another unit: bins scale with it
    torch.testing.assert_close(dn.bits_per_dim(scaled, d, 5 * width), bits)


@pytest.mark.parametrize("change, name", [({"d": 0}, "d"), ({"bin_width": 0.0}, "bin_width"), ({"log_density": "x"}, "log_density")])
def test_bits_per_dim_names_bad_arguments(change, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        dn.bits_per_dim(**{"log_density": torch.zeros(1), "d": 1, "bin_width": 1.0} | change)


VE, MODES = dn.VE(), dn.GaussianMixture.two_modes(2.0).diffused(dn.OU(T=3.0))


def test_integrated_score_density_of_a_true_score_is_the_marginal():
    x = torch.linspace(-9, 9, 3001, dtype=F64)
    q = dn.integrated_score_density(MODES.score, x, 0.3)
    assert torch.allclose(q, MODES.log_prob(x[:, None], 0.3).exp(), atol=1e-4)
    for score in (lambda x, t: x, lambda x, t: x.abs(), lambda x, t: -x.abs(), lambda x, t: -1 - x, lambda x, t: 1 - x,
                  lambda x, t: torch.where(x > 0.9, 1.0, -x), lambda x, t: torch.where(x < -0.9, -1.0, -x)):  # does not point inwards at both ends
        with pytest.raises(ValueError, match=r"^score\(x, t\): got "):
            dn.integrated_score_density(score, torch.linspace(-1, 1, 5, dtype=F64), 0.1)
    with pytest.raises(ValueError, match=r"^score\(x, t\): got 0.125; "):  # the slope at the right end
        dn.integrated_score_density(lambda x, t: x / 8, torch.linspace(-1, 1, 5, dtype=F64), 0.1)
    with pytest.raises(ValueError, match=r"^score\(x, t\): got nan; allowed: finite"):
        dn.integrated_score_density(lambda x, t: -x * torch.nan, torch.linspace(-1, 1, 5, dtype=F64), 0.1)
    with pytest.raises(ValueError, match=r"^x: got -1; allowed: increasing points"):
        dn.integrated_score_density(lambda x, t: -x, torch.tensor([0.0, -1.0, 0.5], dtype=F64), 0.1)


def test_where_it_does_not_exist_the_divergence_from_it_is_infinite():
    x, slopes = torch.linspace(-8, 8, 321, dtype=F64), torch.tensor([1.0, -1.0], dtype=F64)[:, None, None]
    q = dn.integrated_score_density(lambda y, t: -slopes * y, x, 0.1, improper=True)
    p = dn.GaussianMixture.normal(1.0).log_prob(x[:, None]).exp()
    kl = (p * (p / q).log()).sum(-1) * 0.05
    assert (q[1] == 0).all() and kl[1] == torch.inf and abs(float(kl[0])) < 1e-4


def test_a_weak_pull_at_the_ends_is_enough():
    x = torch.linspace(-1, 1, 2001, dtype=F64)
    for pull in (0.01, 3.0, 3000.0):  # with the last the integral of the score reaches 1500
        density = dn.integrated_score_density(lambda y, t, pull=pull: -pull * y, x, 0.1)
        assert torch.allclose(density / density.max(), torch.exp(-pull * x**2 / 2), atol=1e-6)


def test_kl_on_points_of_the_true_score_is_the_divergence_of_the_marginal():
    """On a wide fine grid the read-out at t is KL(p_0 || p_t), here checked against the closed form for Gaussians."""
    law, x, t = dn.GaussianMixture.normal(1.0), torch.linspace(-10, 10, 2001, dtype=F64), 0.065
    variance = torch.tensor([[1 + VE.std(t) ** 2]])
    exact = dn.kl_gaussian(torch.zeros(1, dtype=F64), torch.ones(1, 1, dtype=F64), torch.zeros(1, dtype=F64), variance)
    for every in (1, 40):
        kl = dn.kl_on_points(law.diffused(VE).score, law.log_prob(x[::every, None]), x, t, every)
        torch.testing.assert_close(kl, exact, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(dn.kl_on_points(law.diffused(VE).score, law.log_prob(x[:, None]), x, t), exact, rtol=1e-4, atol=1e-7)


def test_kl_on_points_passes_nan_on():
    x = torch.linspace(-4, 4, 21, dtype=F64)
    log_p = dn.GaussianMixture.normal(1.0).log_prob(x[:, None])
    kl = dn.kl_on_points(lambda y, t: -y * torch.tensor([torch.nan, 1.0], dtype=F64)[:, None, None], log_p, x, 0.1)
    assert kl.isnan().tolist() == [True, False]


@pytest.mark.parametrize("change, name", [({"every": 0}, "every"), ({"log_p": torch.zeros(2, dtype=F64)}, "log_p"),
                                          ({"x": torch.zeros(3, dtype=F64)}, "x"), ({"x": torch.tensor([0.0, 1.0, 0.5], dtype=F64)}, "x")])
def test_reading_a_density_off_a_score_names_bad_arguments(change, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        dn.kl_on_points(**dict(score=lambda x, t: -x, log_p=torch.zeros(3, dtype=F64), x=torch.linspace(-1, 1, 3, dtype=F64), t=0.1) | change)


def test_covariances_are_symmetric_up_to_rounding():
    """Which bug this catches: a tolerance that lets an asymmetric matrix through, in either triangle, or refuses a product's rounding."""
    zero = torch.zeros(2, dtype=F64)
    for scale in (1e-3, 1.0, 1e4):  # the tolerance is relative to the largest entry
        for entry in ((0, 1), (1, 0)):
            for base in ([[1.0, 0.0], [0.0, 1.0]], [[4.0, -5.0], [-5.0, 9.0]]):
                cov = torch.tensor(base, dtype=F64) * scale
                size = float(cov.abs().max())
                cov[entry] += 0.5e-6 * size
                kl = dn.kl_gaussian(zero, cov, zero, cov)
                assert abs(float(kl)) < 1e-5
                cov[entry] += 1e-6 * size
                for name, laws in (("cov_p", (cov, torch.eye(2, dtype=F64))), ("cov_q", (torch.eye(2, dtype=F64), cov))):
                    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: a symmetric matrix"):
                        dn.kl_gaussian(zero, laws[0], zero, laws[1])


def test_too_little_mass_is_refused_like_too_much():
    p = torch.full((10,), 0.1, dtype=F64)
    for mass in (0.99, 1.01):
        with pytest.raises(ValueError, match=rf"^q: got {mass:g}; allowed: "):
            dn.kl_grid(p, mass * p, 1.0, tolerance=0.005)
        assert abs(float(dn.kl_grid(p, mass * p, 1.0, tolerance=0.02))) < 1e-12
