"""Samples of a Gaussian model against its moments and by halved steps; copies that were put there; votes by swapping."""

import itertools
import math

import numpy as np
import pytest
import torch
from exact_models import F64

import diffnotes as dn
from diffnotes.diagnosis import evidence
from diffnotes.diagnosis.samples import copies, generate

MEAN, S = torch.tensor([1.0, -2.0, 0.5], dtype=F64), torch.tensor([0.3, 1.0, 2.0], dtype=F64)


def gaussian(y, sigma):
    return MEAN.to(y) + S.to(y)**2 / (S.to(y)**2 + sigma**2) * (y - MEAN.to(y))


def levels(steps, low=1e-3, high=50.0):
    return torch.linspace(high ** (1 / 7), low ** (1 / 7), steps + 1, dtype=F64) ** 7


def exact(y):
    """The flow of a Gaussian from sigma = 50 to 0.001, and its denoised end."""
    end = MEAN + (y - MEAN) * ((S**2 + 1e-6) / (S**2 + 2500)).sqrt()
    return gaussian(end, 1e-3)


def test_samples_of_a_gaussian_and_their_order():
    """Which bug this catches: a step of first order, and an end that is still noisy."""
    noise = dn.normal(np.random.default_rng(0), (500, 3))
    errors = [(generate(gaussian, (500, 3), levels(k), np.random.default_rng(0), dtype=F64) - exact(50 * noise)).abs().max() for k in (32, 64, 128)]
    assert 1.7 < math.log2(errors[0] / errors[1]) < 2.5 and 1.8 < math.log2(errors[1] / errors[2]) < 2.3 and errors[2] < 0.01
    x = generate(gaussian, (4000, 3), levels(18), np.random.default_rng(1), dtype=F64)
    assert torch.allclose(x.mean(0), MEAN, atol=0.15) and torch.allclose(x.std(0), S, rtol=0.1)


def test_batches_do_not_count_and_models_are_asked_in_their_shape_and_dtype():
    seen = []

    def model(y, sigma):
        seen.append((tuple(y.shape[1:]), y.dtype))
        return y / (1 + sigma**2)
    few, many = (generate(model, (7, 2, 3), levels(4), np.random.default_rng(0), batch=k) for k in (3, 256))
    assert torch.allclose(few, many) and set(seen) == {((2, 3), torch.float32)} and many.shape == (7, 2, 3)
    assert len(seen) == (3 + 1) * (2 * 4 + 1)


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    return [dn.normal(rng, (n, 2, 5)) for n in (80, 60, 50)]  # train, held-out, samples


def test_copies_that_were_put_there_are_counted(sets):
    """Which bug this catches: held-out records compared with themselves, and samples with the second record."""
    train, held_out, samples = sets
    samples[:20] = train[:20] + 0.01
    pairs = torch.stack([train[:40], held_out[:40]], 1).flatten(0, 1)
    found = copies(samples, train, held_out, pairs, np.random.default_rng(0), swaps=199)
    assert found.samples.mean == pytest.approx(0.4) and found.held_out.mean == 0 and found.held_out.low == 0
    assert (len(found.ratio[0]), len(found.ratio[1])) == (50, 60) and found.ratio[0][:20].max() < 1 / 3 < found.ratio[0][20:].min()
    for ratio, some in zip(found.ratio, (samples, held_out), strict=True):
        near = torch.cdist(some.flatten(1), train.flatten(1)).sort(1).values
        assert torch.allclose(ratio, near[:, 0] / near[:, 1], atol=1e-6)
    assert found.nearer > 0.6 and found.p_value < 0.03
    taken = copies(train[:30].clone(), train, held_out, pairs, np.random.default_rng(0))
    assert taken.samples.mean == 1 and taken.nearer == 1 and taken.p_value == pytest.approx(1 / 2000)


def test_the_vote_against_all_swaps(sets, monkeypatch):
    """Which bug this catches: pairs that many samples are near counted once, and ties taken for extremes."""
    train, held_out, samples = sets
    pairs = torch.stack([train[:8], held_out[:8]], 1).flatten(0, 1)
    every = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=8)), dtype=F64)
    monkeypatch.setattr(evidence, "random_signs", lambda generator, count, like: every[:count])
    found = copies(samples, train, held_out, pairs, None, swaps=256)
    near = torch.cdist(samples.flatten(1), pairs.flatten(1)).argmin(1)
    votes = torch.zeros(8, dtype=F64)
    for one in near.tolist():
        votes[one // 2] += 1 if one % 2 == 0 else -1
    assert found.p_value == pytest.approx((1 + sum(int(signs @ votes >= votes.sum() - 1e-9) for signs in every)) / 257)
    assert found.nearer == pytest.approx((near % 2 == 0).double().mean().item())


def test_the_vote_of_a_model_that_knows_nothing_is_uniform():
    rng, p = np.random.default_rng(1), []
    for _ in range(150):
        train, held_out, samples = (dn.normal(rng, (n, 3)) for n in (20, 20, 60))
        p.append(copies(samples, train, held_out, torch.stack([train, held_out], 1).flatten(0, 1), rng, swaps=99).p_value)
    for level in (0.05, 0.5):
        assert abs(np.mean(np.array(p) <= level) - level) < 4 * math.sqrt(level * (1 - level) / 150) + 0.02  # votes are whole numbers
