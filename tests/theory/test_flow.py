"""The quadratic loss of random features and its exact flow, against definitions and ODE integration."""

import dataclasses

import numpy as np
import pytest
import scipy.integrate
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffnotes as dn
from diffnotes.theory.flow import _ENTRIES_CUDA

SDE = dn.OU()
P = dn.GaussianMixture.two_modes(3.0).diffused(SDE)
NODES = dn.line_grid(P, SDE.std, 0.01, n_t=24, n_x=32).weighted(P)


def features(m, d=1, seed=0):
    return dn.RandomFeatures.draw(m, d, SDE.T, np.random.default_rng(seed))


def random_statistics(seed, m, d, rank):
    """B = F F^T, C = G F^T with F [m, rank]: a loss that some targets G could have produced, singular for rank < m."""
    rng = np.random.default_rng(seed)
    F, G = (torch.from_numpy(rng.standard_normal(shape)) for shape in ((m, rank), (d, rank)))
    return dn.Statistics(F @ F.mT, G @ F.mT, (G**2).sum())


random_flows = given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 3), st.integers(1, 10))


def start(seed, d, m):
    return dn.normal(np.random.default_rng(seed + 1), (d, m))


def test_time_nodes_integrate_polynomials():
    t, dt = dn.time_nodes(0.1, 2.0, 12)
    assert float((dt * t**3).sum()) == pytest.approx((2.0**4 - 0.1**4) / 4, rel=1e-12)


def test_grid_volume_is_that_of_the_trapezoidal_rule():
    t, dt = dn.time_nodes(0.01, SDE.T, 6)
    expected = (dt * 2 * P.half_width(t, 1.5)).sum() / (SDE.T - 0.01)
    volume = dn.line_grid(P, torch.ones_like, 0.01, n_t=6, n_x=5, deviations=1.5).volume
    assert float(volume.sum()) == pytest.approx(float(expected), rel=1e-12)


def test_quadrature_error_falls_with_the_square_of_the_spacing():
    # The integrand relu(x - 0.3) e^{-x^2/2}-like has a kink between the nodes.
    def loss(n_x):
        phi = dn.RandomFeatures(torch.ones(1, 1, dtype=torch.float64), torch.tensor([[-0.3, 0.0]], dtype=torch.float64), SDE.T)
        return float(dn.statistics(phi, dn.line_grid(P, SDE.std, 0.01, n_t=16, n_x=n_x).weighted(P)).B[0, 0])

    exact = loss(6001)
    assert abs(loss(51) - exact) < 2e-3 * exact and abs(loss(401) - exact) < 4e-5 * exact


def test_statistics_give_the_loss_of_its_definition():
    phi = features(7)
    stats, theta = dn.statistics(phi, NODES), start(3, 1, 7)
    direct = (NODES.weight * ((phi.score(theta)(NODES.x, NODES.t) - NODES.score) ** 2).sum(1)).sum()
    assert float(stats.loss(theta)) == pytest.approx(float(direct), rel=1e-12)


