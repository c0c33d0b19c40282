"""Losses of pairs against a loop; the swap on which every test rests; the cache, the budget, executors, and what models are asked."""

import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from exact_models import F64, SIGMA, TRUE, D, empirical, of, posterior, records

import diffnotes as dn
from diffnotes.diagnosis import pairs as module
from diffnotes.diagnosis.evidence import adjusted
from diffnotes.diagnosis.pairs import FIELDS, Question, measure
from diffnotes.diagnosis.smooth import Gaussian

CPU = torch.device("cpu")
KNOWN = [name for name in FIELDS if name != "seconds"]


def question(n=12, models=(TRUE,), references=0, draws=2, seed=0, extras=3, levels=SIGMA[::3], dtype=F64):
    x = records(2 * n + extras, seed).to(dtype)
    return Question(list(models), references, list(map(float, levels)), draws, x, x[:2 * n:2], seed, CPU, CPU)


def same(one, two, names=KNOWN, **close):
    return all(torch.allclose(getattr(one, name), getattr(two, name), **(close or dict(rtol=1e-12, atol=0))) for name in names)


def shrink(y, sigma):
    return y / (1 + sigma**2)


def shrunk(y, sigma):
    """For other processes, which find it by its name."""
    return y / (1 + sigma.view(-1, *[1] * (y.ndim - 1)) ** 2)


def test_against_a_loop():
    """Which bug this catches: sides, levels or models in each other's places, noise that the two of a pair do not share."""
    asked = question(5, (TRUE, of(shrink), TRUE), references=1)
    found = measure(asked, 5, block=2, progress=False)
    assert found.loss.shape == found.toward.shape == (5, 2, 3, 2) and found.covariates.shape == (5, 2, 3, 4)
    pool, train = asked.pool, asked.train
    fits = Gaussian(pool), Gaussian(train)
    for pair in range(5):
        for side in range(2):
            for k, sigma in enumerate(asked.levels):
                x, rows = pool[2 * pair + side], []
                for draw in range(2):
                    z = torch.as_tensor(np.random.default_rng([0, pair, 1 + draw]).standard_normal(D))
                    y = (x + sigma * z)[None]
                    without = empirical(torch.stack([one for one in train if not torch.equal(one, x)]))(y, min(max(sigma, 0.05), 10))
                    fully = empirical(train if not side else torch.cat([train, x[None]]))(y, sigma)
                    others = empirical(torch.stack([one for one in pool if not torch.equal(one, x)]))(y, sigma)
                    size = lambda d, s=sigma: (d**2).sum() / s**2  # noqa: E731
                    rows.append(torch.stack([
                        *(size(x - one) for one in (posterior(y, sigma), y / (1 + sigma**2))), size(fully - without),
                        size(x - fits[1].denoise(y, sigma)), (z**2).sum(), size(x - fits[0].denoise(y, sigma)), size(x - others),
                        size(x - posterior(y, sigma)), ((posterior(y, sigma) - without) * (fully - without)).sum() / sigma**2]))
                wanted = torch.stack(rows).mean(0)
                got = torch.cat([found.loss[pair, side, k], found.span[pair, side, k, None], found.gaussian[pair, side, k, None],
                                 found.covariates[pair, side, k], found.toward[pair, side, k, :1]])
                assert torch.allclose(got, wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("extras", "most"), [(0, 4096), (7, 4096), (0, 17), (7, 8)])
def test_swapping_the_two_of_a_pair_swaps_all_that_tests_look_at(extras, most):
    """All levels of tests rest on this.

    Which bug this catches: references fitted to the training set, noise of a record's own, an order that matters.
    """
    asked = question(15, (TRUE, of(shrink)), references=1, extras=extras)
    order = torch.arange(len(asked.pool))
    flipped = torch.arange(15)[::2]
    for k in flipped.tolist():
        order[2 * k], order[2 * k + 1] = 2 * k + 1, 2 * k
    asked = replace(asked, most=most)
    other = replace(asked, pool=asked.pool[order], train=asked.pool[order][:30:2])
    one, two = (measure(each, 15, block=4, progress=False) for each in (asked, other))
    for name in ("loss", "covariates"):
        wanted = getattr(one, name).clone()
        wanted[flipped] = wanted[flipped].flip(1)
        assert torch.allclose(getattr(two, name), wanted, rtol=1e-9, atol=1e-9)
    left = [adjusted(each.loss[:, :, 1, 0].flatten(), each.covariates[:, :, 1].flatten(0, 1)).view(15, 2) for each in (one, two)]
    sign = torch.ones(15, dtype=F64)
    sign[flipped] = -1
    assert torch.allclose(left[1][:, 1] - left[1][:, 0], sign * (left[0][:, 1] - left[0][:, 0]), atol=1e-8)


