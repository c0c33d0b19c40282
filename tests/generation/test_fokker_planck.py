"""The reverse-SDE density against closed forms, scipy and convergence orders."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.linalg import lapack

import diffnotes as dn
from diffnotes.generation import fokker_planck

F64 = torch.float64


def gaussian(x, mean, std):
    return torch.distributions.Normal(torch.tensor(mean, dtype=F64), std).log_prob(x).exp()


@pytest.mark.parametrize("with_scipy", [True, False])
def test_tridiagonal_solver_matches_dense_matrices(with_scipy, monkeypatch):
    """Each row is a system of its own, by LAPACK and, on other devices or without scipy, by cyclic reduction."""
    if not with_scipy:
        monkeypatch.setattr(fokker_planck, "_lapack", lambda like: None)
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 7, 8, 33):
        lower, upper = -rng.random((n - 1, 3)), -rng.random((n - 1, 3))
        diagonal, right = 2.5 + rng.random((n, 3)), rng.random((n, 3))
        exact = [np.linalg.solve(np.diag(diagonal[:, k]) + np.diag(lower[:, k], -1) + np.diag(upper[:, k], 1), right[:, k]) for k in range(3)]
        for dtype, rel in ((F64, 1e-11), (torch.float32, 1e-5)):
            system = (torch.from_numpy(v.T.copy()).to(dtype) for v in (lower, diagonal, upper, right))
            solution = fokker_planck._solve_tridiagonal(*system)
            assert solution.dtype == dtype and solution.numpy() == pytest.approx(np.stack(exact), rel=rel)


def test_fluxes_keep_their_sign_at_any_drift():
    """Which bug this catches: B(-z) = B(z) + z for a large negative z, a difference of large numbers, which may come out negative."""
    x = torch.linspace(-5, 5, 101, dtype=F64)
    begin = gaussian(x, 0.0, 1.0)[None]
    for drift in (1e-9, 40.0, 1e4, -1e4, 1e9, -1e9):
        after = fokker_planck._implicit_step(begin, torch.full((1, 100), drift, dtype=F64), torch.tensor(1e-3, dtype=F64), x, dn.cell_widths(x), 0.1)
        assert (after >= 0).all() and float((after[0] * dn.cell_widths(x)).sum()) == pytest.approx(1.0, abs=1e-6)
        torch.testing.assert_close(after.flip(1), fokker_planck._implicit_step(
            begin.flip(1), torch.full((1, 100), -drift, dtype=F64), torch.tensor(1e-3, dtype=F64), x, dn.cell_widths(x), 0.1), rtol=1e-6, atol=1e-12)


def test_grids_and_widths_are_their_formulas():
    x = dn.stretched_grid(60.0, 9, 3.0)
    top = math.asinh(20.0)
    torch.testing.assert_close(x, torch.tensor([3 * math.sinh(top * k / 4) for k in range(-4, 5)], dtype=F64))
    assert float(x[-1]) == pytest.approx(60) and dn.stretched_grid(1.0, 3, 1.0).tolist() == pytest.approx([-1.0, 0.0, 1.0], abs=1e-15)
    for n, core, name in ((2, 1.0, "n"), (3, 0.0, "core"), (3, 1.001, "core")):
        with pytest.raises(ValueError, match=rf"^{name}: got "):
            dn.stretched_grid(1.0, n, core)
    # Faces at -0.5, 0.5, 2, 4.5, 7.5: midpoints, and as far beyond the ends as the midpoints next to them.
    assert dn.cell_widths(torch.tensor([0.0, 1.0, 3.0, 6.0], dtype=F64)).tolist() == [1.0, 1.5, 2.5, 3.0]
    assert dn.cell_widths(torch.tensor([1.0, 3.0], dtype=F64)).tolist() == [2.0, 2.0]


def dense_step(q, drift, diffusivity, x, dt):
    """One backward Euler step of the Scharfetter-Gummel scheme as a matrix: cell by cell, face by face."""
    n, faces = len(x), (x[1:] + x[:-1]) / 2
    width = np.diff(np.concatenate([[2 * x[0] - faces[0]], faces, [2 * x[-1] - faces[-1]]]))
    matrix = np.diag(width)
    for i in range(n - 1):
        gap = x[i + 1] - x[i]
        z = drift[i] * gap / diffusivity
        left, right = (dt * diffusivity / gap * (1.0 if y == 0 else y / np.expm1(y)) for y in (-z, z))
        matrix[i, i] += left
        matrix[i, i + 1] -= right
        matrix[i + 1, i] -= left
        matrix[i + 1, i + 1] += right
    return np.linalg.solve(matrix, width * q)


@pytest.mark.parametrize("sde", [dn.VE(5.0), dn.OU(T=2.0), dn.VP(0.5, 4.0, T=2.0)])
def test_the_scheme_is_its_fluxes_and_the_second_order_its_extrapolation(sde):
    """On a grid of unequal cells, with a score that depends on x and t; coefficients and scores at the middle of each step."""
    x = dn.stretched_grid(9.0, 40, 2.0).add(0.3)
    prior, t = gaussian(x, 0.3, 1.2), [0.9 * sde.T, 0.7 * sde.T, 0.6 * sde.T]
    prior = prior / (prior * dn.cell_widths(x)).sum()

    def solved(t):
        q, faces = prior.numpy(), ((x[1:] + x[:-1]) / 2).numpy()
        for now, after in pairwise(t):
            middle = (now + after) / 2
            f, g = float(sde.drift_rate(middle)), float(sde.diffusion(middle))
            q = dense_step(q, -f * faces + g**2 * (np.sin(faces) - middle * faces), g**2 / 2, x.numpy(), now - after)
        return torch.from_numpy(q)

    def score(x, t):
        return torch.sin(x) - t * x

    coarse, fine = solved(t), solved([t[0], (t[0] + t[1]) / 2, t[1], (t[1] + t[2]) / 2, t[2]])
    first, second = (dn.reverse_sde_density(score, sde, x, torch.tensor(t, dtype=F64), prior, order=k) for k in (1, 2))
    torch.testing.assert_close(first, coarse, rtol=1e-9, atol=1e-15)
    expected = fine**2 / coarse
    torch.testing.assert_close(second, expected / (expected * dn.cell_widths(x)).sum(), rtol=1e-8, atol=1e-15)
    torch.testing.assert_close(dn.reverse_sde_density(score, sde, x, torch.tensor(t, dtype=F64), prior), second)


def test_cells_that_underflow_stay_empty():
    """Which bug this catches: 0 / 0 in the extrapolation."""
    x, t = torch.linspace(-60, 60, 301, dtype=F64), torch.tensor([3.0, 2.9999999, 2.9999998], dtype=F64)
    prior = torch.where(x.abs() < 3, torch.ones_like(x), torch.zeros_like(x))
    q = dn.reverse_sde_density(lambda x, t: -x, SDE, x, t, prior / (prior.sum() * 0.4))
    assert (q >= 0).all() and q[0] == 0 and float(q.sum() * 0.4) == pytest.approx(1.0, abs=1e-12)


def test_limits_of_mass():
    """The prior's mass may be off by 0.001; an edge cell may hold what ``edge_mass`` says, on either side."""
    for gap, valid in ((0.9e-3, True), (-0.9e-3, True), (1.1e-3, False), (-1.1e-3, False)):
        if valid:
            reverse(prior=PRIOR * (1 + gap))
        else:
            with pytest.raises(ValueError, match=r"^prior: got .*; allowed: a density with mass one"):
                reverse(prior=PRIOR * (1 + gap))
    for side in (1, -1):
        def push(x, t, side=side):
            return torch.full_like(x, 3.0 * side)

        q = reverse(score=push, edge_mass=1.0)
        edge = float(q[-1 if side > 0 else 0] * 0.12)
        assert 0.06 < edge < 0.9
        reverse(score=push, edge_mass=edge * 1.05)
        for most in ({}, dict(edge_mass=edge * 0.8)):
            with pytest.raises(ValueError, match=r"^x: got .*; allowed: a grid wide enough"):
                reverse(score=push, **most)


