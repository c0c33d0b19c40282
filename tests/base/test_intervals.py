import numpy as np
import pytest
import torch
from scipy import stats

import diffnotes as dn


def test_it_is_students():
    values = np.random.default_rng(0).normal(1.0, 2.0, 7)
    ours, theirs = dn.mean_interval(values, 0.9), stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.mean == pytest.approx(values.mean())


def test_its_coverage():
    draws = np.random.default_rng(1).normal(size=(2000, 4))
    covered = [interval.low < 0 < interval.high for interval in map(dn.mean_interval, draws)]
    assert 0.935 < np.mean(covered) < 0.965


def test_it_prints_without_negative_zero():
    interval = dn.Interval(-1.25, -0.001, 2.0)
    assert f"{interval:.1f}" == "0.0 (-1.2 to 2.0)" and str(interval) == "0.00 (-1.25 to 2.00)"


def test_the_geometric_one_is_that_of_the_logarithms():
    values = np.random.default_rng(2).lognormal(size=6)
    ours, logs = dn.geometric_interval(values, 0.9), dn.mean_interval(np.log(values), 0.9)
    assert (ours.low, ours.mean, ours.high) == pytest.approx(np.exp([logs.low, logs.mean, logs.high]))
    assert ours.mean == pytest.approx(stats.gmean(values))


@pytest.mark.parametrize(("name", "call"), [
    ("values", lambda: dn.mean_interval([1.0])), ("values", lambda: dn.mean_interval(torch.zeros(2, 2))),
    ("values", lambda: dn.mean_interval([1.0, np.nan])), ("values", lambda: dn.geometric_interval([1.0, 0.0])), ("confidence", lambda: dn.mean_interval([1.0, 2.0], 1.0))])
def test_bad_input(name, call):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        call()


def test_formats_are_those_of_numbers():
    value = dn.Interval(-0.001, 1.2, 1.5)
    assert f"{value:>6.2f}" == "  1.20 (  0.00 to   1.50)" and f"{value:+.1f}" == "+1.2 (+0.0 to +1.5)" and f"{value:*^6.1f}" == "*1.2** (*0.0** to *1.5**)"


def test_two_values_are_enough_and_single_precision_is_not_felt():
    """Which bug this catches: float32 sums, whose interval differs in the seventh digit; two values counted as too few."""
    assert dn.mean_interval([1.0, 3.0]).mean == 2 and dn.mean_interval([1.0, 3.0]).low == pytest.approx(2 - stats.t.ppf(0.975, 1))
    values = torch.from_numpy(np.random.default_rng(0).normal(1000.0, 0.1, 9)).float()
    assert dn.mean_interval(values) == dn.mean_interval(values.double()) == dn.mean_interval(values.double().tolist())


@pytest.mark.parametrize(("name", "value"), [("confidence", 0.0), ("confidence", -0.5), ("confidence", 1.5), ("values", torch.ones(3, dtype=torch.complex64))])
def test_levels_lie_between_zero_and_one_and_values_are_real(name, value):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        dn.mean_interval(**{"values": [1.0, 2.0], name: value})