def test_the_empirical_denoiser_stands_at_one_for_what_it_knows_and_at_zero_else():
    asked = question(20)
    knows = Question([empirical(asked.train)], 0, asked.levels, 2, asked.pool, asked.train, 0, CPU, CPU)
    found = measure(knows, 20, progress=False)
    assert torch.allclose(found.toward[:, 0, :, 0], found.span[:, 0], rtol=1e-6, atol=1e-12)
    assert found.toward[:, 1].abs().max() < 1e-6 * found.span[:, 1].max()


def test_records_beyond_what_the_denoisers_know_are_new_to_them():
    """Which bug this catches: the place of a record in the pool taken for one in what is left of it."""
    asked = question(10, extras=0)
    found, few = measure(replace(asked, most=8), 10, progress=False), measure(replace(asked, most=4), 10, progress=False)
    assert torch.allclose(found.loss, few.loss) and not torch.allclose(found.covariates, few.covariates)
    others = measure(replace(asked, models=[empirical(asked.pool[:8])], most=8), 10, progress=False)
    assert torch.allclose(others.loss[4:, :, :, 0], others.covariates[4:, :, :, 2], rtol=1e-6)  # none is left out of these
    knows = replace(asked, models=[empirical(asked.train[:8])], most=8)
    found = measure(knows, 10, progress=False)
    assert torch.allclose(found.toward[:8, 0, :, 0], found.span[:8, 0], rtol=1e-6, atol=1e-12)
    assert found.toward[8:, 0].abs().max() < 1e-6 * found.span[8:, 0].max()


def test_blocks_and_executors_do_not_count():
    """Which bug this catches: noise that depends on the block, and blocks put together in the order in which they came."""
    asked = question(10, (dn.Denoiser(shrunk, 0.05, 10.0),))
    whole = measure(asked, 10, progress=False)
    for block in (1, 3, 10, 64):
        assert same(measure(asked, 10, block=block, progress=False), whole)
    with ThreadPoolExecutor(3) as threads:
        assert same(measure(asked, 10, block=3, executor=threads, progress=False), whole)
    with ProcessPoolExecutor(1) as processes:
        assert same(measure(asked, 10, block=5, executor=processes, progress=False), whole)
    fewer = measure(asked, 6, progress=False)
    assert torch.equal(fewer.loss, whole.loss[:6])


class Dying:
    """Asked more than a number of times it fails, or answers with NaN, as this package refuses it."""

    def __init__(self, most, nan=False):
        self.most, self.nan, self.asked = most, nan, 0

    def __call__(self, y, sigma):
        self.asked += 1
        if self.asked > self.most and not self.nan:
            raise KeyboardInterrupt
        return shrunk(y, sigma) * (float("nan") if self.asked > self.most else 1)


@pytest.mark.parametrize("nan", [False, True])
def test_what_was_killed_goes_on_where_it_was(tmp_path, nan):
    """Which bug this catches: answers that are asked for again, or lost with the error of a later block."""
    whole, names = measure(question(12, [of(shrink)]), 12, block=3, progress=False), 3
    dying = Dying(names + 2 * 3 * 2 + 1, nan)
    with pytest.raises(ValueError if nan else KeyboardInterrupt):
        measure(question(12, [dn.Denoiser(dying, 0.05, 10.0)]), 12, block=3, cache=tmp_path, progress=False)
    assert len(list(tmp_path.iterdir())) == 2
    again = Dying(1000)
    found = measure(question(12, [dn.Denoiser(again, 0.05, 10.0)]), 12, block=3, cache=tmp_path, progress=False)
    assert same(found, whole) and again.asked == names + 2 * 3 * 2 and len(list(tmp_path.iterdir())) == 4


def test_a_damaged_file_is_asked_for_again(tmp_path):
    asked = question(6)
    whole = measure(asked, 6, block=3, cache=tmp_path, progress=False)
    one, two = sorted(tmp_path.iterdir())
    one.write_bytes(one.read_bytes()[:100])
    two.write_bytes(b"")
    assert same(measure(asked, 6, block=3, cache=tmp_path, progress=False), whole) and one.stat().st_size > 200


