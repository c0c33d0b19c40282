"""Class-conditional models: two classes with a Gaussian each, whose denoiser at a label is known."""

import numpy as np
import pytest
import torch
from exact_models import F64, TRUE, empirical, records

import diffnotes as dn
from diffnotes.diagnosis.chosen import choose
from diffnotes.diagnosis.likelier import likelihood_gap
from diffnotes.diagnosis.samples import generate

QUIET = dict(progress=False, draws=1, levels=6)
CENTRE, SPREAD = torch.tensor([[-2.0, 0, 0, 0], [2.0, 1, 0, 0]], dtype=F64), torch.tensor([0.2, 1.0], dtype=F64)


def draw(n, seed):
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.integers(0, 2, n))
    return CENTRE[labels] + SPREAD[labels][:, None] * dn.normal(rng, (n, 4)), labels


def conditional(y, sigma, label):
    """E[x0 | y, label]."""
    assert label.dtype == torch.int64 and label.shape == (len(y),)
    centre, variance = CENTRE[label].to(y), SPREAD[label].to(y)[:, None] ** 2
    return centre + variance / (variance + sigma[:, None] ** 2) * (y - centre)


MODEL = dn.Denoiser(conditional, 0.05, 10.0)


@pytest.fixture(scope="module")
def sets():
    return draw(64, 0), draw(64, 1)


def test_with_labels_it_generalises_and_at_one_label_there_is_no_verdict(sets):
    """Which bug this catches: labels of other records than those that the model sees."""
    (train, own), (held_out, other) = sets
    found = dn.checkup(MODEL, train, held_out, labels=(own, other), likelihood=4, **QUIET)
    assert found.verdict == "generalises" and not found.told
    one = dn.Denoiser(lambda y, s: conditional(y, s, torch.ones(len(y), dtype=torch.int64)), 0.05, 10.0)
    assert dn.checkup(one, train, held_out, **QUIET).reasons == ["wiring"]
    shuffled = dn.checkup(MODEL, train, held_out, labels=(own.flip(0), other.flip(0)), **QUIET | dict(samples=0))
    assert shuffled.verdict == "no verdict"
    with pytest.raises(ValueError, match=r"^model: got TypeError on torch\.float64 records \(16, 4\): .*label"):
        dn.checkup(MODEL, train, held_out, **QUIET)
    with pytest.raises(ValueError, match=r"^model: got TypeError on "):
        dn.checkup(dn.Denoiser(lambda y, s: y, 0.05, 10.0), train, held_out, labels=(own, other), **QUIET)


def test_labels_in_all_forms_give_the_same(sets):
    (train, own), (held_out, other) = sets
    found = [dn.checkup(MODEL, train, held_out, labels=labels, **QUIET | dict(samples=0)) for labels in (
        (own, other), [own.tolist(), other.numpy()], (own.int(), other.numpy().astype(np.uint8)), (own.bool(), other))]
    assert len({one.gap for one in found}) == 1


def test_a_conditional_model_that_memorises(sets):
    (train, own), (held_out, other) = sets

    def by_heart(y, sigma, label):
        return torch.stack([empirical(train[own == k])(y, sigma[0].item()) for k in (0, 1)])[label, torch.arange(len(y))]
    found = dn.checkup(dn.Denoiser(by_heart, 0.05, 10.0), train, held_out, labels=(own, other), **QUIET)
    assert found.verdict == "memorises" and found.copied and found.told


def test_every_record_goes_with_its_label_also_where_records_are_left_out():
    """Which bug this catches: labels in the order of the sets where records are drawn, or left out as twins or duplicates."""
    (train, own), (held_out, other) = draw(60, 0), draw(45, 1)
    train[7:9], train[20] = held_out[5:7] + 1e-6, train[3]
    own[20], own[7:9] = own[3], other[5:7]
    found = choose(train, held_out, 40, 64, 3, (own, other))
    assert found.twins or found.duplicates
    assert len(found.labels) == 2 * found.pairs and found.labels.dtype == torch.int64
    for k, (record, label) in enumerate(zip(found.pool, found.labels, strict=False)):
        some, names = ((train, own), (held_out, other))[k % 2]
        assert set(names[(some == record).all(1)].tolist()) == {label.item()}
    assert choose(train, held_out, 40, 64, 3).labels is None


def test_swapping_the_two_of_a_pair_swaps_their_labels():
    (train, own), (held_out, other) = draw(30, 0), draw(30, 1)
    one = choose(train, held_out, 30, 64, 3, (own, other))
    i, j = ((some == one.pool[k]).all(1).nonzero().item() for k, some in enumerate((train, held_out)))
    train[i], held_out[j], own[i], other[j] = one.pool[1], one.pool[0], one.labels[1], one.labels[0]
    two = choose(train, held_out, 30, 64, 3, (own, other))
    assert torch.equal(two.pool[:2], one.pool[:2].flip(0)) and torch.equal(two.labels[:2], one.labels[:2].flip(0))
    assert torch.equal(two.pool[2:], one.pool[2:]) and torch.equal(two.labels[2:], one.labels[2:])


