"""Which records are asked about: pairs drawn at random, without copies, and the others that are near them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check
from .nearest import first_of_each, nearest

LEAST = 20  # pairs, below which no interval means much
BASELINE = 2000  # held-out records at most beside which copies are counted
_NEAR = 0.02  # of the median distance to the second nearest record: nearer ones are one record twice


@dataclass(frozen=True)
class Chosen:
    """Pairs and what lies around them.  Swapping the two of a pair changes no choice.

    Attributes:
        train: all different training records, but for those of pairs that were left out; what was given if none was.
        known: training records, that of pair k at k, at most as many as the pool has; ``fresh``: held-out ones, at most 2000.
        pool: those of all pairs, of pair k at 2 k and 2 k + 1, and others up to as many as asked.
        pairs: their number.
        duplicates: training records that were left out as equal to another; ``twins``: pairs that were, for being nearly so.
        labels: of the pairs' records, in the order of the pool, where given.
    """

    train: Tensor
    known: Tensor
    fresh: Tensor
    pool: Tensor
    pairs: int
    duplicates: int
    twins: int
    labels: Tensor | None = None


def choose(train: Tensor, held_out: Tensor, pairs: int, pool: int, seed: int, labels=None) -> Chosen:
    """Pairs of training records [n, *event] and held-out ones [n', *event], of which no two records are equal, nor nearly so.

    Raises:
        ValueError: the shapes do not match; a record is in both sets (they are named); fewer than 20 pairs are left.
    """
    train, held_out = (as_tensor(name, one) for name, one in (("train", train), ("held_out", held_out)))
    train = check.with_values("train", check.tensor("train", train)).detach()
    if train.ndim < 2 or not train.numel():
        check.fail("train", f"shape {tuple(train.shape)}", "records [n, *event]")
    held_out = check.tensor("held_out", held_out, ("n", *train.shape[1:]), like=train).detach()
    named = _labels(labels, train, held_out)
    mine, others = _different(train, held_out, seed)
    count = min(pairs, len(mine), len(others))
    rest = max(pool - 2 * count, 0)
    inner = torch.stack([train[mine[:count]], held_out[others[:count]]], 1).flatten(0, 1)
    both = torch.cat([inner, train[mine[count:count + (rest + 1) // 2]], held_out[others[count:count + rest // 2]]])
    keep = ~_again(both)
    alone = keep[:2 * count].view(count, 2).all(1)
    left = int(alone.sum())
    if left < LEAST:
        check.fail("held_out" if len(others) < len(mine) else "train", f"{left} records that differ from all others of both sets",
                   f"at least {LEAST}")
    duplicates = len(train) - len(mine)
    if named is not None:
        named = [one[which[:count].cpu()][alone] for one, which in zip(named, (mine, others), strict=True)]
    mine, others = (torch.cat([one[:count][alone.to(one.device)], one[count:]]) for one in (mine, others))
    return Chosen(train if len(mine) == len(train) else train[mine.sort().values], train[mine[:max(pool, left)]],
                  held_out[others[:BASELINE]], both[torch.cat([alone.repeat_interleave(2), keep[2 * count:]]).to(both.device)],
                  left, duplicates, count - left, None if named is None else torch.stack(named, 1).flatten())


def as_tensor(name, value):
    """A tensor, or a NumPy array as one of its own precision; not whatever else can be made into one."""
    if isinstance(value, np.ndarray) and (value.dtype.kind, value.dtype.itemsize) == ("f", 4):  # of either byte order
        value = torch.from_numpy(value.astype(np.float32, order="C"))
    if not isinstance(value, Tensor | np.ndarray):
        check.fail(name, type(value).__name__,
                   "a tensor or NumPy array [n, *event]; of a Dataset, torch.stack([x for x, *_ in data])")
    return value


def _labels(labels, train, held_out):
    """Labels of both sets, int64 on the CPU, or None."""
    if labels is None:
        return None
    if not isinstance(labels, tuple | list) or len(labels) != 2:
        check.fail("labels", type(labels).__name__, "a pair: labels of the training and of the held-out records")
    found = [check.labels("labels", one, len(records)) for one, records in zip(labels, (train, held_out), strict=True)]
    return [check.with_values("labels", one).cpu() for one in found]


def _different(train, held_out, seed):
    """The numbers of the different records of both, each in a random order."""
    first = first_of_each(train, held_out)
    own = torch.arange(len(first), device="cpu")
    mine, other = own[:len(train)], own[len(train):]
    shared = other[first[other] < len(train)]
    if len(shared):
        named = ", ".join(f"held_out[{k - len(train)}] is train[{first[k]}]" for k in shared[:3].tolist())
        check.fail("held_out", f"{len(shared)} records that are in train ({named}{', ...' if len(shared) > 3 else ''})",
                   "records that the model has not seen")
    kept = mine[first[mine] == mine], other[first[other] == other] - len(train)
    return [one[torch.from_numpy(np.random.default_rng([seed, side]).permutation(len(one)))].to(train.device)
            for side, one in enumerate(kept)]


def _again(both: Tensor) -> Tensor:
    """Whether a record of the pool is nearly equal to one before it; a pair stays or goes as one, its order is no matter."""
    distance, which = (part.cpu() for part in nearest(both, both, min(6, len(both))))
    near = distance < _NEAR * distance[:, min(2, len(both) - 1)].median()
    return (near & (which < torch.arange(len(both), device="cpu")[:, None])).any(1)