@pytest.mark.parametrize("what", ["model", "small records", "records", "seed", "levels", "draws", "train", "references"])
def test_another_question_is_not_confused(tmp_path, what):
    """Which bug this catches: answers compared after rounding, which for small records makes all models one."""
    scale = 1e-5 if what == "small records" else 1.0
    sigma = [0.1 * scale, 1.0 * scale]
    model = [lambda y, s: y / (1 + s**2 / scale**2), lambda y, s: y * (1 + 1e-6) / (1 + s**2 / scale**2)]
    base = dict(models=[model[0]] * 2, references=1, levels=sigma, draws=2, pool=scale * records(12, 0), train=scale * records(12, 0)[:12:2],
                seed=0, place=CPU, exact=CPU)
    change = {"model": dict(models=[model[1], model[0]]), "small records": dict(models=[model[1], model[0]]), "seed": dict(seed=1),
              "records": dict(pool=records(12, 1)), "levels": dict(levels=[0.1, 1.1]), "draws": dict(draws=3),
              "train": dict(train=records(12, 0)[:10:2]), "references": dict(references=0)}[what]
    for one in (base, base | change):
        measure(Question(**one), 5, cache=tmp_path, progress=False)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_budget_ends_it_after_a_block_and_what_is_in_the_cache_is_free(tmp_path):
    """Which bug this catches: a budget that was spent elsewhere and then leaves one block of a full cache."""
    def tired(y, sigma):
        time.sleep(0.005)
        return shrink(y, sigma)
    asked = question(12, [of(tired)], draws=1)
    found = measure(asked, 12, block=2, budget=0.05, cache=tmp_path, progress=False)
    assert 2 <= len(found) < 12
    assert len(measure(asked, 12, block=2, budget=-1.0, progress=False)) == 2
    whole = measure(asked, 12, block=2, cache=tmp_path, progress=False)
    assert len(whole) == 12 and len(measure(asked, 12, block=2, budget=-1.0, cache=tmp_path, progress=False)) == 12
    with ThreadPoolExecutor(2) as threads:
        assert 2 <= len(measure(asked, 12, block=2, budget=-1.0, executor=threads, progress=False)) <= 6


def test_seconds_are_those_that_answers_took_and_are_kept(tmp_path):
    """Which bug this catches: a cost that is nothing after a second call, so that samples are made without end."""
    def tired(y, sigma):
        time.sleep(0.004)
        return shrink(y, sigma)
    asked = question(4, [of(tired)], draws=2)
    found = measure(asked, 4, cache=tmp_path, progress=False)
    assert found.seconds.sum() >= 3 * 2 * 0.004
    assert torch.equal(measure(asked, 4, cache=tmp_path, progress=False).seconds, found.seconds)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("event", [(8,), (2, 4), (2, 2, 2)])
def test_models_are_asked_as_they_are_used_to(dtype, event):
    seen = []

    def model(y, sigma):
        seen.append((tuple(y.shape), y.dtype, sigma))
        return shrink(y, sigma)
    asked = question(6, [model], dtype=dtype)
    asked = Question([model], 0, asked.levels, 1, asked.pool.view(-1, *event), asked.train.view(-1, *event), 0, CPU, CPU)
    found = measure(asked, 6, block=4, progress=False)
    assert [one[:2] for one in seen] == [((8, *event), dtype)] * 3 + [((4, *event), dtype)] * 3
    assert [one[2] for one in seen] == 2 * asked.levels
    assert same(found, measure(question(6, [of(shrink)], draws=1), 6, progress=False), rtol=1e-3, atol=1e-4)


def test_noise_is_of_no_stream_that_choices_and_swaps_are_drawn_from():
    """Which bug this catches: [seed, 3] and [seed, 3, 0] are one stream in NumPy, so that swaps knew the noise of pair 3."""
    assert np.random.default_rng([0, 3]).random() == np.random.default_rng([0, 3, 0]).random()
    noise = torch.stack([module._noise(0, pair, draw, 3) for pair in range(12) for draw in range(3)])
    others = torch.stack([dn.normal(np.random.default_rng([0, k]), (3,)) for k in range(12)])
    assert torch.cdist(noise, others).min() > 0.01 and torch.pdist(noise).min() > 0.01
