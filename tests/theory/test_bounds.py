"""The proved inequalities on random flows, the constants and limits of the bounds, and exponents."""

import numpy as np
import pytest
import torch
from hypothesis import settings
from scipy.stats import norm
from test_flow import FLOW, NODES, features, random_flows, random_statistics, start

import diffnotes as dn
from diffnotes.theory import bounds

TAU = torch.logspace(-1, 6, 15, dtype=torch.float64)


@random_flows
@settings(max_examples=60, deadline=None)
def test_inequalities_of_lemmas_4_and_5_and_the_ridge_bound(seed, m, d, rank):
    flow = dn.GradientFlow(random_statistics(seed, m, d, rank), start(seed, d, m))
    slack = 1e-9 * (1 + float(flow.statistics.loss(flow.theta0)))
    loss = flow.loss(TAU)
    for comparison in (flow.minimiser(), start(seed + 7, d, m), torch.zeros(d, m, dtype=torch.float64)):
        energy = bounds.lyapunov(flow, TAU, comparison)
        assert (energy.diff() <= slack * (1 + TAU[1:])).all()
        assert (loss <= bounds.optimisation_bound(flow, TAU, comparison) + slack).all()
        ridge_at = flow.statistics.loss(comparison) + (comparison - flow.theta0).norm() ** 2 / (4 * TAU)
        assert (bounds.ridge_bound(flow, TAU) <= ridge_at + slack).all()
    assert (loss <= bounds.ridge_bound(flow, TAU) + slack).all()
    assert (flow.norm(TAU) <= bounds.norm_bound(flow, TAU) + slack).all()
    # In directions of eigenvalue zero C q_k vanishes up to rounding only, which drifts by about 1e-15 tau.
    assert ((flow.theta(TAU) - flow.minimiser()).norm(dim=(1, 2)).diff() <= slack + 1e-13 * TAU[1:]).all()


def test_ridge_bound_is_attained_by_its_minimiser():
    flow = dn.GradientFlow(random_statistics(4, 6, 2, 6), start(4, 2, 6))
    for tau in (0.01, 1.0, 100.0):
        penalty = torch.eye(6, dtype=torch.float64) / (4 * tau)
        best = torch.linalg.solve(flow.statistics.B + penalty, (flow.statistics.C + flow.theta0 @ penalty).mT).mT
        value = flow.statistics.loss(best) + (best - flow.theta0).norm() ** 2 / (4 * tau)
        assert float(bounds.ridge_bound(flow, tau)) == pytest.approx(float(value), rel=1e-9)


def test_optimisation_bound_has_lemma_4s_constant():
    # For a quadratic loss the ridge bound shows that 1/(4 tau) would pass the inequality too, so pin the value.
    flow, other = dn.GradientFlow(random_statistics(2, 4, 2, 4), start(2, 2, 4)), start(9, 2, 4)
    gap = bounds.optimisation_bound(flow, torch.tensor([0.5, 2.0], dtype=torch.float64), other) - flow.statistics.loss(other)
    squares = ((flow.theta0 - other) ** 2).sum()
    assert torch.allclose(gap, torch.stack([squares, squares / 4]))


def test_norm_bound_is_sharp_and_the_printed_one_is_crossed():
    flow = dn.GradientFlow(dn.statistics(features(256), NODES))
    ratio = flow.norm(TAU) / bounds.norm_bound(flow, TAU)
    assert 0.7 < float(ratio.max()) <= 1
    assert float((flow.norm(TAU) / bounds.norm_bound_printed(flow, TAU)).max()) > 8


def test_gaussian_tails():
    for delta in (1e-9, 0.01, 0.5, 0.9, 1.0):
        assert 2 * norm.sf(bounds.gaussian_tail(delta)) <= delta
        for d in (1, 3, 100):
            assert 1 - (1 - 2 * norm.sf(bounds.gaussian_tail_union(delta, d))) ** d <= delta * (1 + 1e-12)
    assert bounds.gaussian_tail(0.01) == pytest.approx(np.sqrt(np.log(1 / 0.01**2)))
    assert bounds.gaussian_tail_union(0.01, 1) == pytest.approx(bounds.gaussian_tail(0.01))