@pytest.mark.parametrize("entries, rows", [(1, 1), (7 * 50 + 6, 50), (10**9, 768)])
def test_blocks_of_nodes_change_nothing_and_hold_what_they_may(entries, rows, monkeypatch):
    whole, phi, seen = dn.statistics(features(7), NODES), features(7), []
    monkeypatch.setattr("diffnotes.theory.flow._ENTRIES", entries)

    class Counted:
        width, d = 7, 1

        def __call__(self, x, t):
            seen.append(len(x))
            return phi(x, t)

    stats = dn.statistics(Counted(), NODES)
    assert sum(seen) == len(NODES.x) == 768 and set(seen[:-1]) <= {rows} and seen[-1] <= rows and len(seen) == -(-768 // rows)
    for name in ("B", "C", "S"):
        torch.testing.assert_close(getattr(stats, name), getattr(whole, name), rtol=1e-12, atol=1e-14)


def test_a_block_fits_a_cache_and_a_gpu_gets_more():
    """Which bug this catches: blocks of a few numbers, or of gigabytes."""
    seen, zero = [], torch.zeros(3000, dtype=torch.float64)

    class Constant:
        width, d = 1000, 1

        def __call__(self, x, t):
            seen.append(len(x))
            return torch.ones(len(x), 1000, dtype=torch.float64)

    stats = dn.statistics(Constant(), dn.Nodes(zero[:, None], zero, zero, zero[:, None]))  # weights of zero are allowed
    assert not stats.B.any() and 1e6 < max(seen) * 1000 * 8 < 10e6  # bytes
    assert 50e6 < _ENTRIES_CUDA * 8 < 500e6


def test_empirical_flow_obeys_steins_identity():
    # C = E score phi^T = -E grad phi^T for the empirical mixture (theory: integration by parts).
    data = dn.GaussianMixture.two_modes(3.0).sample(5, np.random.default_rng(0))
    q = dn.GaussianMixture.empirical(data).diffused(SDE)
    nodes = dn.line_grid(P, SDE.std, 0.1, n_t=24, n_x=4001).weighted(q)
    phi = features(6)
    active = (phi(nodes.x, nodes.t) > 0).double() * phi.W[:, 0] / 6**0.5
    assert torch.allclose(dn.statistics(phi, nodes).C[0], -(nodes.weight[:, None] * active).sum(0), atol=1e-4)  # a jump: O(dx)


def test_gradient_descent_converges_to_the_flow_at_first_order():
    flow = dn.GradientFlow(dn.statistics(features(32), NODES), start(0, 1, 32))
    until = 20 / float(flow.eigenvalues[-1])
    error = [float((dn.gradient_descent(flow.statistics, flow.theta0, until / k, k) - flow.theta(until)).norm()) for k in (400, 800)]
    assert error[0] / error[1] == pytest.approx(2.0, abs=0.05)


def test_flow_at_zero_and_at_infinity():
    flow = dn.GradientFlow(random_statistics(1, 5, 2, 3), start(1, 2, 5))
    assert torch.allclose(flow.theta(0.0), flow.theta0, atol=1e-12)
    assert torch.allclose(flow.theta(1e8), flow.minimiser(), atol=1e-6)
    assert float(flow.minimum()) == pytest.approx(float(flow.statistics.loss(flow.minimiser())), abs=1e-9)
    assert float(flow.statistics.gradient(flow.minimiser()).norm()) < 1e-8
    # Among all minimisers the nearest to the start: the step lies in the range of B.
    step = flow.minimiser() - flow.theta0
    projected = step @ torch.linalg.pinv(flow.statistics.B) @ flow.statistics.B
    assert torch.allclose(step, projected, atol=1e-8)


def test_losses_in_batches_are_those_of_their_entries():
    flow = dn.GradientFlow(random_statistics(3, 4, 2, 5), start(3, 2, 4))
    theta, tau = dn.normal(np.random.default_rng(0), (3, 2, 2, 4)), torch.tensor([[0.0, 0.1, 3.0], [0.5, 1.0, 9.0]], dtype=torch.float64)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(flow.statistics.loss(theta)[j, i], flow.statistics.loss(theta[j, i]))
            torch.testing.assert_close(flow.statistics.gradient(theta)[j, i], flow.statistics.gradient(theta[j, i]))
            torch.testing.assert_close(flow.theta(tau)[i, j], flow.theta(tau[i, j]))
            torch.testing.assert_close(flow.loss(tau)[i, j], flow.loss(tau[i, j]))
            torch.testing.assert_close(flow.norm(tau)[i, j], flow.norm(tau[i, j]))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_flow_along_directions_that_the_loss_does_not_curve(unit):
    """B = unit diag(1/2, 0, 0), with a pull along the second direction: Theta moves along it at the constant rate 2 C for ever."""
    B = unit * torch.diag(torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64))
    C, theta0 = unit * torch.tensor([[1.0, 0.3, 0.0]], dtype=torch.float64), torch.tensor([[0.2, -1.0, 4.0]], dtype=torch.float64)
    flow = dn.GradientFlow(dn.Statistics(B, C, torch.tensor(unit, dtype=torch.float64)), theta0)
    for tau in (0.0, 1 / unit, 3 / unit):
        expected = torch.tensor([[2 - 1.8 * np.exp(-unit * tau), -1 + 0.6 * unit * tau, 4.0]], dtype=torch.float64)
        torch.testing.assert_close(flow.theta(tau), expected)
    torch.testing.assert_close(flow.minimiser(), torch.tensor([[2.0, -1.0, 4.0]], dtype=torch.float64))
    clock = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)  # the derivative in tau, where 0/0 must not appear
    velocity = torch.stack([torch.autograd.grad(flow.theta(clock)[0, k], clock)[0] for k in range(3)])
    torch.testing.assert_close(velocity, -flow.statistics.gradient(theta0)[0])


