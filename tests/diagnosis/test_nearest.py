"""Nearest neighbours against all distances, in either precision and any memory; equal records."""

import numpy as np
import pytest
import torch
from exact_models import Peak

import diffnotes as dn
from diffnotes.diagnosis.nearest import first_of_each, nearest

F64 = torch.float64


def slow(queries, records, k):
    far = (queries.double()[:, None] - records.double()).square().sum(-1).sqrt()
    return far.topk(k, largest=False)


@pytest.mark.parametrize("memory", [1, 32 * 300, 32 * 4000, 2.0**28])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_against_all_distances(memory, k):
    """Which bug this catches: indices within a block in place of those of all records."""
    rng = np.random.default_rng(0)
    a, b = dn.normal(rng, (37, 6)), dn.normal(rng, (101, 6))
    distance, which = nearest(a, b, k, memory=memory)
    wanted, at = slow(a, b, k)
    assert torch.equal(which, at) and torch.allclose(distance, wanted) and distance.dtype == F64


def test_as_many_neighbours_as_records_and_one_record():
    a = dn.normal(np.random.default_rng(0), (5, 3))
    assert torch.equal(nearest(a, a, 5, memory=1)[1], slow(a, a, 5)[1])
    assert nearest(a, a[:1], 1)[1].flatten().tolist() == [0] * 5
    assert nearest(a.view(5, 1, 3), a[:1].view(1, 1, 3), 1)[0].shape == (5, 1)


@pytest.mark.parametrize("memory", [32 * 3000, 2.0**28])
def test_single_precision_with_a_large_common_offset(memory):
    """Which bug this catches: |a|^2 - 2ab + |b|^2 without a centre, of which rounding leaves nothing, and small distances from it."""
    rng = np.random.default_rng(1)
    a, b = ((1000 + dn.normal(rng, (n, 20))).float() for n in (40, 90))
    distance, which = nearest(a, b, memory=memory)
    wanted, at = slow(a, b, 2)
    assert torch.equal(which, at) and torch.allclose(distance, wanted, rtol=1e-6)


def test_near_duplicates_keep_their_small_distances():
    b = dn.normal(np.random.default_rng(2), (50, 30)).float()
    a = (b.double() + 1e-5 * dn.normal(np.random.default_rng(3), (50, 30))).float()
    distance, which = nearest(a, b)
    assert which[:, 0].tolist() == list(range(50)) and torch.allclose(distance, slow(a, b, 2)[0], rtol=1e-6)
    assert nearest(b, b)[0][:, 0].max() == 0


def test_memory_is_what_was_said():
    """Which bug this catches: all differences of queries and candidates at once, or in float64, twice what was allowed and more.

    50,000 queries of 3072 numbers go the same way: temporaries do not depend on how many there are.
    """
    a, b = torch.randn(300, 1000), torch.randn(2000, 1000)
    with Peak() as memory:
        nearest(a, b, memory=2.0**23)
    assert 2**21 < memory.peak < 2**23


def test_equal_records_are_found_across_sets_and_zero_has_one_sign():
    """Which bug this catches: -0 taken for another record than 0, and numbers that begin anew in the second set."""
    a = torch.tensor([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]])
    b = torch.tensor([[[-0.0, 3.0]], [[5.0, 5.0]], [[5.0, 5.0]], [[1.0, 2.0 + 2e-7]]])
    assert first_of_each(a, b).tolist() == [0, 1, 0, 1, 4, 4, 6]
    assert first_of_each(a.double(), a.double().T.contiguous().T[:2]).tolist() == [0, 1, 0, 0, 1]


def test_equal_records_are_found_without_a_copy_of_the_set():
    a = torch.randn(4000, 500)
    with Peak() as memory:
        first_of_each(a, a[:100])
    assert memory.peak < a.nbytes / 100


@pytest.mark.parametrize(("name", "call"), [
    ("k", lambda: nearest(torch.zeros(3, 2), torch.zeros(3, 2), 4)), ("k", lambda: nearest(torch.zeros(3, 2), torch.zeros(3, 2), 0)),
    ("queries", lambda: nearest(torch.zeros(3, 2), torch.zeros(3, 3))), ("queries", lambda: nearest(torch.zeros(3, 2).double(), torch.zeros(3, 2))),
    ("records", lambda: nearest(torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3, 2, dtype=torch.int64)))])
def test_bad_input(name, call):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        call()