def test_the_smallest_problem_has_three_cells_and_one_step():
    x = torch.tensor([-2.0, 0.0, 2.0], dtype=F64)
    q = dn.reverse_sde_density(lambda x, t: -x, SDE, x, torch.tensor([1.0, 0.99], dtype=F64), torch.tensor([0.0, 0.5, 0.0], dtype=F64), edge_mass=1.0)
    torch.testing.assert_close(q, q.flip(0))
    assert float(q.sum() * 2) == pytest.approx(1.0, abs=1e-12) and 0.4 < float(q[1]) < 0.5


def test_lapack_solves_on_a_cpu_and_nowhere_else():
    assert fokker_planck._lapack(torch.zeros(1, dtype=F64)) is lapack.dgtsv and fokker_planck._lapack(torch.zeros(1)) is lapack.sgtsv
    assert fokker_planck._lapack(torch.zeros(1, device="meta")) is None


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


def test_reverse_density_converges_at_second_order_in_space():
    def at_zero(n):  # the density at x = 0 against a much finer grid, same time steps
        return float(solve(n, 40, 1)[1][n // 2])

    exact = at_zero(3201)
    assert abs(at_zero(101) - exact) / abs(at_zero(201) - exact) == pytest.approx(4.0, rel=0.25)


def test_reverse_density_of_a_linear_score_is_the_known_gaussian():
    # Score -x/V0 in place of the truth: dV/du = 2V - 4V/V0 + 2 backwards in time for OU.
    x, t = torch.linspace(-20, 20, 1601, dtype=F64), torch.linspace(3.0, 0.0, 201, dtype=F64)
    q = dn.reverse_sde_density(lambda x, t: -x / 1.5, SDE, x, t, gaussian(x, 0.0, 1.0))
    rate = 2 - 4 / 1.5
    variance = (1 + 2 / rate) * np.exp(rate * 3.0) - 2 / rate
    assert float((q * x**2).sum() * (x[1] - x[0])) == pytest.approx(variance, rel=1e-3)


@pytest.mark.parametrize("order, rate", [(1, 2.0), (2, 4.0)])
def test_reverse_density_converges_in_time(order, rate):
    errors = [float((q - p).abs().sum() * (x[1] - x[0])) for x, q, p in (solve(1601, k, order) for k in (40, 80))]
    assert errors[0] / errors[1] == pytest.approx(rate, rel=0.3)
