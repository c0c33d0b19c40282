"""The reverse-SDE density against closed forms, scipy and convergence orders."""

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes import fokker_planck

F64 = torch.float64


def gaussian(x, mean, std):
    return torch.distributions.Normal(torch.tensor(mean, dtype=F64), std).log_prob(x).exp()


@pytest.mark.parametrize("with_scipy", [True, False])
def test_tridiagonal_solver_matches_dense_matrices(with_scipy, monkeypatch):
    """Each column is a system of its own, by LAPACK and, on other devices or without scipy, by cyclic reduction."""
    if not with_scipy:
        monkeypatch.setattr(fokker_planck, "_lapack", lambda like: None)
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 7, 8, 33):
        lower, upper = -rng.random((n - 1, 3)), -rng.random((n - 1, 3))
        diagonal, right = 2.5 + rng.random((n, 3)), rng.random((n, 3))
        exact = [np.linalg.solve(np.diag(diagonal[:, k]) + np.diag(lower[:, k], -1) + np.diag(upper[:, k], 1), right[:, k]) for k in range(3)]
        for dtype, rel in ((F64, 1e-11), (torch.float32, 1e-5)):
            system = (torch.from_numpy(v).to(dtype) for v in (lower, diagonal, upper, right))
            solution = fokker_planck._solve_tridiagonal(*system)
            assert solution.dtype == dtype and solution.numpy() == pytest.approx(np.stack(exact, 1), rel=rel)


def test_fluxes_keep_their_sign_at_any_drift():
    """Which bug this catches: B(-z) = B(z) + z for a large negative z, a difference of large numbers, which may come out negative."""
    x = torch.linspace(-5, 5, 101, dtype=F64)
    begin = gaussian(x, 0.0, 1.0)[:, None]
    for drift in (1e-9, 40.0, 1e4, -1e4, 1e9, -1e9):
        after = fokker_planck._implicit_step(begin, torch.full((100, 1), drift, dtype=F64), torch.tensor(1e-3, dtype=F64), x, dn.cell_widths(x), 0.1)
        assert (after >= 0).all() and float((after[:, 0] * dn.cell_widths(x)).sum()) == pytest.approx(1.0, abs=1e-6)
        torch.testing.assert_close(after.flip(0), fokker_planck._implicit_step(
            begin.flip(0), torch.full((100, 1), -drift, dtype=F64), torch.tensor(1e-3, dtype=F64), x, dn.cell_widths(x), 0.1), rtol=1e-6, atol=1e-12)


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


def test_steps_too_long_to_extrapolate_are_refused():
    """One step gives the extrapolated density a mass of 1.37, two 1.11, three one within 0.05 of 1.

    Which bug this catches: a limit so wide that the normalisation hides a density that is wrong everywhere."""
    for steps, mass in ((1, "1.369"), (2, "1.111")):
        with pytest.raises(ValueError, match=rf"^t: got {mass}\d*; allowed: steps short enough"):
            solve(401, steps, 2)
    x, q, _ = solve(401, 3, 2)
    assert float((q * dn.cell_widths(x)).sum()) == pytest.approx(1.0, abs=1e-12)


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
    (lambda: reverse(x=X.flip(0)), "x"), (lambda: reverse(x=X[:2]), "x"), (lambda: reverse(t=T.flip(0)), "t"),
    (lambda: reverse(t=torch.tensor([4.0, 1.0], dtype=F64)), "t"), (lambda: reverse(prior=PRIOR * 2), "prior"),
    (lambda: reverse(prior=-PRIOR), "prior"), (lambda: reverse(prior=PRIOR[:-1]), "prior"), (lambda: reverse(order=3), "order"),
    (lambda: reverse(score=lambda x, t: x[:, 0]), r"score\(x, t\)"), (lambda: reverse(score=lambda x, t: x * float("nan")), r"score\(x, t\)"),
    (lambda: reverse(t=T[:1]), "t"), (lambda: dn.cell_widths(X[:1]), "x"), (lambda: dn.cell_widths(X.flip(0)), "x"),
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
