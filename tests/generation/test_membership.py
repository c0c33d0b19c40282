"""Membership inference: the read-outs against slow counts and scikit-learn, ties included; the loss of each record."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

import diffnotes as dn


def counted(members, others):
    """Every pair, a tie counting one half."""
    return np.mean([(a < b) + 0.5 * (a == b) for a in members for b in others])


def found(members, others, rate):
    """Every threshold at or just above a number that occurs."""
    numbers = np.concatenate([members, others, [np.inf]])
    return max(np.mean(members < c) for c in numbers if np.mean(others < c) <= rate)


@pytest.fixture(params=[3, 1000], ids=["many ties", "few ties"])
def numbers(request):
    rng = np.random.default_rng(0)
    return rng.integers(0, request.param, (4, 37)) / 8, rng.integers(0, request.param + 1, (4, 50)) / 8


RATES = [0.0, 0.01, 0.02, 0.29, 0.5, 1.0]


def test_against_every_pair_and_every_threshold(numbers):
    members, others = map(torch.as_tensor, numbers)
    assert dn.auc(members, others).tolist() == pytest.approx([counted(a, b) for a, b in zip(*numbers, strict=True)], abs=1e-12)
    assert dn.true_positive_rate(members, others, RATES).tolist() == pytest.approx(
        np.array([[found(a, b, rate) for rate in RATES] for a, b in zip(*numbers, strict=True)]), abs=1e-12)


def test_against_scikit_learn(numbers):
    members, others = map(torch.as_tensor, numbers)
    for k, (a, b) in enumerate(zip(*numbers, strict=True)):
        label, value = np.repeat([1, 0], [len(a), len(b)]), -np.concatenate([a, b])
        false, true, _ = roc_curve(label, value, drop_intermediate=False)
        assert dn.auc(members, others)[k].item() == pytest.approx(roc_auc_score(label, value), abs=1e-12)
        for rate in RATES:
            assert dn.true_positive_rate(members, others, rate)[k].item() == pytest.approx(true[false <= rate].max(), abs=1e-12)


def test_a_rate_that_rounds_below_a_whole_number_of_others():
    """Which bug this catches: 0.29 of 100 others counted as 28."""
    assert 0.29 * 100 < 29
    others, members = torch.arange(100.0).double(), torch.tensor([28.5], dtype=torch.float64)
    assert dn.true_positive_rate(members, others, 0.29).item() == 1 and dn.true_positive_rate(members, others, 0.28).item() == 0


def test_all_of_some_millions_in_single_precision():
    """Which bug this catches: one more than all of the others accused, which is an index beyond them."""
    others = torch.arange(3 * 2.0**20)
    assert dn.true_positive_rate(torch.tensor([5.0, 9e9]), others, [0.0, 1.0]).tolist() == [0.0, 1.0]


def test_perfect_blind_and_shuffled_attacks():
    low, high = torch.zeros(5), torch.ones(8)
    assert dn.auc(low, high) == 1 and dn.auc(high, low) == 0 and dn.auc(low, low) == 0.5
    assert dn.true_positive_rate(low, high, 0.0) == 1 and dn.true_positive_rate(low, low) == 0
    x, y = torch.randn(3, 60, generator=torch.Generator().manual_seed(0)).split([25, 35], 1)
    assert torch.allclose(dn.auc(x, y) + dn.auc(y, x), torch.ones(3))
    assert torch.equal(dn.auc(x.exp(), y.exp()), dn.auc(x, y))  # of the order alone
    assert torch.equal(dn.auc(x[:, torch.randperm(25)], y), dn.auc(x, y))


def test_the_loss_of_each_record_is_the_denoising_loss_less_its_regression_on_the_noise():
    rng, t = np.random.default_rng(0), 0.3
    sde, x0 = dn.OU(T=2.0), dn.normal(rng, (4, 3))
    noise = dn.normal(rng, (6, 4, 3))
    p = dn.GaussianMixture.empirical(x0 + 0.1).diffused(sde)
    slow = np.stack([dn.denoising_loss(p.score, sde, x0, t, z).numpy() / 3 for z in noise])
    size = noise.square().mean(-1).numpy()
    slope = np.polyfit(size.ravel(), slow.ravel(), 1)[0]
    assert 0.05 < slope < 0.95
    found = dn.per_example_loss(p.score, sde, x0, t, noise)
    assert found.tolist() == pytest.approx(slow.mean(0) - slope * (size.mean(0) - 1))


def test_a_blind_model_has_loss_one_and_one_draw_is_enough_to_see_it():
    rng, blind = np.random.default_rng(0), lambda x, t: torch.zeros_like(x)
    for shape in ((1, 7, 3), (5, 7, 3), (5, 1, 3)):
        loss = dn.per_example_loss(blind, dn.OU(), dn.normal(rng, shape[1:]), 0.1, dn.normal(rng, shape))
        assert loss.tolist() == pytest.approx([1.0] * shape[1])
    alone = dn.normal(rng, (1, 1, 3))
    assert dn.per_example_loss(blind, dn.OU(), alone[0], 0.1, alone).item() == pytest.approx(alone.square().mean().item())


def test_the_regression_does_not_move_the_mean():
    """Against draws of its own, without it."""
    rng, sde, t = np.random.default_rng(3), dn.OU(T=2.0), 0.05
    x0 = dn.normal(rng, (5, 4))
    p = dn.GaussianMixture.isotropic([1.0], torch.zeros(1, 4).double(), 1.0).diffused(sde)
    few = dn.per_example_loss(p.score, sde, x0, t, dn.normal(rng, (2000, 5, 4)))
    many = dn.denoising_loss(p.score, sde, x0.repeat(40_000, 1), t, dn.normal(rng, (200_000, 4))).view(-1, 5).mean(0) / 4
    assert torch.allclose(few, many, atol=0.02)


def test_several_models_at_once():
    rng, sde = np.random.default_rng(1), dn.OU(T=2.0)
    phi, x0 = dn.RandomFeatures.draw(5, 2, sde.T, rng), dn.normal(rng, (4, 2))
    theta, noise = dn.normal(rng, (3, 2, 5)), dn.normal(rng, (2, 4, 2))
    together = dn.per_example_loss(phi.score(theta), sde, x0, 0.5, noise)
    for one, row in zip(theta, together, strict=True):
        assert torch.allclose(dn.per_example_loss(phi.score(one), sde, x0, 0.5, noise), row)


def test_members_of_an_empirical_score_have_the_lower_loss():
    """The score that memorises: at small t it points from every noisy member back to it, and the loss is nearly zero."""
    rng, sde = np.random.default_rng(2), dn.OU(T=2.0)
    x = dn.normal(rng, (40, 5))
    score = dn.GaussianMixture.empirical(x[:20]).diffused(sde).score
    seen, unseen = (dn.per_example_loss(score, sde, part, 1e-3, dn.normal(rng, (8, 20, 5))) for part in (x[:20], x[20:]))
    assert seen.abs().max() < 1e-6 < unseen.min() and dn.auc(seen, unseen) == 1


@pytest.mark.parametrize(("name", "call"), [
    ("members", lambda: dn.auc(torch.tensor([float("nan")]), torch.zeros(2))),
    ("others", lambda: dn.auc(torch.zeros(2, 3), torch.zeros(3))),
    ("others", lambda: dn.auc(torch.zeros(3), torch.zeros(0))),
    ("false_positive_rate", lambda: dn.true_positive_rate(torch.zeros(3), torch.zeros(3), 1.1)),
    ("false_positive_rate", lambda: dn.true_positive_rate(torch.zeros(3), torch.zeros(3), torch.zeros(2, 2))),
    ("noise", lambda: dn.per_example_loss(lambda x, t: x, dn.OU(), torch.zeros(3, 2), 0.1, torch.zeros(3, 2))),
    ("t", lambda: dn.per_example_loss(lambda x, t: x, dn.OU(), torch.zeros(3, 2), [0.1] * 3, torch.zeros(4, 3, 2))),
    (r"score\(x, t\)", lambda: dn.per_example_loss(lambda x, t: x[:, :1], dn.OU(), torch.zeros(3, 2), 0.1, torch.zeros(4, 3, 2)))])
def test_bad_input(name, call):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        call()
