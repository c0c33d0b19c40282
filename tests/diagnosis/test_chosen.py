"""Which records are asked about: what is left out and named, and that swapping the two of a pair changes no choice."""

import pytest
import torch
from exact_models import F64, TRUE, records

from diffnotes.diagnosis import whole
from diffnotes.diagnosis.chosen import choose


def row(record, rows):
    at, = (rows == record).flatten(1).all(1).nonzero().flatten().tolist()
    return at


@pytest.mark.parametrize(("n", "others"), [(40, 40), (70, 25), (25, 70)])
@pytest.mark.parametrize("pool", [40, 64, 4096])
def test_swapping_the_two_of_a_pair_swaps_them_in_the_pool_and_changes_nothing_else(n, others, pool):
    """Which bug this catches: levels, extras or twins that depend on which of a pair was trained on."""
    train, held_out = records(n, 0), records(others, 1)
    train[7:11], held_out[3] = held_out[5:9] + 1e-4, held_out[20] - 1e-4  # twins
    one = choose(train, held_out, 22, pool, 3)
    assert one.pairs >= 20 and one.twins >= 0 and len(one.pool) <= max(pool, 44)
    a, b = train.clone(), held_out.clone()
    flipped = range(0, one.pairs, 3)
    for k in flipped:
        mine, other = one.pool[2 * k:2 * k + 2]
        i, j = row(mine, train), row(other, held_out)
        a[i], b[j] = other, mine
    two = choose(a, b, 22, pool, 3)
    wanted = one.pool.clone()
    for k in flipped:
        wanted[2 * k:2 * k + 2] = wanted[2 * k:2 * k + 2].flip(0)
    assert torch.equal(two.pool, wanted) and (two.pairs, two.twins, two.duplicates) == (one.pairs, one.twins, one.duplicates)
    found = [whole._levels(6, TRUE, each, 0, torch.device("cpu")) for each in (one, two)]
    assert torch.equal(*found)
    assert torch.equal(one.known[:one.pairs], one.pool[:2 * one.pairs:2]) and torch.equal(one.fresh[:one.pairs], one.pool[1:2 * one.pairs:2])


def test_pairs_are_drawn_at_random_and_every_record_at_most_once():
    train, held_out = records(50, 0), records(90, 1)
    one, two = (choose(train, held_out, 30, 100, seed) for seed in (0, 1))
    assert not torch.equal(one.pool, two.pool)
    for found in (one, two):
        assert len(found.pool.unique(dim=0)) == 100 and found.pairs == 30
        assert {row(x, train) for x in found.pool[:60:2]} <= set(range(50)) and {row(x, held_out) for x in found.pool[1:60:2]}
        assert sum(int((train == x).all(1).any()) for x in found.pool[60:]) == 20  # half of the others
    assert row(one.pool[0], train) != 0 or row(one.pool[2], train) != 1


def test_all_pairs_are_in_the_pool():
    """Which bug this catches: fewer pairs than asked for, without a word, as the pool was small."""
    found = choose(records(300, 0), records(300, 1), 250, 40, 0)
    assert found.pairs == 250 and len(found.pool) == 500 and len(found.known) >= 250


def test_a_record_in_both_sets_is_named():
    train, held_out = records(30, 0), records(30, 1)
    held_out[4] = train[11]
    with pytest.raises(ValueError, match=r"^held_out: got 1 records that are in train \(held_out\[4\] is train\[11\]\); allowed"):
        choose(train, held_out, 30, 100, 0)
    with pytest.raises(ValueError, match=r"got 30 records that are in train .*, \.\.\.\); allowed"):
        choose(train, train.clone(), 30, 100, 0)


def test_equal_records_count_once_and_nearly_equal_ones_take_their_pair_along():
    train, held_out = records(60, 0), records(60, 1)
    train[30:40], held_out[50:] = train[0], held_out[:10]
    train[50] = train[45] + 1e-6
    train[51] = held_out[20] + 1e-6
    for seed in range(8):  # either side is the later one
        found = choose(train, held_out, 100, 4096, seed)
        assert found.duplicates == 10 and len(found.train) == 50 - found.twins and 1 <= found.twins <= 2
        assert torch.cdist(found.pool, found.pool).fill_diagonal_(9).min() > 0.01
    assert choose(records(60, 0), records(60, 1), 100, 4096, 0).twins == 0


def test_a_set_in_which_every_record_has_a_twin_is_halved():
    """Which bug this catches: twins measured by the median distance to the nearest record, which is then that of twins."""
    half = records(60, 0)
    train = torch.cat([half, half + 1e-5])
    found = choose(train, records(120, 1), 120, 4096, 0)
    far = torch.cdist(found.pool, found.pool).fill_diagonal_(9)
    assert far.min() > 0.01 and 50 <= found.pairs <= 60


def test_nothing_is_copied_where_nothing_is_left_out():
    """Which bug this catches: a second and a third copy of 50,000 images."""
    train, held_out = records(60, 0), records(60, 1)
    assert choose(train, held_out, 30, 100, 0).train.data_ptr() == train.data_ptr()


def test_twenty_pairs_are_enough_and_nineteen_are_not():
    assert choose(records(20, 0), records(20, 1), 99, 4096, 0).pairs == 20
    with pytest.raises(ValueError, match=r"^train: got 19 records that differ from all others of both sets; allowed: at least 20"):
        choose(records(19, 0), records(40, 1), 99, 4096, 0)
    with pytest.raises(ValueError, match=r"^held_out: got 1 records"):
        choose(records(40, 0), torch.ones(40, 8, dtype=F64), 99, 4096, 0)


@pytest.mark.parametrize(("name", "train", "held_out"), [
    ("train", torch.zeros(5, dtype=F64), torch.zeros(5, dtype=F64)), ("train", torch.zeros(30, 0), torch.zeros(30, 0)),
    ("train", torch.zeros(30, 2, dtype=torch.uint8), torch.zeros(30, 2)), ("train", "x", torch.zeros(30, 2)),
    ("train", torch.full((30, 2), float("nan")), torch.zeros(30, 2)), ("train", torch.zeros(30, 2, device="meta"), torch.zeros(30, 2, device="meta")),
    ("held_out", torch.zeros(30, 2), torch.zeros(30, 3)), ("held_out", torch.zeros(30, 2), torch.zeros(30, 2, 1)),
    ("held_out", torch.zeros(30, 2), torch.zeros(30, 2).double()), ("held_out", torch.zeros(30, 2), torch.zeros(0, 2))])
def test_bad_input(name, train, held_out):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        choose(train, held_out, 30, 100, 0)
