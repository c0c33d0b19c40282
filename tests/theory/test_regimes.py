"""The least of the printed bracket, and the exponents of the widths where it can and cannot hold."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.theory import bounds


@pytest.mark.parametrize("m, n", [(1, 1), (4, 10_000), (50, 50), (1e6, 3), (1e4, 1e4), (1e24, 1e4), (4, 1e30)])
def test_least_bracket_is_the_least_on_a_fine_grid(m, n):
    tau, value = dn.least_bracket(m, n)
    grid = torch.logspace(0, 8, 20_001, dtype=torch.float64)
    there = bounds.printed_bracket(grid, m, n)
    assert float(value) <= float(there.min()) * (1 + 1e-12)
    assert math.isclose(float(tau), float(grid[there.argmin()]), rel_tol=1e-3) and math.isclose(float(value), float(there.min()), rel_tol=1e-6)


def test_least_bracket_of_wide_networks_in_closed_form():
    """For m >> n^(2/3) only tau^4/(m n) + 1/tau counts: 5/4 (4/(m n))^(1/5)."""
    tau, value = dn.least_bracket(torch.tensor([1e20, 1e30]).double(), 1e4)
    product = torch.tensor([1e24, 1e34]).double()
    torch.testing.assert_close(value, 1.25 * (4 / product) ** 0.2, rtol=1e-5, atol=0)
    torch.testing.assert_close(tau, (product / 4) ** 0.2, rtol=1e-5, atol=0)


def test_variance_term_by_hand():
    """(1 + 2/2) (2/4) (1 + 2/8) = 5/4; linear in tau near zero, tau^3/(m n^(3/2)) far out."""
    assert dn.variance_term(2.0, 8.0, 4.0) == 1.25 and dn.variance_term(0.0, 8.0, 4.0) == 0
    tau, m, n = torch.tensor([1e-9, 1e12], dtype=torch.float64), 7.0, 3.0
    torch.testing.assert_close(dn.variance_term(tau, m, n), torch.stack([tau[0] / n, tau[1] ** 3 / (m * n**1.5)]), rtol=1e-8, atol=0)


def test_variance_term_stays_below_four_brackets_up_to_n_to_three_halves_and_not_beyond():
    tau = torch.logspace(0, 12, 601, dtype=torch.float64)
    for n in 10.0 ** np.arange(9):
        for kappa in (0.0, 0.5, 1.0, 1.5):
            assert (dn.variance_term(tau, n**kappa, n) <= 4 * bounds.printed_bracket(tau, n**kappa, n)).all()
    assert (dn.variance_term(tau, 1e16, 1e8) / bounds.printed_bracket(tau, 1e16, 1e8)).max() > 100


@pytest.mark.parametrize("d", [1, 2, 10])
def test_the_variance_of_uniform_features_over_the_bracket_sums_to_a_constant_on_the_border_and_not_beyond(d):
    theta, tau = (d + 1) / (d + 4), 2.0 ** torch.arange(121, dtype=torch.float64)
    limit = 1 / (1 - 2 ** -(1 + theta)) + 1 / (1 - 2 ** (theta - 4))

    def total(n, extra=0.0):
        return float((tau**theta / n / bounds.printed_bracket(tau, n ** (dn.kappa_proved(d) + extra), n)).sum())

    assert max(total(10.0**k) for k in range(1, 9)) <= limit < total(1e8, 1.0)


def test_one_comparison_of_matrices_serves_all_later_times():
    """B + 1/s <= 2 (B^ + 1/s) gives c <= 1 + tau/s at tau >= s; nearly attained, and false for half of tau/s."""
    draws, ratios, half, tau = np.random.default_rng(0), [], [], torch.logspace(-4, 6, 41, dtype=torch.float64)
    for _ in range(60):
        root, seen = draws.normal(size=(3, 3)) * 10 ** draws.uniform(-2, 1, (3, 1)), draws.normal(size=(3, 2))
        zero = torch.zeros(1, 3, dtype=torch.float64)
        B, data = (dn.Statistics(torch.from_numpy(a), zero, zero.sum() + 1) for a in (root.T @ root, seen @ seen.T))
        c = dn.inflation(B, data, tau)
        s = tau[c <= 2].amax()
        ratios.append(float((c / (1 + tau / s))[tau > s].amax()))
        half.append(float((c / (1 + tau / s / 2))[tau > s].amax()))
    assert 0.9 < max(ratios) <= 1 < max(half)


def test_exponents():
    for d in (1, 2, 10, 50):
        theta = (d + 1) / (d + 4)  # tau^theta directions; the width is n^(5 r - 1) for an error of n^(-r)
        assert math.isclose(dn.kappa_proved(d), 5 / (1 + theta) - 1) and math.isclose(dn.kappa_false(d), 5 * (d + 5) / (2 * d + 5) - 1)
        assert 1.5 < dn.kappa_proved(d) < dn.kappa_false(d) < 4


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"^m: got shapes .* allowed: shapes that broadcast"):
        dn.least_bracket(torch.ones(2), torch.ones(3))
    with pytest.raises(ValueError, match=r"^tau: got shapes .* allowed: shapes that broadcast"):
        dn.variance_term(torch.ones(2), torch.ones(3), 4.0)


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda: dn.least_bracket(0.5, 2.0), "m: got 0.5; allowed: numbers of at least 1"), (lambda: dn.least_bracket(2.0, 0.5), "n: got 0.5; allowed: numbers of at least 1"),
    (lambda: dn.variance_term(1.0, 0.0, 2.0), "m: got 0; allowed: numbers of at least 1"),
    (lambda: dn.kappa_false(0), "d: got 0; allowed: an integer of at least 1")])
def test_errors_say_what_is_allowed(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        wrong()
