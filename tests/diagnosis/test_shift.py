"""Tests of train and held-out without a model: against slow forms, at their level, and with power where there is a shift."""

import itertools
import math

import numpy as np
import pytest
import torch
from exact_models import F64, records

import diffnotes as dn
from diffnotes.diagnosis import evidence, shift


def energy(a, b):
    """2 E|a - b| - E|a - a'| - E|b - b'| of two samples, their own pairs with themselves included."""
    return 2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()


def test_the_energy_test_against_all_swaps(monkeypatch):
    """Which bug this catches: distances within pairs counted with the wrong sign."""
    every = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=6)), dtype=F64)
    monkeypatch.setattr(shift, "random_signs", lambda generator, count, like: every[:count])
    for seed in range(5):
        a, b = records(6, seed), records(6, 100 + seed) + 0.2 * seed
        values = []
        for signs in every:
            swap = (signs < 0)[:, None]
            values.append(energy(torch.where(swap, b, a), torch.where(swap, a, b)).item())
        seen = energy(a, b).item()
        wanted = (1 + sum(value >= seen - 1e-10 for value in values)) / 65
        assert shift.energy_test(a, b, None, 64) == pytest.approx(wanted)


def test_the_energy_test_at_its_level_and_with_power():
    p = np.array([[shift.energy_test(records(30, k), records(30, 1000 + k) + move, np.random.default_rng(k), 99) for move in (0.0, 0.7)]
                  for k in range(150)])
    assert abs((p[:, 0] <= 0.1).mean() - 0.1) < 4 * math.sqrt(0.09 / 150) and (p[:, 1] <= 0.1).mean() > 0.25


def test_the_test_of_means_against_all_swaps_and_on_both_sides(monkeypatch):
    every = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=7)), dtype=F64)
    monkeypatch.setattr(evidence, "random_signs", lambda generator, count, like: every[:count])
    x = dn.normal(np.random.default_rng(0), (7, 2)) - torch.tensor([1.0, 0.0], dtype=F64)
    unit = x / x.square().mean(0).sqrt()
    values = [(signs[:, None] * unit).mean(0).abs().max().item() for signs in every]
    seen = unit.mean(0).abs().max().item()
    wanted = (1 + sum(value >= seen - 1e-9 for value in values)) / 129
    assert shift.mean_test(x, None, 128) == pytest.approx(wanted) == pytest.approx(shift.mean_test(-x, None, 128))


def test_numbers_of_swaps_that_nobody_names():
    """Where no swap comes near what is seen, the p-value is one in one more than their number: 999, and 1999."""
    far = records(40, 0) + 100
    assert shift.energy_test(records(40, 1), far, np.random.default_rng(0)) == pytest.approx(1 / 1000)
    assert shift.mean_test(far - records(40, 1), np.random.default_rng(0)) == pytest.approx(1 / 2000)


def test_swaps_that_give_what_is_seen_are_counted_in_spite_of_rounding():
    """All pairs alike: every swap of all or none gives what is seen, of 2^3 swaps two, and their own."""
    every = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=3)), dtype=F64)
    one = torch.tensor([[0.1], [0.1], [0.1]], dtype=F64)
    with pytest.MonkeyPatch.context() as patch:
        for name in (shift, evidence):
            patch.setattr(name, "random_signs", lambda generator, count, like: every[:count])
        assert shift.mean_test(one, None, 8) == pytest.approx(3 / 9) == shift.energy_test(one, one + 0.7, None, 8)
        assert shift.mean_test(1e-200 * one, None, 8) == pytest.approx(3 / 9)
        assert shift.mean_test(torch.cat([one, 0 * one, -3 * one], 1), None, 8) == pytest.approx(3 / 9)


def test_single_precision_gives_the_same_p_value(monkeypatch):
    """Which bug this catches: what is seen, taken by another sum than under swaps, just above what it is equal to."""
    every = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=7)), dtype=F64)
    monkeypatch.setattr(evidence, "random_signs", lambda generator, count, like: every[:count].to(like))
    for seed in range(30):
        x = dn.normal(np.random.default_rng(seed), (7, 2)).float()
        assert shift.mean_test(x, None, 128) == shift.mean_test(x.double(), None, 128)


def test_differences_of_nothing_are_no_shift():
    assert shift.mean_test(torch.zeros(9, 2, dtype=F64), np.random.default_rng(0), 99) == 1
    same = records(9, 0)
    assert shift.energy_test(same, same.clone(), np.random.default_rng(0), 99) == 1


@pytest.mark.parametrize(("name", "call"), [
    ("train", lambda g: shift.energy_test(records(4, 0)[0], records(4, 1), g)), ("held_out", lambda g: shift.energy_test(records(4, 0), records(5, 1), g)),
    ("swaps", lambda g: shift.energy_test(records(4, 0), records(4, 1), g, 0)), ("differences", lambda g: shift.mean_test(records(4, 0)[0], g))])
def test_bad_input(name, call):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        call(np.random.default_rng(0))
