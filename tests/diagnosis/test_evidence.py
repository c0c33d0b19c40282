"""Tests by swapping against all swaps, their level under the null, and intervals against formulas and counts by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, kstest, norm

import diffnotes as dn
from diffnotes.diagnosis import evidence

F64 = torch.float64


def heavy(seed, *shape):
    return torch.as_tensor(np.random.default_rng(seed).standard_t(2, shape))


def test_p_values_are_those_of_all_swaps(monkeypatch):
    """Which bug this catches: a statistic that is not taken anew for each swap, or a maximum over the wrong axis."""
    n, weights = 8, torch.tensor([0.5, 1.0, 2.0], dtype=F64)
    every = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=n)), dtype=F64)
    monkeypatch.setattr(evidence, "random_signs", lambda generator, count, like: every[:count])
    for seed in range(6):
        x = heavy(seed, n, 3) + seed / 4
        found = evidence.swap_tests(x, weights, None, swaps=2**n)
        table = np.column_stack([x @ weights, x])
        unit = np.sqrt((table**2).mean(0))
        means = np.array([(signs[:, None] * table).mean(0) / unit for signs in every.numpy()])
        seen, most = table.mean(0) / unit, means.max(1)
        rank = [(1 + np.sum(values >= value - 1e-12)) / (1 + 2**n) for values, value in
                [(means[:, 0], seen[0]), *((most, one) for one in seen)]]
        assert found[1] == pytest.approx(rank[0]) and found[2].tolist() == pytest.approx(rank[2:])
        assert found[0] == pytest.approx(min(rank[1:]))


def test_p_values_are_uniform_without_memory():
    """Which bug this catches: a smallest p-value that is not adjusted, and tests that trust in normal tails."""
    p = np.array([evidence.swap_tests(heavy([1, k], 25, 4), torch.ones(4, dtype=F64), np.random.default_rng(k), 199)[:2]
                  for k in range(800)])
    for each in p.T:
        for level in (0.05, 0.25):
            assert abs((each <= level).mean() - level) < 4 * math.sqrt(level * (1 - level) / len(p))
    assert kstest(p[:, 1], "uniform").pvalue > 1e-3
    raw = [min(evidence.swap_tests(heavy([1, k], 25, 4)[:, [j]], torch.ones(1, dtype=F64), np.random.default_rng(k), 199)[1]
               for j in range(4)) for k in range(100)]
    assert np.mean(np.array(raw) <= 0.05) > 0.1  # the trap


def test_memory_is_found_and_its_opposite_is_not():
    x = heavy(0, 40, 3).clamp(-3, 3)
    for shift, least, most in ((3.0, 0.001, 0.001), (-3.0, 0.99, 1.0)):
        any_, total, each = evidence.swap_tests(x + shift, torch.ones(3, dtype=F64), np.random.default_rng(0), 999)
        assert all(least * (1 - 1e-6) <= p <= most * (1 + 1e-6) for p in (any_, total, *each.tolist()))
    assert evidence.swap_tests(torch.zeros(9, 2, dtype=F64), torch.ones(2, dtype=F64), np.random.default_rng(0), 99)[:2] == (1, 1)


def test_signs_are_fair_and_the_parts_in_which_they_are_drawn_do_not_count(monkeypatch):
    """Which bug this catches: parts of the swaps that begin the stream anew, or are lost."""
    x = heavy(2, 7, 2)
    whole = evidence.swapped_means(x, np.random.default_rng(3), 50)
    monkeypatch.setattr(evidence, "_SIGNS", 30)
    assert torch.equal(evidence.swapped_means(x, np.random.default_rng(3), 50), whole)
    signs = evidence.random_signs(np.random.default_rng(0), 400, x)
    assert set(signs.unique().tolist()) == {-1, 1} and abs(signs.sum().item()) < 4 * math.sqrt(signs.numel())
    assert torch.linalg.matrix_rank(signs) == 7


def test_limits_of_a_ratio():
    """Of a constant whole they are those of the mean; else those of the linearisation, here by automatic differentiation."""
    x, y = heavy(1, 12, 2), heavy(2, 12, 2) + 9
    for found, values in zip(evidence.ratio_intervals(x, torch.full_like(x, 4.0), 0.9), x.mT, strict=True):
        wanted = dn.mean_interval(values / 4, 0.9)
        assert (found.low, found.mean, found.high) == pytest.approx((wanted.low, wanted.mean, wanted.high))
    means = torch.stack([x[:, 1].mean(), y[:, 1].mean()]).requires_grad_()
    slope, = torch.autograd.grad(means[0] / means[1], means)
    wanted = dn.mean_interval(torch.stack([x[:, 1], y[:, 1]], 1) @ slope)
    found = evidence.ratio_intervals(x, y)[1]
    assert found.high - found.low == pytest.approx(wanted.high - wanted.low) and found.mean == pytest.approx((means[0] / means[1]).item())
    nothing = evidence.ratio_intervals(torch.zeros(5, 1), torch.zeros(5, 1))[0]
    assert nothing.low == nothing.mean == nothing.high == 0


def test_limits_of_a_ratio_hold_as_often_as_they_say():
    """Which bug this catches: the denominator taken as known."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(600):
        common = rng.gamma(4.0, size=(60, 1))
        x = torch.as_tensor(common * rng.gamma([2.0, 8.0], size=(60, 2)))
        one, = evidence.ratio_intervals(x[:, :1], x[:, 1:])
        held += one.low <= 0.25 <= one.high
    assert binom(600, 0.93).ppf(1e-3) <= held <= binom(600, 0.96).ppf(0.999)


