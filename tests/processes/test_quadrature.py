"""Nodes and weights against integrals in closed form: polynomials in t, the mass and the second moment of a marginal."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.processes.quadrature import weight_at

F64 = torch.float64
SDE = dn.OU(T=2.0)
P = dn.GaussianMixture.two_modes(1.5).diffused(SDE)
PLANE = dn.GaussianMixture.two_modes(1.5, d=2).diffused(SDE)
ONE = torch.ones_like


def test_time_nodes_integrate_polynomials_up_to_their_degree():
    """n nodes of Gauss and Legendre in r = sqrt(t) are exact up to r^(2n - 1): with dt = 2 r dr, for t^0 to t^(n - 1)."""
    for low, high, n in ((0.1, 2.0, 1), (1e-3, 5.0, 4), (0.5, 0.7, 9)):
        t, dt = dn.time_nodes(low, high, n)
        assert t.shape == dt.shape == (n,) and low < t[0] and t[-1] < high and (t.diff() > 0).all() and (dt > 0).all()
        for k in range(n):
            assert float((dt * t**k).sum()) == pytest.approx((high ** (k + 1) - low ** (k + 1)) / (k + 1), rel=1e-12)
    assert float((dt * t**0.5).sum()) == pytest.approx(2 / 3 * (0.7**1.5 - 0.5**1.5), rel=1e-12)
    t, dt = dn.time_nodes(0.04, 1.0, 1)  # one node: the middle in r
    assert t.item() == pytest.approx(0.36) and dt.item() == pytest.approx(2 * 0.6 * 0.8)


def test_a_line_grid_holds_a_mass_of_exactly_one():
    """Which bug this catches: a weight of 1/n for 1/(n - 1), edge cells of full width, a time average over T for T - t_min."""
    for n_t, n_x in ((3, 60), (8, 41)):
        nodes = dn.line_grid(P, ONE, 0.3, n_t=n_t, n_x=n_x).weighted(P)
        assert nodes.x.shape == (n_t * n_x, 1) and float(nodes.weight.sum()) == pytest.approx(1.0, abs=1e-10)
    grid = dn.line_grid(P, ONE, 0.3, n_t=2, n_x=5)
    inner, t = grid.x[1:4, 0], grid.t[0]
    assert float(inner[1]) == 0 and float(inner[2]) == pytest.approx(float(P.half_width(t)) / 2) == -float(inner[0])
    assert (grid.volume[[0, 4]] * 2 == grid.volume[1]).all() and (grid.volume[1:4] == grid.volume[1]).all()


def test_a_line_grid_integrates_the_weighted_second_moment():
    """E_t t^2 E_{x ~ p_t} x^2, with E x^2 = r^2 (1 + mu^2) + std^2 and the time average by a much finer rule."""
    t, dt = dn.time_nodes(0.3, 2.0, 60)
    exact = float((dt * t**2 * (SDE.scale(t) ** 2 * (1 + 1.5**2) + SDE.std(t) ** 2)).sum()) / 1.7
    nodes = dn.line_grid(P, torch.square, 0.3, n_t=20, n_x=80).weighted(P)
    assert float((nodes.weight * nodes.x[:, 0] ** 2).sum()) == pytest.approx(exact, rel=1e-8)
    assert torch.equal(nodes.score, P.score(nodes.x, nodes.t))


def test_a_line_grid_reaches_as_far_as_it_is_told():
    for deviations in (1.0, 5.0):
        grid = dn.line_grid(P, ONE, 0.3, n_t=4, n_x=3, deviations=deviations)
        t, x = grid.t.reshape(4, 3), grid.x.reshape(4, 3)
        assert (t == t[:, :1]).all() and torch.equal(x[:, 2], P.half_width(t[:, 0], deviations)) and torch.equal(x[:, 0], -x[:, 2])
    default = dn.line_grid(P, ONE, 0.3)
    assert torch.equal(default.x.reshape(128, 128)[:, -1], P.half_width(default.t.reshape(128, 128)[:, -1], 7.0))


def test_the_error_at_a_kink_is_of_second_order_in_x():
    """The trapezoidal rule with step h errs by at most h^2 p(a) / 6 for E |x - a|; here averaged over the times."""
    def mean(n_x):
        nodes = dn.line_grid(P, ONE, 0.3, n_t=16, n_x=n_x).weighted(P)
        return float((nodes.weight * (nodes.x[:, 0] - 0.3).abs()).sum())

    t, dt = dn.time_nodes(0.3, SDE.T, 16)
    density = P.log_prob(torch.full((16, 1), 0.3, dtype=F64), t).exp()
    for n in (51, 101, 401):
        most = float((dt / 1.7 * (2 * P.half_width(t) / (n - 1)) ** 2 * density).sum()) / 6
        assert abs(mean(n) - mean(6401)) < 1.1 * most


def test_sampled_nodes_are_stratified_and_their_weights_sum_to_one():
    """Which bug this catches: weights 1/(n - 1); times drawn anywhere, whose mean would vary like n^(-1/2) and not n^(-3/2)."""
    n, low, high = 50, 0.2, SDE.T
    means = []
    for seed in range(40):
        nodes = dn.sampled_nodes(PLANE, ONE, low, n, np.random.default_rng(seed))
        assert nodes.x.shape == (n, 2) and float(nodes.weight.sum()) == pytest.approx(1.0, abs=1e-14)
        edges = low + (high - low) * torch.arange(n + 1, dtype=F64) / n
        assert ((edges[:-1] <= nodes.t) & (nodes.t <= edges[1:])).all()
        assert torch.equal(nodes.score, PLANE.score(nodes.x, nodes.t))
        means.append(float((nodes.weight * nodes.t).sum()))
    exact = (high - low) / (12**0.5 * n**1.5)  # n strata, each uniform of width (T - t_min) / n
    assert np.mean(means) == pytest.approx((low + high) / 2, abs=4 * exact / 40**0.5)
    assert np.std(means) == pytest.approx(exact, rel=0.35)


def test_sampled_nodes_take_their_randomness_from_the_generator_alone():
    """Which bug this catches: a draw from torch's global generator, so that a seed no longer fixes the nodes."""
    for make in (np.random.default_rng, torch.Generator().manual_seed):
        results = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            results.append(dn.sampled_nodes(PLANE, SDE.std, 0.2, 6, make(5)))
        assert torch.equal(results[0].t, results[1].t) and torch.equal(results[0].x, results[1].x)
        assert torch.equal(results[0].weight, SDE.std(results[0].t) / 6)
    again = dn.sampled_nodes(PLANE, SDE.std, 0.2, 6, np.random.default_rng(6))
    assert not torch.equal(again.t, results[0].t)