def test_the_printed_norm_bound_differs_by_the_factor_of_the_width():
    phi = features(6)
    flow = dn.GradientFlow(dn.statistics(phi, NODES), torch.full((1, phi.width), 0.1, dtype=torch.float64))
    tau = torch.tensor([0.0, 3.0, 50.0], dtype=torch.float64)
    start = torch.linalg.matrix_norm(flow.theta0)
    ours, printed = bounds.norm_bound(flow, tau) - start, bounds.norm_bound_printed(flow, tau) - start
    torch.testing.assert_close(printed * phi.width**0.5, ours)
    torch.testing.assert_close(ours**2, tau * flow.loss(0.0))


def test_limits_of_tails_and_exponents():
    assert bounds.gaussian_tail(1.0) == 0 and bounds.gaussian_tail(0.5) == pytest.approx((2 * np.log(2)) ** 0.5)
    assert bounds.gaussian_tail_union(1.0, 1) == 0
    for call in (lambda: bounds.gaussian_tail(1.5), lambda: bounds.gaussian_tail_union(1.5, 2), lambda: bounds.gaussian_tail(0.0)):
        with pytest.raises(ValueError, match=r"^delta: got "):
            call()
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    slope, error = bounds.power_law(x, torch.stack([x**2, x**3]))
    assert slope == pytest.approx(2.5) and error == pytest.approx(2 * 0.5**0.5 / 2**0.5)
    for bad_x, bad_y in ((x, (x**2)[None]), (x[:1], torch.ones(2, 1).double()), (x, torch.ones(2, 3).double())):
        with pytest.raises(ValueError, match=r"^y: got "):
            bounds.power_law(bad_x, bad_y)


@pytest.mark.parametrize("call, name", [
    (lambda: bounds.ridge_bound(FLOW, 0.0), "tau"), (lambda: bounds.gaussian_tail(0.0), "delta"), (lambda: bounds.gaussian_tail_union(0.1, 0), "d"),
    (lambda: bounds.lyapunov(FLOW, -1.0, FLOW.theta0), "tau"),
    (lambda: bounds.gaussian_tail_union(0.0, 2), "delta"), (lambda: bounds.gaussian_tail_union(-0.5, 2), "delta"),
    (lambda: bounds.power_law([0.0, 1.0], torch.ones(2, 2)), "x"), (lambda: bounds.power_law([-0.5, 1.0], torch.ones(2, 2)), "x"),
    (lambda: bounds.power_law([2.0, 2.0], torch.ones(2, 2, dtype=torch.float64)), "x"), (lambda: bounds.power_law([1.0, 2.0], torch.tensor([[1.0, 0.0], [1.0, 1.0]])), "y"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_gaussian_escape_is_one_less_the_product_of_what_stays_inside():
    for d in (1, 2, 128):
        for radius in (0.0, 0.3, 2.0, 5.0):
            assert float(bounds.gaussian_escape(radius, d)) == pytest.approx(1 - (1 - 2 * norm.sf(radius)) ** d, rel=1e-9, abs=1e-15)
    assert float(bounds.gaussian_escape(12.0, 7)) == pytest.approx(14 * norm.sf(12.0), rel=1e-9)
    for delta in (1e-12, 1e-3, 0.5, 1.0):  # Lemma 1's radius in one dimension, and the union bound's in any
        assert float(bounds.gaussian_escape(bounds.gaussian_tail(delta))) <= delta
        assert all(float(bounds.gaussian_escape(bounds.gaussian_tail_union(delta, d), d)) <= delta for d in (1, 9, 1000))


def test_the_printed_bracket_has_the_paper_s_four_terms():
    tau = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert torch.allclose(bounds.printed_bracket(tau, 10, 4), torch.tensor([1 / 40 + 0.01 + 1 + 0.1, 16 / 40 + 0.08 + 0.5 + 0.1]).double())
    assert bounds.printed_bracket(tau, tau[:, None], 1e10).shape == (2, 2)  # m and n may be as large as one likes
    for name, given in {"tau": (0.5, 10, 4), "m": (1, 0, 4), "n": (1, 10, 0.5)}.items():
        with pytest.raises(ValueError, match=rf"^{name}: got 0.*; allowed: numbers of at least 1"):
            bounds.printed_bracket(*given)