@random_flows
def test_effects_add_up_and_are_the_integral_of_each_mode(seed, m, d, rank):
    """Against the trapezoidal rule along the path of each coordinate, from a start other than zero, for B singular too."""
    flow, other = dn.GradientFlow(random_statistics(seed, m, d, rank), start(seed, d, m)), random_statistics(seed + 7, m, d, m)
    effects, change = flow.effects(other), other.loss(flow.minimiser()) - other.loss(flow.theta0)
    scale = effects.abs().sum() + 1e-9
    assert abs(float(effects.sum() - change)) < 1e-7 * scale
    b = flow.eigenvalues[flow.eigenvalues > 1e-9]
    tau = torch.cat([torch.zeros(1).double(), torch.logspace(-5, 2, 4001).double() / float(b[-1]), 40 / b]).sort().values
    tau = torch.cat([tau, tau[-1:] * 1e3])
    theta, learned = flow.theta(tau), flow.learned(tau)
    slope = torch.einsum("kdm,dm->km", other.gradient(theta) @ flow.basis, (flow.minimiser() - flow.theta0) @ flow.basis)
    integral = ((slope[1:] + slope[:-1]) / 2 * learned.diff(dim=0)).sum(0)
    assert (integral - effects).abs().max() < 2e-3 * scale


def test_a_mode_is_learned_by_the_share_of_its_way():
    """Which bug this catches: a mode at another speed, in another order, or not all of the way."""
    flow = dn.GradientFlow(random_statistics(1, 5, 2, 5), start(1, 2, 5))
    tau, way = torch.tensor([0.0, 0.1, 3.0]).double(), (flow.minimiser() - flow.theta0) @ flow.basis
    torch.testing.assert_close((flow.theta(tau) - flow.theta0) @ flow.basis, way * flow.learned(tau)[:, None])
    assert flow.learned(torch.ones(2, 3).double()).shape == (2, 3, 5) and not flow.learned(0.0).any()
    torch.testing.assert_close(flow.learned(np.log(2) / 2 / float(flow.eigenvalues[3]))[3], torch.tensor(0.5).double())