def test_limits_of_the_auc_are_those_of_delong_by_hand():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 17) / 4, rng.integers(2, 12, 23) / 4
    wins = (a[:, None] < b) + 0.5 * (a[:, None] == b)
    auc, variance = wins.mean(), wins.mean(1).var(ddof=1) / 17 + wins.mean(0).var(ddof=1) / 23
    logit, half = math.log(auc / (1 - auc)), norm.ppf(0.95) * math.sqrt(variance) / (auc * (1 - auc))
    found = evidence.auc_interval(torch.as_tensor(a), torch.as_tensor(b), 0.9)
    assert (found.low, found.mean, found.high) == pytest.approx((*(1 / (1 + math.exp(half - logit)),), auc, 1 / (1 + math.exp(-logit - half))))


def test_members_that_are_all_told_leave_as_much_open_as_no_failure_among_n():
    """Which bug this catches: a variance of zero where nothing overlaps, and limits from 0.975 to 1 for 20 records."""
    low, high = torch.zeros(20, dtype=F64), torch.ones(20, dtype=F64)
    found, other = evidence.auc_interval(low, high), evidence.auc_interval(high, low)
    assert found.mean == found.high == 1 and found.low == pytest.approx(0.025 ** (1 / 20), abs=0.03)
    assert other.mean == other.low == 0 and other.high == pytest.approx(1 - found.low)
    blind = evidence.auc_interval(low, low)
    assert blind.low < 0.5 == blind.mean < blind.high


def test_limits_of_the_auc_hold_as_often_as_they_say():
    held = 0
    for k in range(300):
        x = dn.normal(np.random.default_rng(k), (2, 40))
        one = evidence.auc_interval(x[0], x[1] + 1.5)
        held += one.low <= norm.cdf(1.5 / math.sqrt(2)) <= one.high
    assert binom(300, 0.94).ppf(1e-3) <= held <= binom(300, 0.97).ppf(0.999)


def test_limits_of_shares_are_exact():
    assert evidence.share_interval(0, 200).high == pytest.approx(1 - 0.025 ** (1 / 200)) and evidence.share_interval(0, 200).low == 0
    one = evidence.share_interval(5, 20)
    assert binom(20, one.low).sf(4) == pytest.approx(0.025) and binom(20, one.high).cdf(5) == pytest.approx(0.025)
    assert evidence.share_interval(7, 7).high == 1


def test_what_is_left_of_losses_is_orthogonal_to_covariates_and_knows_no_sides():
    """Which bug this catches: a regression on one side alone, which moves when two records are swapped."""
    c, loss = heavy(3, 30, 3), heavy(4, 30)
    centred = c - c.mean(0)
    more = centred @ torch.tensor([1.0, -2.0, 3.0], dtype=F64)
    left = evidence.adjusted(loss + more, c)
    assert (centred.mT @ left).abs().max() < 1e-9 and torch.allclose(left.mean(), loss.mean())
    assert torch.allclose(left, evidence.adjusted(loss, c))  # what they explain is gone, whatever it was
    flip = torch.arange(30).view(15, 2).flip(1).flatten()
    assert torch.allclose(evidence.adjusted(loss[flip], c[flip]), evidence.adjusted(loss, c)[flip], atol=1e-12)


def test_covariates_that_are_constant_or_the_same_twice_do_no_harm():
    """Which bug this catches: the rounding of a constant blown up to a covariate, and a singular solve."""
    c, loss = heavy(3, 30, 1), heavy(4, 30)
    wanted = evidence.adjusted(loss, c)
    constant = torch.full((30, 1), 0.1, dtype=F64) + 1e-17 * heavy(5, 30, 1)
    drift = 1e8 + 1e-8 * c  # constant but for rounding
    for more in ([constant], [c, c], [1e-200 * c], [drift, c], [1e60 * c]):
        assert torch.allclose(evidence.adjusted(loss, torch.cat([c, *more], 1)), wanted, atol=1e-7)
    assert torch.allclose(evidence.adjusted(loss, constant), loss)
    assert evidence.adjusted(loss, heavy(6, 30, 50)).abs().max() < 10  # more covariates than losses