def test_samples_are_drawn_at_labels_of_training_records(sets):
    """In their order, again from the first where more are asked for than there are pairs."""
    (train, own), (held_out, other) = sets
    asked = []

    def listening(y, sigma, label):
        if len(y) == 150:
            asked.append(label)
        return conditional(y, sigma, label)
    dn.checkup(dn.Denoiser(listening, 0.05, 10.0), train, held_out, labels=(own, other), **QUIET | dict(samples=150, steps=3))
    chosen = choose(train, held_out, 1000, 4096, 0, (own, other))
    wanted = chosen.labels[::2].repeat(3)[:150]
    assert len(asked) > 3 and all(torch.equal(one, wanted) for one in asked)


def test_batches_of_samples_have_their_own_labels():
    labels = torch.arange(10) % 2
    levels = torch.logspace(1, -1.3, 12, dtype=F64).clamp(min=0.05)
    few, many = (generate(MODEL, (10, 4), levels, np.random.default_rng(0), labels=labels, batch=k, dtype=F64) for k in (3, 256))
    assert torch.allclose(few, many) and torch.equal((few - CENTRE[0]).norm(dim=1) < 1.2, labels == 0)


def test_the_likelihood_of_each_side_is_at_its_own_labels():
    """Which bug this catches: labels of both sides for one of them; the 24 steps leave 0.05 bits."""
    (train, own), (held_out, other) = draw(8, 0), draw(8, 1)
    pool, labels = torch.stack([train, held_out], 1).flatten(0, 1), torch.stack([own, other], 1).flatten()
    found = likelihood_gap(MODEL, pool, 8, np.random.default_rng(0), labels=labels)
    log_prob = [torch.distributions.Normal(CENTRE[k], (SPREAD[k]**2 + 0.05**2)**0.5).log_prob(x).sum().item() for x, k in zip(pool, labels, strict=True)]
    gap = torch.tensor(log_prob[::2], dtype=F64) - torch.tensor(log_prob[1::2], dtype=F64)
    assert found.mean == pytest.approx((gap / (4 * np.log(2))).mean().item(), abs=0.1)


def test_other_labels_are_another_question_for_the_cache(sets, tmp_path):
    """Which bug this catches: answers at other labels, found again by the first four records alone."""
    (train, own), (held_out, other) = sets
    options = QUIET | dict(samples=0, cache=tmp_path)
    one = dn.checkup(MODEL, train, held_out, labels=(own, other), **options)
    chosen = choose(train, held_out, 1000, 4096, 0, (own, other))
    late = (train == chosen.pool[100]).all(1)
    changed = torch.where(late, 1 - own, own)
    two = dn.checkup(MODEL, train, held_out, labels=(changed, other), **options)
    assert two.gap != one.gap and len(list(tmp_path.iterdir())) == 2
    assert dn.checkup(MODEL, train, held_out, labels=(own, other), **options).gap == one.gap


WHOLE = torch.zeros(64, dtype=torch.int64)


@pytest.mark.parametrize("labels", [
    WHOLE, (WHOLE,), (WHOLE, WHOLE, WHOLE), (WHOLE.double(), WHOLE), (WHOLE, WHOLE[:63]), (WHOLE[:, None], WHOLE), (WHOLE, None), (["cat"] * 64, WHOLE),
    (WHOLE, WHOLE.to(torch.complex64)), {0: WHOLE, 1: WHOLE}, "ab", 3, (WHOLE.to("meta"), WHOLE)])
def test_bad_labels_are_refused_before_the_model_is_asked(labels):
    def never(y, sigma, label):
        raise AssertionError("asked")
    with pytest.raises(ValueError, match=r"^labels: got .*; allowed: ") as caught:
        dn.checkup(dn.Denoiser(never, 0.05, 10.0), records(64, 0), records(64, 1), labels=labels, **QUIET)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("label", [WHOLE[:5].double(), WHOLE[:4], WHOLE[:5, None], "x", None])
def test_a_denoiser_takes_one_whole_number_for_each_record(label):
    y = draw(5, 0)[0]
    if label is None:
        assert torch.equal(MODEL(y, 0.7, label=WHOLE[:5]), conditional(y, torch.full((5,), 0.7, dtype=F64), WHOLE[:5]))
        return
    with pytest.raises(ValueError, match=r"^label: got .*; allowed: whole numbers, shape \[5\]"):
        MODEL(y, 0.7, label=label)


def test_a_score_takes_labels_too():
    """With and without gradients, and between two levels."""
    score = dn.Denoiser.of_score(lambda x, t, label: (conditional(x, t, label) - x) / t[:, None] ** 2, dn.Karras(10.0), 0.05)
    y, label = draw(5, 0)
    wanted = conditional(y, torch.full((5,), 0.7, dtype=F64), label)
    for gradients in (False, True):
        torch.testing.assert_close(score(y, 0.7, label=label, gradients=gradients), wanted)
    stepped = dn.Denoiser(conditional, 0.5, 1.0, levels=[0.5, 1.0])
    ends = [conditional(y, torch.full((5,), s, dtype=F64), label) for s in (0.5, 1.0)]
    torch.testing.assert_close(stepped(y, 0.5**0.5, label=label), (ends[0] + ends[1]) / 2)
    assert TRUE(records(3, 0), 0.5).shape == (3, 8)