def test_a_loss_without_curvature_or_with_one_direction():
    zero = torch.zeros(2, 2, dtype=torch.float64)
    flow = dn.GradientFlow(dn.Statistics(zero, zero, torch.tensor(1.0, dtype=torch.float64)), torch.ones_like(zero))
    assert torch.equal(flow.minimiser(), flow.theta0) and float(flow.minimum()) == float(flow.loss(5.0)) == 1
    # A curvature of 1e-14 of the largest counts as none, and one of 1e-10 as one.
    for small, learned in ((1e-14, 0.0), (1e-10, 1e7)):
        B, C = torch.diag(torch.tensor([small, 1.0], dtype=torch.float64)), torch.tensor([[1e-3, 1.0]], dtype=torch.float64)
        flow = dn.GradientFlow(dn.Statistics(B, C, torch.tensor(2.0, dtype=torch.float64)))
        torch.testing.assert_close(flow.minimiser(), torch.tensor([[learned, 1.0]], dtype=torch.float64))
    for seed in range(5):  # rank one: all other eigenvalues are rounding
        flow = dn.GradientFlow(random_statistics(seed, 6, 2, 1), start(seed, 2, 6))
        assert (flow.eigenvalues >= 0).all() and float(flow.statistics.gradient(flow.minimiser()).norm()) < 1e-9
        assert float((flow.minimiser() - flow.theta0).norm()) < 1e3
    assert torch.equal(dn.gradient_descent(flow.statistics, flow.theta0, 0.1, 0), flow.theta0)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_symmetry_and_sign_of_B_are_relative_to_its_size(unit):
    C, S = torch.zeros(1, 2, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    for asymmetry, valid in ((1e-10, True), (1e-8, False)):
        for B in (torch.tensor([[1.0, asymmetry], [0.0, 1e-3]]), torch.tensor([[1e-3, 0.0], [asymmetry, 1.0]])):
            B = unit * B.double()
            if valid:
                dn.Statistics(B, C, S)
            else:
                with pytest.raises(ValueError, match=r"^B: got .*; allowed: a symmetric matrix"):
                    dn.Statistics(B, C, S)
    with pytest.raises(ValueError, match=r"^B: got .*; allowed: a positive semi-definite matrix"):
        dn.Statistics(unit * torch.diag(torch.tensor([1.0, -1e-9], dtype=torch.float64)), C, S)
    for off, valid in ((1 + 1e-10, True), (1 + 1e-8, False)):  # eigenvalues 2 and about 1 - off
        statistics = dn.Statistics(unit * torch.tensor([[1.0, off], [off, 1.0]], dtype=torch.float64), C, S)
        if valid:
            assert (dn.GradientFlow(statistics).eigenvalues >= 0).all()
        else:
            with pytest.raises(ValueError, match=r"^B: got .*; allowed: a positive semi-definite matrix"):
                dn.GradientFlow(statistics)


@pytest.mark.parametrize("m", [64, 256])
def test_single_precision_gives_the_same_minimum(m):
    """In float32 the eigenvalues of B are negative by rounding, and directions below its rounding are noise, not features."""
    least = {}
    for dtype in (torch.float32, torch.float64):
        p = dn.GaussianMixture.two_modes(2.0, dtype=dtype).diffused(SDE)
        phi = dn.RandomFeatures.draw(m, 1, SDE.T, np.random.default_rng(0), dtype=dtype)
        flow = dn.GradientFlow(dn.statistics(phi, dn.line_grid(p, SDE.std, 0.01, 32, 64).weighted(p)))
        least[dtype] = float(flow.minimum())
        assert float(flow.statistics.loss(flow.minimiser())) == pytest.approx(least[dtype], abs=2e-5)  # S is 0.84, its rounding 1e-7, summed over m
    assert least[torch.float32] == pytest.approx(least[torch.float64], rel=0.1, abs=2e-5)


def test_weights_of_a_quadrature_are_not_negative():
    nodes = dn.Nodes(NODES.x, NODES.t, -NODES.weight, NODES.score)
    with pytest.raises(ValueError, match=r"^nodes\.weight: got .*; allowed: weights >= 0"):
        dn.statistics(features(3), nodes)


def test_statistics_do_not_change_and_take_any_features():
    with pytest.raises(dataclasses.FrozenInstanceError):
        STATS.B = STATS.C

    class Linear:
        width, d = 2, 1

        def __call__(self, x, t):
            return torch.cat([x, t[:, None]], 1)

    B = dn.statistics(Linear(), NODES).B
    assert float(B[0, 0]) == pytest.approx(float((NODES.weight * NODES.x[:, 0] ** 2).sum()), rel=1e-12)
    for bad in (lambda x, t: x, type("NoCall", (), dict(width=2, d=1))(), type("NoWidth", (), dict(d=1, __call__=lambda self, x, t: x))(),
                type("NoD", (), dict(width=1, __call__=lambda self, x, t: x))()):
        with pytest.raises(ValueError, match=r"^features: got "):
            dn.statistics(bad, NODES)


FLOW = dn.GradientFlow(random_statistics(0, 3, 2, 3))
STATS = FLOW.statistics


@pytest.mark.parametrize("call, name", [
    (lambda: FLOW.theta(-1.0), "tau"), (lambda: FLOW.loss(float("inf")), "tau"), (lambda: FLOW.norm("late"), "tau"),
    (lambda: FLOW.theta(torch.tensor([1.0, float("nan")], dtype=torch.float64)), "tau"),
    (lambda: dn.GradientFlow(STATS, torch.zeros(3, 2, dtype=torch.float64)), "theta0"),
    (lambda: dn.GradientFlow("B"), "statistics"), (lambda: STATS.loss(torch.zeros(3, dtype=torch.float64)), "theta"),
    (lambda: dn.Statistics(-STATS.B, STATS.C, STATS.S), "B"), (lambda: dn.Statistics(STATS.B + torch.eye(3).roll(1, 0), STATS.C, STATS.S), "B"),
    (lambda: dn.Statistics(STATS.B, STATS.C * float("nan"), STATS.S), "C"),
    (lambda: dn.GradientFlow(dn.Statistics(torch.tensor([[1.0, 2.0], [2.0, 1.0]]), torch.zeros(1, 2), torch.tensor(1.0))), "B"),
    (lambda: dn.line_grid(dn.GaussianMixture.two_modes(1.0, d=2).diffused(SDE), SDE.std, 0.01), "p"),
    (lambda: dn.line_grid(P, SDE.std, 0.0), "t_min"), (lambda: dn.line_grid(P, lambda t: -t, 0.01), "weighting"),
    (lambda: dn.sampled_nodes(P, SDE.std, 6.0, 10, np.random.default_rng(0)), "t_min"),
    (lambda: dn.gradient_descent(STATS, FLOW.theta0, 0.0, 3), "step"), (lambda: dn.gradient_descent(STATS, FLOW.theta0, 0.1, -1), "n_steps"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_grid_integrates_the_expectation():
    # E_t lambda E x^2 with E x^2 = r^2 (1 + mu^2) + s^2
    def second_moment(t):
        return float(SDE.std(t)) * (float(SDE.scale(t)) ** 2 * 10 + float(SDE.std(t)) ** 2) / (SDE.T - 0.01)

    exact = scipy.integrate.quad(second_moment, 0.01, SDE.T, epsrel=1e-10)[0]
    nodes = dn.line_grid(P, SDE.std, 0.01, n_t=64, n_x=96).weighted(P)
    assert float((nodes.weight * nodes.x[:, 0] ** 2).sum()) == pytest.approx(exact, rel=1e-8)
    drawn = dn.sampled_nodes(P, SDE.std, 0.01, 200_000, np.random.default_rng(0))
    assert float((drawn.weight * drawn.x[:, 0] ** 2).sum()) == pytest.approx(exact, rel=0.01)
    assert torch.allclose(drawn.score, P.score(drawn.x, drawn.t))


def test_empirical_flow_tends_to_the_population_flow():
    phi, target = features(16), dn.GaussianMixture.two_modes(3.0)
    distance = []
    for n in (100, 10_000):
        q = dn.GaussianMixture.empirical(target.sample(n, np.random.default_rng(0))).diffused(SDE)
        grid = dn.line_grid(P, SDE.std, 0.05, n_t=16, n_x=64)
        distance.append(float((dn.statistics(phi, grid.weighted(q)).B - dn.statistics(phi, grid.weighted(P)).B).norm()))
    assert distance[1] < distance[0] / 4


@random_flows
@settings(max_examples=15, deadline=None)
def test_flow_solves_its_differential_equation(seed, m, d, rank):
    stats, theta0 = random_statistics(seed, m, d, rank), start(seed, d, m)
    flow = dn.GradientFlow(stats, theta0)
    until = 3.0 / float(flow.eigenvalues[-1])

    def velocity(_, theta):
        return -stats.gradient(torch.from_numpy(theta).reshape(d, m)).flatten().numpy()

    solved = scipy.integrate.solve_ivp(velocity, (0, until), theta0.flatten().numpy(), rtol=1e-10, atol=1e-12, method="DOP853")
    assert torch.allclose(flow.theta(until).flatten(), torch.from_numpy(solved.y[:, -1]), rtol=1e-6, atol=1e-8)
    assert torch.allclose(flow.loss(until), stats.loss(flow.theta(until)), rtol=1e-9, atol=1e-9)
    assert torch.allclose(flow.norm(until), flow.theta(until).norm(), rtol=1e-12)