def test_numbers_that_nobody_names():
    """1999 swaps and 95%.  Where no swap comes near what is seen, the p-value is one in one more than their number."""
    sure = torch.ones(60, 1, dtype=F64) + 0.01 * heavy(0, 60, 1)
    assert evidence.swap_tests(sure, torch.ones(1, dtype=F64), np.random.default_rng(0))[:2] == (pytest.approx(1 / 2000), pytest.approx(1 / 2000))
    x, y = heavy(1, 12, 1), heavy(2, 12, 1) + 9
    for named, free in (((x, y, 0.95), (x, y)), ((x, y, 0.96), None)):
        found = evidence.ratio_intervals(*named)
        assert found == evidence.ratio_intervals(*free) if free else found != evidence.ratio_intervals(x, y)
    assert evidence.auc_interval(x[:, 0], y[:, 0] - 9) == evidence.auc_interval(x[:, 0], y[:, 0] - 9, 0.95)
    assert evidence.share_interval(3, 7) == evidence.share_interval(3, 7, 0.95)


def test_the_smallest_samples_and_shares():
    """Of two rows the interval is that of Cauchy's law, Student's with one degree of freedom; one trial leaves 97.5% open."""
    found, = evidence.ratio_intervals(torch.tensor([[1.0], [3.0]], dtype=F64), torch.ones(2, 1, dtype=F64), 0.5)
    assert (found.low, found.mean, found.high) == pytest.approx((1.0, 2.0, 3.0))
    assert evidence.share_interval(0, 1).high == pytest.approx(0.975) and evidence.share_interval(1, 1).low == pytest.approx(0.025)
    assert evidence.share_interval(0, 1).mean == 0 and evidence.share_interval(1, 4).mean == 0.25


def test_swaps_that_give_what_is_seen_count_whatever_the_unit(monkeypatch):
    """Eight equal differences under all swaps of three: as many as seen once, and its own.  Which bug this catches: no slack, or all of it."""
    every = torch.tensor(list(itertools.product([1.0, -1.0], repeat=3)), dtype=F64)
    monkeypatch.setattr(evidence, "random_signs", lambda generator, count, like: every[:count].to(like))
    for unit in (1e-200, 0.1, 1e150):
        for dtype in (F64, torch.float32):
            x = torch.full((3, 1), unit if dtype == F64 else 0.1, dtype=dtype)
            any_, total, each = evidence.swap_tests(x, torch.ones(1, dtype=dtype), None, 8)
            assert (any_, total, each.item()) == (pytest.approx(2 / 9),) * 3


def test_pairs_needed():
    assert evidence.pairs_needed(dn.Interval(0.5, 1.5, 2.5), 3, 1.0) == 3 and evidence.pairs_needed(dn.Interval(0.0, 0.0, 2.5), 4, 1.0) == 7
    assert evidence.pairs_needed(dn.Interval(-1.0, 0.0, 1.0), 50, 0.5) == 200


@pytest.mark.parametrize(("name", "call"), [
    ("swaps", lambda: evidence.swap_tests(heavy(0, 4, 2), torch.ones(2, dtype=F64), np.random.default_rng(0), 0)),
    ("differences", lambda: evidence.swap_tests(heavy(0, 4), torch.ones(2, dtype=F64), np.random.default_rng(0))),
    ("differences", lambda: evidence.swap_tests(heavy(0, 4, 2) * math.nan, torch.ones(2, dtype=F64), np.random.default_rng(0))),
    ("parts", lambda: evidence.ratio_intervals(heavy(0, 1, 2), heavy(0, 1, 2))),
    ("wholes", lambda: evidence.ratio_intervals(heavy(0, 5, 2), heavy(0, 5, 1))),
    ("confidence", lambda: evidence.ratio_intervals(heavy(0, 5, 2), heavy(0, 5, 2), 95)),
    ("confidence", lambda: evidence.auc_interval(heavy(0, 5), heavy(1, 5), 1.0)),
    ("members", lambda: evidence.auc_interval(heavy(0, 1), heavy(1, 5))), ("others", lambda: evidence.auc_interval(heavy(0, 5), heavy(1, 1))),
    *(("confidence", lambda level=level: evidence.share_interval(1, 2, level)) for level in (0.0, 1.0, -0.5, 1.5)),
    ("hits", lambda: evidence.share_interval(-1, 2)), ("count", lambda: evidence.share_interval(0, 0)),
    ("size", lambda: evidence.pairs_needed(dn.Interval(0.0, 0.0, 1.0), 5, -0.5)), ("loss", lambda: evidence.adjusted(heavy(0, 4, 2), heavy(0, 4, 2))),
    ("covariates", lambda: evidence.adjusted(heavy(0, 4), heavy(0, 5, 2))), ("weights", lambda: evidence.swap_tests(heavy(0, 4, 2), torch.ones(3, dtype=F64), None)),
    ("hits", lambda: evidence.share_interval(3, 2)), ("size", lambda: evidence.pairs_needed(dn.Interval(0.0, 0.0, 0.0), 5, 0.0))])
def test_bad_input(name, call):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        call()