def test_sampled_points_follow_the_marginals():
    """Standardised by the mean and the standard deviation of p_t, the second coordinate N(0, r^2 + std^2) is standard."""
    nodes = dn.sampled_nodes(PLANE, ONE, 0.2, 4000, np.random.default_rng(0))
    z = nodes.x[:, 1] / (SDE.scale(nodes.t) ** 2 + SDE.std(nodes.t) ** 2).sqrt()
    first = nodes.x[:, 0].square() / (SDE.scale(nodes.t) ** 2 * (1 + 1.5**2) + SDE.std(nodes.t) ** 2)
    assert abs(float(z.mean())) < 4 / 4000**0.5 and float(z.var()) == pytest.approx(1, abs=4 * (2 / 4000) ** 0.5)
    assert float(first.mean()) == pytest.approx(1, abs=0.08)


def test_single_precision_stays_single():
    p = dn.GaussianMixture.two_modes(1.5, dtype=torch.float32).diffused(SDE)
    for nodes in (dn.line_grid(p, SDE.std, 0.3, n_t=3, n_x=5).weighted(p), dn.sampled_nodes(p, SDE.std, 0.3, 5, np.random.default_rng(0))):
        assert {getattr(nodes, name).dtype for name in ("x", "t", "weight", "score")} == {torch.float32}


def test_a_weight_may_vanish_but_not_change_sign():
    t = torch.tensor([0.5, 1.0], dtype=F64)
    assert weight_at(torch.zeros_like, t).tolist() == weight_at(0, t).tolist() == [0, 0] and weight_at(2.5, t).tolist() == [2.5, 2.5]
    for weighting in (lambda t: -t, -0.5):
        with pytest.raises(ValueError, match=r"^weighting: got -0.5; allowed: .* values >= 0"):
            weight_at(weighting, t)


X, T = torch.zeros(4, 1, dtype=F64), torch.ones(4, dtype=F64)


@pytest.mark.parametrize(("name", "call"), [
    ("t_min", lambda: dn.time_nodes(0.0, 1.0, 3)), ("t_min", lambda: dn.time_nodes(-0.5, 1.0, 3)), ("T", lambda: dn.time_nodes(1.0, 1.0, 3)),
    ("T", lambda: dn.time_nodes(1.0, 0.5, 3)), ("n", lambda: dn.time_nodes(0.1, 1.0, 0)),
    ("p", lambda: dn.line_grid(PLANE, ONE, 0.1)), ("n_t", lambda: dn.line_grid(P, ONE, 0.1, n_t=0)), ("n_x", lambda: dn.line_grid(P, ONE, 0.1, n_x=2)),
    *(("t_min", lambda t=t: dn.line_grid(P, ONE, t)) for t in (-0.5, 0.0, 2.0, 3.0)),
    *(("t_min", lambda t=t: dn.sampled_nodes(P, ONE, t, 3, np.random.default_rng(0))) for t in (-0.5, 0.0, 2.0, 3.0)),
    ("n", lambda: dn.sampled_nodes(P, ONE, 0.1, 0, np.random.default_rng(0))), ("generator", lambda: dn.sampled_nodes(P, ONE, 0.1, 3, 0)),
    ("weighting", lambda: dn.line_grid(P, "one", 0.1)), ("weighting", lambda: dn.line_grid(P, lambda t: t[:1], 0.1)),
    ("t", lambda: dn.Grid(X, T[:3], T)), ("volume", lambda: dn.Grid(X, T, T[:3])), ("x", lambda: dn.Grid(X.expand(4, 2), T, T)),
    ("t", lambda: dn.Nodes(X, T[:3], T, X)), ("weight", lambda: dn.Nodes(X, T, T[:3], X)), ("score", lambda: dn.Nodes(X, T, T, X.expand(4, 2)))])
