"""Which levels are informative, and the weights that make nats of the losses there."""

import math

import numpy as np
import pytest
import torch
from exact_models import Peak, records

import diffnotes as dn
from diffnotes.diagnosis.levels import Collapse, collapse, informative, log_weights

F64 = torch.float64


def test_the_entropy_against_a_loop(monkeypatch):
    """Which bug this catches: parts of the records normalised each by itself, and a record that is not among its own candidates."""
    x, count = records(30, 0), 5
    found = collapse(x, 0.05, 20.0, np.random.default_rng(0), queries=12, count=count)
    rng = np.random.default_rng(0)
    own, wanted = dn.permutation(rng, 30)[:12], []
    z = dn.normal(rng, (12, 8))
    for sigma in found.sigma.tolist():
        y = x[own] + sigma * z
        share = torch.softmax(-(y[:, None] - x).square().sum(-1) / (2 * sigma**2), 1)
        wanted.append((-(share * share.clamp(min=1e-300).log()).sum(1).mean() / math.log(30)).item())
    assert found.share.tolist() == pytest.approx(wanted, abs=1e-10)
    assert found.sigma.tolist() == pytest.approx(np.geomspace(0.05, 20.0, count)) and found.share[0] < 0.01 and found.share[-1] > 0.98
    split = torch.Tensor.split
    monkeypatch.setattr(torch.Tensor, "split", lambda self, size, dim=0: split(self, min(size, 7), dim))
    parts = collapse(x, 0.05, 20.0, np.random.default_rng(0), queries=12, count=count)
    assert torch.allclose(parts.share, found.share, atol=1e-12)


def test_the_order_of_pairs_does_not_count():
    """Which bug this catches: levels that know which of a pair was trained on, so that no test by swaps is exact."""
    x = records(40, 1)
    flip = torch.arange(40).view(20, 2)
    flip[::3] = flip[::3].flip(1)
    one, two = (collapse(y, 0.05, 20.0, np.random.default_rng(0), queries=16, together=2) for y in (x, x[flip.flatten()]))
    assert torch.allclose(one.share, two.share, rtol=1e-12)


def test_levels_run_from_where_the_record_is_known_to_where_nothing_is():
    found = collapse(records(200, 0), 0.01, 50.0, np.random.default_rng(0))
    assert found.at(0.01) < found.at(0.5) < found.at(0.98)
    sigma = informative(found, 8)
    assert sigma[0].item() == pytest.approx(found.at(0.01) / 3) and sigma[-1].item() == pytest.approx(found.at(0.98))
    assert sigma.log().diff().tolist() == pytest.approx([sigma.log().diff()[0].item()] * 7)


def test_neighbours_share_their_noise_and_are_chosen_together():
    """Of five queries two at a time are two pairs, by a loop; without a number of levels there are 61."""
    x, rng = records(30, 0), np.random.default_rng(0)
    found = collapse(x, 0.05, 20.0, np.random.default_rng(0), queries=5, together=2, count=4)
    pairs = dn.permutation(rng, 15)[:2]
    z, wanted = dn.normal(rng, (2, 8)), []
    for sigma in found.sigma.tolist():
        entropy = 0.0
        for k, noise in zip(pairs.tolist(), z, strict=True):
            for own in (2 * k, 2 * k + 1):
                share = torch.softmax(-(x[own] + sigma * noise - x).square().sum(1) / (2 * sigma**2), 0)
                entropy -= torch.special.xlogy(share, share).sum().item() / 4
        wanted.append(entropy / math.log(30))
    assert found.share.tolist() == pytest.approx(wanted, abs=1e-10)
    every, some = (collapse(records(300, 1), 0.05, 20.0, np.random.default_rng(0), **more) for more in ({}, {"queries": 128}))
    assert len(every.sigma) == 61 and torch.equal(every.share, some.share)


def test_levels_of_a_collapse_by_hand():
    """The last level with less than the share, not with as much; a third of it below, at most to what there is."""
    sigma = torch.tensor([0.1, 0.9, 1.8, 2.7, 5.0, 9.0], dtype=F64)
    found = Collapse(sigma, torch.tensor([0.0, 0.009, 0.01, 0.5, 0.98, 1.0], dtype=F64))
    assert found.at(0.01) == 0.9 and found.at(0.98) == 2.7 and found.at(0.0) == 0.1
    assert informative(found, 3).tolist() == pytest.approx([0.3, 0.9, 2.7])
    late = Collapse(sigma, torch.tensor([0.0, 0.5, 0.99, 1.0, 1.0, 1.0], dtype=F64))
    assert informative(late, 2).tolist() == pytest.approx([0.1, 0.9])
    blind = Collapse(sigma, torch.ones(6, dtype=F64))
    assert informative(blind, 2).tolist() == pytest.approx([0.1, 0.15])
    assert informative(Collapse(sigma[:1] * torch.tensor([1.0, 1.2]), torch.ones(2, dtype=F64)), 2).tolist() == pytest.approx([0.1, 0.12])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_models_that_know_only_levels_at_which_all_is_known_or_nothing(share):
    """Which bug this catches: no level at all, or one beyond what the model knows."""
    found = Collapse(torch.tensor([0.1, 0.2, 0.4], dtype=F64), torch.full((3,), share, dtype=F64))
    sigma = informative(found, 3)
    assert sigma.min() >= 0.1 and sigma.max() <= 0.4 and (sigma.diff() >= 0).all()


def test_weights_sum_to_the_range_of_log_sigma():
    sigma = torch.tensor([0.1, 0.3, 0.5, 9.0], dtype=F64)
    assert log_weights(sigma).sum().item() == pytest.approx(math.log(90)) and log_weights(sigma[:1]).tolist() == [1]
    linear = log_weights(sigma) @ sigma.log()  # exact for what is linear in log sigma
    assert linear.item() == pytest.approx((math.log(9) ** 2 - math.log(0.1) ** 2) / 2)


def test_weighted_losses_are_nats_of_the_likelihood():
    """-log p = constant + integral: two Gaussians' constants are one, so that the difference of integrals is that of entropies.

    Which bug this catches: a factor of two, as weights in log SNR would have it.
    """
    sigma, spread = torch.logspace(-4, 4, 400, dtype=F64), (0.3, 2.0)
    entropy = []
    for s in spread:
        x, z = s * dn.normal(np.random.default_rng(0), (2000, 1)), dn.normal(np.random.default_rng(1), (2000, 1))
        losses = torch.stack([((x - (x + e * z) * s**2 / (s**2 + e**2)) ** 2 / e**2).mean() for e in sigma])
        entropy.append((losses @ log_weights(sigma)).item())
    assert entropy[1] - entropy[0] == pytest.approx(math.log(spread[1] / spread[0]), rel=0.05)
    exact = [((s**2 / (s**2 + sigma**2)) @ log_weights(sigma)).item() for s in spread]
    assert exact[1] - exact[0] == pytest.approx(math.log(spread[1] / spread[0]), rel=1e-3)


def test_memory_is_that_of_queries_and_parts_of_the_records():
    """Which bug this catches: all records in float64 at once."""
    x = torch.randn(12_000, 400)
    with Peak() as memory:
        collapse(x, 0.05, 20.0, np.random.default_rng(0), queries=16, count=3)
    assert memory.peak < 5 * 1024 * 400 * 8 + 10 * 16 * len(x) * 8
