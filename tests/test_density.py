"""Divergences and the reverse-SDE density against closed forms, scipy and convergence orders."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.linalg import solve_banded

import diffnotes as dn
from diffnotes import fokker_planck

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


def test_kl_monte_carlo_covers_the_truth():
    p, q = dn.GaussianMixture.isotropic([1.0], [[0.0]], 1.0), dn.GaussianMixture.isotropic([1.0], [[1.0]], 1.0)
    z = []
    for seed in range(200):
        x = p.sample(400, np.random.default_rng(seed))
        estimate, error = dn.kl_monte_carlo(p.log_prob(x), q.log_prob(x))
        z.append(float((estimate - 0.5) / error))
    assert abs(np.mean(z)) < 0.25 and 0.85 < np.std(z) < 1.15


def test_kl_gaussian_matches_torch():
    rng = np.random.default_rng(0)
    roots = torch.from_numpy(rng.standard_normal((2, 3, 3)))
    covariances = roots @ roots.mT + 0.1 * torch.eye(3, dtype=F64)
    means = torch.from_numpy(rng.standard_normal((2, 3)))
    laws = [torch.distributions.MultivariateNormal(m, c) for m, c in zip(means, covariances, strict=True)]
    exact = torch.distributions.kl_divergence(*laws)
    assert float(dn.kl_gaussian(means[0], covariances[0], means[1], covariances[1])) == pytest.approx(float(exact), rel=1e-10)


def test_tridiagonal_solver_matches_scipy():
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 7, 8, 33):
        lower, upper = -rng.random(n - 1), -rng.random(n - 1)
        diagonal, right = 2.5 + rng.random(n), rng.random((n, 2))
        banded = np.zeros((3, n))
        banded[0, 1:], banded[1], banded[2, :-1] = upper, diagonal, lower
        a, d, c, b = (torch.from_numpy(v) for v in (lower[:, None].repeat(2, 1), diagonal[:, None].repeat(2, 1), upper[:, None].repeat(2, 1), right))
        assert fokker_planck._solve_tridiagonal(a, d, c, b).numpy() == pytest.approx(solve_banded((1, 1), banded, right), rel=1e-11)


def test_bernoulli_function_near_zero_and_beyond():
    z = torch.tensor([-1e-7, 0.0, 1e-7, 1e-5, 2.0, -800.0, 800.0], dtype=F64)
    exact = [1 + 5e-8, 1.0, 1 - 5e-8, 1 - 5e-6 + 1e-10 / 12, 2 / np.expm1(2.0), 800.0, 0.0]
    assert fokker_planck._bernoulli(z).tolist() == pytest.approx(exact, rel=1e-11, abs=1e-300)


SDE, MIX = dn.OU(T=3.0), dn.GaussianMixture.two_modes(2.0)
P = MIX.diffused(SDE)


def solve(n, steps, order, reach=12.0):
    x = torch.linspace(-reach, reach, n, dtype=F64)
    t = torch.linspace(3.0, 0.1, steps + 1, dtype=F64)
    prior = P.log_prob(x[:, None], 3.0).exp()
    q = dn.reverse_sde_density(P.score, SDE, x, t, prior, order=order)
    return x, q, P.log_prob(x[:, None], 0.1).exp()


@pytest.mark.parametrize("order, rate", [(1, 2.0), (2, 4.0)])
def test_reverse_density_converges_in_time(order, rate):
    errors = [float((q - p).abs().sum() * (x[1] - x[0])) for x, q, p in (solve(1601, k, order) for k in (40, 80))]
    assert errors[0] / errors[1] == pytest.approx(rate, rel=0.3)


def test_reverse_density_converges_at_second_order_in_space():
    def at_zero(n):  # the density at x = 0 against a much finer grid, same time steps
        return float(solve(n, 40, 1)[1][n // 2])

    exact = at_zero(3201)
    assert abs(at_zero(101) - exact) / abs(at_zero(201) - exact) == pytest.approx(4.0, rel=0.25)


def test_reverse_density_conserves_mass_and_sign_even_with_huge_steps():
    x = dn.stretched_grid(60.0, 301, 3.0)
    prior = gaussian(x, 0.0, 1.0)
    prior = prior / (prior * dn.cell_widths(x)).sum()
    q = dn.reverse_sde_density(P.score, SDE, x, torch.tensor([3.0, 0.1], dtype=F64), prior, order=1, edge_mass=1.0)
    assert (q >= 0).all() and float((q * dn.cell_widths(x)).sum()) == pytest.approx(1.0, abs=1e-12)


def test_reverse_density_of_a_linear_score_is_the_known_gaussian():
    # Score -x/V0 in place of the truth: dV/du = 2V - 4V/V0 + 2 backwards in time for OU.
    x, t = torch.linspace(-20, 20, 1601, dtype=F64), torch.linspace(3.0, 0.0, 201, dtype=F64)
    q = dn.reverse_sde_density(lambda x, t: -x / 1.5, SDE, x, t, gaussian(x, 0.0, 1.0))
    rate = 2 - 4 / 1.5
    variance = (1 + 2 / rate) * np.exp(rate * 3.0) - 2 / rate
    assert float((q * x**2).sum() * (x[1] - x[0])) == pytest.approx(variance, rel=1e-3)


def test_batched_scores_equal_single_ones():
    x, t = torch.linspace(-12, 12, 401, dtype=F64), torch.linspace(3.0, 0.5, 21, dtype=F64)
    prior = gaussian(x, 0.0, 1.0)
    both = dn.reverse_sde_density(lambda y, s: torch.stack([-y, -y / 1.2]), SDE, x, t, prior)
    for k, v in enumerate((1.0, 1.2)):
        assert torch.allclose(both[k], dn.reverse_sde_density(lambda y, s, v=v: -y / v, SDE, x, t, prior), rtol=1e-10, atol=1e-300)


X, T = torch.linspace(-12, 12, 201, dtype=F64), torch.linspace(3.0, 0.5, 6, dtype=F64)
PRIOR = gaussian(X, 0.0, 1.0)


def reverse(**change):
    arguments = dict(score=lambda x, t: -x, sde=SDE, x=X, t=T, prior=PRIOR) | change
    return dn.reverse_sde_density(**arguments)


@pytest.mark.parametrize("call, name", [
    (lambda: dn.kl_grid(PRIOR, PRIOR[:-1], 0.1), "q"), (lambda: dn.kl_grid(-PRIOR, PRIOR, 0.12), "p"),
    (lambda: dn.kl_grid(PRIOR, 2 * PRIOR, 0.12), "q"), (lambda: dn.kl_grid(PRIOR, PRIOR, 0.0), "dx"),
    (lambda: dn.kl_grid(PRIOR, PRIOR, torch.ones(3, dtype=F64)), "dx"),
    (lambda: dn.kl_monte_carlo(torch.zeros(1), torch.zeros(1)), "log_p"), (lambda: dn.kl_monte_carlo(torch.zeros(3), torch.zeros(2)), "log_q"),
    (lambda: dn.kl_gaussian(torch.zeros(2), torch.zeros(2, 2), torch.zeros(2), torch.eye(2)), "cov_p"),
    (lambda: reverse(x=X.flip(0)), "x"), (lambda: reverse(x=X[:2]), "x"), (lambda: reverse(t=T.flip(0)), "t"),
    (lambda: reverse(t=torch.tensor([4.0, 1.0], dtype=F64)), "t"), (lambda: reverse(prior=PRIOR * 2), "prior"),
    (lambda: reverse(prior=-PRIOR), "prior"), (lambda: reverse(prior=PRIOR[:-1]), "prior"), (lambda: reverse(order=3), "order"),
    (lambda: reverse(score=lambda x, t: x[:, 0]), r"score\(x, t\)"), (lambda: reverse(score=lambda x, t: x * float("nan")), r"score\(x, t\)"),
    (lambda: reverse(score=lambda x, t: 2 * x), "x"), (lambda: dn.stretched_grid(1.0, 10, 2.0), "core"), (lambda: dn.stretched_grid(0.0, 10, 1.0), "reach"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_driftless_coordinates_are_the_same_process_and_more_accurate():
    sde, target = dn.OU(T=5.0), dn.GaussianMixture.two_modes(13.0)
    p, line = target.diffused(sde), dn.Driftless(sde)
    x0, z = dn.normal(np.random.default_rng(0), (2, 5, 1))
    assert torch.allclose(line.perturb(x0, 0.7, z), sde.perturb(x0, 0.7, z) / sde.scale(0.7))
    h = 1e-5  # g^2 / r^2 is the growth of v^2
    assert float(line.diffusion(1.0)) ** 2 == pytest.approx(float(line.std(1 + h) ** 2 - line.std(1 - h) ** 2) / (2 * h), rel=1e-6)
    error, r0 = [], sde.scale(0.01)
    for process, scale, reach, end in ((sde, lambda t: torch.ones(()), 600.0, torch.tensor(1.0)), (line, sde.scale, 1200.0, r0)):
        y = dn.stretched_grid(reach=reach, n=500, core=20.0)
        down = torch.linspace(5.0**0.5, 0.1, 46, dtype=torch.float64).square().clamp(0.01, 5.0)
        prior = dn.GaussianMixture.normal(process.std(5.0)).log_prob(y[:, None]).exp()

        def score(points, t, scale=scale):
            return scale(t) * p.score((scale(t) * points).to(torch.float64), t)

        q = dn.reverse_sde_density(score, process, y, down, prior, edge_mass=0.01)
        truth = p.log_prob((end * y)[:, None].to(torch.float64), 0.01).exp() * end
        error.append(float(dn.kl_grid(truth, q, dn.cell_widths(y))))
    assert error[1] < 1e-3 < 0.02 < error[0]
    with pytest.raises(ValueError, match=r"^inner: got .*; allowed: "):
        dn.Driftless("OU")


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
    for score in (lambda x, t: x, lambda x, t: x.abs(), lambda x, t: -x.abs(), lambda x, t: -1 - x, lambda x, t: 1 - x):  # does not point inwards at both ends
        with pytest.raises(ValueError, match=r"^score\(x, t\): got "):
            dn.integrated_score_density(score, torch.linspace(-1, 1, 5, dtype=F64), 0.1)


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