def test_bad_input(name, call):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_one_node_is_enough():
    nodes = dn.sampled_nodes(P, ONE, 0.5, 1, np.random.default_rng(0))
    assert nodes.weight.tolist() == [1.0] and 0.5 <= nodes.t.item() <= 2.0
    grid = dn.line_grid(P, ONE, 0.5, n_t=1, n_x=3)
    assert float(grid.volume.sum()) == pytest.approx(2 * float(P.half_width(grid.t[:1])) * math.prod(dn.time_nodes(0.5, 2.0, 1)[1].tolist()) / 1.5)


DATA = dn.GaussianMixture.empirical(torch.tensor([[-2.0], [0.5], [1.5]], dtype=F64)).diffused(SDE)


def test_kernel_nodes_hold_the_mass_and_the_mean_square_of_the_kernels_score():
    """E_t lambda E |z / std|^2 with lambda = 1: the integral of 1 / (1 - exp(-2t)) is log(expm1(2t)) / 2, whatever the data."""
    exact = 0.5 * math.log(math.expm1(4.0) / math.expm1(0.2)) / 1.9
    for p, points in ((P, 2 * 5), (DATA, 3)):
        nodes = dn.kernel_nodes(p, ONE, 0.1, n_t=30, n_z=61, n_0=5)
        assert nodes.x.shape == (30 * 61 * points, 1) and float(nodes.weight.sum()) == pytest.approx(1.0, abs=1e-10)
        assert float((nodes.weight * nodes.score[:, 0] ** 2).sum()) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("p", [P, DATA], ids=["mixture", "data set"])
def test_kernel_nodes_see_the_marginal_and_its_score_without_asking_for_them(p):
    """E x^k, and E[target x^k] = E[score x^k] = -k E x^(k - 1), against the nodes on a line, which know p_t."""
    pairs, line = dn.kernel_nodes(p, SDE.std, 0.1, n_t=20), dn.line_grid(p, SDE.std, 0.1, n_t=20, n_x=801).weighted(p)
    for k in range(5):
        for target in (False, True):
            by_pairs, by_line = ((nodes.weight[:, None] * (nodes.score if target else 1) * nodes.x**k).sum().item() for nodes in (pairs, line))
            assert by_pairs == pytest.approx(by_line, rel=1e-7, abs=1e-9)


def test_kernel_nodes_point_back_to_where_they_came_from():
    nodes = dn.kernel_nodes(DATA, SDE.std, 0.1, n_t=2, n_z=5)
    origin = (nodes.x[:, 0] + nodes.score[:, 0] * SDE.std(nodes.t) ** 2) / SDE.scale(nodes.t)  # [t, x(0), z]
    assert torch.allclose(origin.reshape(2, 3, 5), DATA.mixture.means[:, :1].expand(3, 5), atol=1e-12)
    assert torch.allclose(nodes.score, SDE.kernel_score(nodes.x, origin[:, None], nodes.t), atol=1e-12)


def test_kernel_draws_have_the_means_of_the_nodes():
    """200,000 draws against quadrature, within five standard errors: mass, second moment, mean square of the target."""
    for p, d in ((P, 1), (PLANE, 2)):
        draws = dn.kernel_draws(p, SDE.std, 0.1, 200_000, np.random.default_rng(0))
        t, dt = dn.time_nodes(0.1, SDE.T, 40)
        weight = SDE.std(t) * dt / 1.9
        moment = SDE.scale(t) ** 2 * (d + 1.5**2) + d * SDE.std(t) ** 2
        for value, exact in ((torch.ones_like(draws.t), weight.sum()), (draws.x.square().sum(1), weight @ moment),
                             (draws.score.square().sum(1), weight @ (d / SDE.std(t) ** 2))):
            each = draws.weight * value * len(draws.t)
            assert abs(each.mean() - exact) < 5 * each.std() / len(each) ** 0.5
    again = dn.kernel_draws(PLANE, SDE.std, 0.1, 200_000, np.random.default_rng(0))
    assert torch.equal(again.x, draws.x) and (draws.t > 0.1).all() and draws.x.shape == draws.score.shape == (200_000, 2)


def test_kernel_nodes_are_for_the_line():
    with pytest.raises(ValueError, match="p: got a density in d = 2"):
        dn.kernel_nodes(PLANE, ONE, 0.1)
