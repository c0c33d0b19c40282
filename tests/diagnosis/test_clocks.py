"""The clocks of checkpoints whose losses are made up."""

import numpy as np
import pytest
import torch
from exact_models import F64

import diffnotes as dn
from diffnotes.diagnosis import clocks as module
from diffnotes.diagnosis.clocks import clocks
from diffnotes.diagnosis.evidence import ratio_intervals

TAU = [1.0, 10.0, 100.0, 1000.0, 1e4]


def made(held_out, gap, n=80, scatter=0.1, seed=0, levels=3):
    """Checkpoints with these held-out losses and gaps, at every level, and pairs that scatter."""
    rng = np.random.default_rng(seed)
    common, own = dn.normal(rng, (n, 2, levels, 1)), scatter * dn.normal(rng, (n, 2, levels, len(held_out)))
    loss = torch.as_tensor(held_out, dtype=F64) + common + own
    loss[:, 0] -= torch.as_tensor(gap, dtype=F64)
    differences = own[:, 1] - own[:, 0] + torch.as_tensor(gap, dtype=F64)
    shares = [ratio_intervals(differences[..., k], loss[:, 1, :, k]) for k in range(len(held_out))]
    return clocks(TAU[:len(held_out)], loss, differences, shares, torch.full((levels,), 2.0, dtype=F64), seed, 0.95), loss


def test_the_two_clocks():
    """Which bug this catches: training times and checkpoints in different orders, and a clock that stops at the last."""
    found, loss = made([9.0, 6.0, 6.01, 7.0, 8.0], [0.0, 0.0, 0.3, 3.0, 6.0])
    assert found.stop[0] in (10.0, 100.0) and found.stop[1:] == (10.0, 100.0)
    assert found.told == [False, False, True, True, True] and found.remembering == 100.0
    assert found.memorised == [False] * 4 + [True] and found.memorising == 1e4
    assert torch.allclose(found.loss, 2 * loss.sum(2).mean(0).permute(0, 1))
    assert found.share[3].mean == pytest.approx(3 / 7, abs=0.05) and found.above[0].mean == pytest.approx(6 * 3, abs=0.1)


def test_what_is_told_once_and_not_later_does_not_count():
    found, _ = made([5.0, 5.0, 5.0, 5.0], [0.0, 1.0, 0.0, 1.0])
    assert found.told == [False, True, False, True] and found.remembering == 1000.0
    assert made([5.0, 5.0], [1.0, 0.0])[0].remembering is None and made([5.0, 5.0], [1.0, 1.0])[0].remembering == 1.0
    assert found.memorising is None


def test_the_best_stop_is_within_its_limits_as_often_as_they_say(monkeypatch):
    """Which bug this catches: limits of one comparison for that of all checkpoints with the least."""
    monkeypatch.setattr(module, "swap_tests", lambda *_: (1.0, 1.0, None))  # not looked at here
    hits = 0
    for seed in range(150):
        found, _ = made([6.03, 6.0, 6.01, 6.02, 6.04], [0.0] * 5, n=20, seed=seed, levels=1)
        hits += found.stop[1] <= 10.0 <= found.stop[2]
    assert hits >= 138


def read(loss, shares, monkeypatch, p=(0.04, 0.05, 0.051), confidence=0.9):
    """The clocks of losses [n, 2, L, T] with p-values and shares as given; and what the tests by swapping were given."""
    asked = []

    def swapped(differences, weights, generator):
        asked.append((differences, weights, generator.random()))
        return p[len(asked) - 1], None, None

    monkeypatch.setattr(module, "swap_tests", swapped)
    differences, weights = loss[:, 1] - loss[:, 0], torch.tensor([0.5, 2.0], dtype=F64)[:loss.shape[2]]
    return clocks(TAU[:loss.shape[-1]], loss, differences, shares, weights, 7, confidence), differences, weights, asked


def test_every_interval_and_limit_is_that_which_is_said(monkeypatch):
    """Two comparisons with the best at 1 - 0.1/2 each; told at 5%, and memorised above a half, neither below nor at it."""
    loss = dn.normal(np.random.default_rng(0), (9, 2, 2, 3)) + torch.tensor([1.0, 0.2, 0.0], dtype=F64)
    shares = [[dn.Interval(0.2, 0.5, 0.9), dn.Interval(0.5, 0.6, 0.7)], [dn.Interval(0.51, 0.6, 0.7), dn.Interval(0.0, 0.6, 0.7)], []]
    found, differences, weights, asked = read(loss, shares, monkeypatch)
    assert found.told == [True, True, False] and found.memorised == [False, True, False]
    held_out = loss[:, 1, 0] * 0.5 + loss[:, 1, 1] * 2
    best = int(held_out.mean(0).argmin())
    for k in range(3):
        wanted = dn.mean_interval(held_out[:, k] - held_out[:, best], 0.95)
        assert (found.above[k].low, found.above[k].high) == pytest.approx((wanted.low, wanted.high))
        wanted = ratio_intervals(differences[:, :1, k] * 0.5 + differences[:, 1:, k] * 2, held_out[:, [k]], 0.9)[0]
        assert (found.share[k].low, found.share[k].high) == pytest.approx((wanted.low, wanted.high))
        given, by, drawn = asked[k]
        assert torch.equal(given, differences[..., k]) and by is weights and drawn == np.random.default_rng([7, 5]).random()
    assert found.loss.tolist() == pytest.approx(np.einsum("nslt,l->st", loss.numpy(), [0.5, 2.0]) / 9) and found.tau == TAU[:3]
    like = [TAU[k] for k in range(3) if found.above[k].low <= 0]
    assert found.stop == (TAU[best], min(like), max(like))


def test_a_checkpoint_that_is_better_beyond_chance_by_nothing_is_like_the_best(monkeypatch):
    loss = torch.full((5, 2, 1, 3), 2.0, dtype=F64)
    loss[..., 2] += 1e-3
    found, *_ = read(loss, [[], [], []], monkeypatch)
    assert found.stop == (1.0, 1.0, 10.0)
    one, *_ = read(loss[..., :1], [[]], monkeypatch, confidence=0.9)
    assert one.stop == (1.0, 1.0, 1.0) and one.told == [True] and one.remembering == 1.0 and one.memorising is None


def test_one_checkpoint():
    found, _ = made([5.0], [0.0])
    assert found.stop == (1.0, 1.0, 1.0) and found.remembering is None
