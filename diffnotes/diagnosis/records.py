"""Which records are asked about: pairs drawn at random, without copies, and the others that are near them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check
from .nearest import first_of_each, nearest

LEAST = 20  # pairs, below which no interval means much
_NEAR = 0.02  # of the median distance to the nearest record: nearer ones are one record twice


@dataclass(frozen=True)
class Chosen:
    """Pairs and what lies around them.

    Attributes:
        train, held_out: all different records in a random order; the first ``pairs`` of both are the pairs.
        pool: at most so many records as asked, those of pair k at 2 k and 2 k + 1.
        pairs: their number.
        duplicates: training records that were left out as equal to another; ``twins``: pairs that were, for being nearly so.
    """

    train: Tensor
    held_out: Tensor
    pool: Tensor
    pairs: int
    duplicates: int
    twins: int


def choose(train: Tensor, held_out: Tensor, pairs: int, pool: int, seed: int) -> Chosen:
    """Pairs of training records [n, *event] and held-out ones [n', *event], of which no two records are equal, nor nearly so.

    Raises:
        ValueError: the shapes do not match; a record is in both sets (they are named); fewer than 20 pairs are left.
    """
    train = check.tensor("train", train)
    if train.ndim < 2 or not train.numel():
        check.fail("train", f"shape {tuple(train.shape)}", "records [n, *event]")
    held_out = check.tensor("held_out", held_out, ("n", *train.shape[1:]), like=train)
    train, held_out, duplicates = _different(train, held_out, seed)
    count = min(pairs, len(train), len(held_out), pool // 2)
    rest = pool - 2 * count
    around = torch.cat([train[count:count + (rest + 1) // 2], held_out[count:count + rest // 2]])
    both = torch.cat([torch.stack([train[:count], held_out[:count]], 1).flatten(0, 1), around])
    keep = ~_again(both, count)
    alone = keep[:2 * count].view(count, 2).all(1)
    left = int(alone.sum())
    if left < LEAST:
        check.fail("train, held_out", f"{left} pairs of records that differ", f"at least {LEAST}, so as many of each")
    train, held_out = (torch.cat([one[:count][alone.to(one.device)], one[count:]]) for one in (train, held_out))
    return Chosen(train, held_out, both[torch.cat([alone.repeat_interleave(2), keep[2 * count:]]).to(both.device)], left,
                  duplicates, count - left)


def _different(train, held_out, seed):
    """Both in a random order and without equal records, and how many training records were equal to others."""
    first = first_of_each(torch.cat([train, held_out]))
    own = torch.arange(len(first))
    mine, other = own[:len(train)], own[len(train):]
    shared = other[first[other] < len(train)]
    if len(shared):
        named = ", ".join(f"held_out[{k - len(train)}] is train[{first[k]}]" for k in shared[:3].tolist())
        check.fail("held_out", f"{len(shared)} records that are in train ({named}{', ...' if len(shared) > 3 else ''})",
                   "records that the model has not seen")
    kept = mine[first[mine] == mine], other[first[other] == other] - len(train)
    order = [one[torch.from_numpy(np.random.default_rng([seed, side]).permutation(len(one)))] for side, one in enumerate(kept)]
    return train[order[0].to(train.device)], held_out[order[1].to(train.device)], len(train) - len(kept[0])


def _again(both: Tensor, pairs: int) -> Tensor:
    """Whether a record of the pool is nearly equal to one before it: before it is what has an earlier pair, or its own."""
    distance, which = (part.cpu() for part in nearest(both, both, min(6, len(both))))
    turn = torch.arange(len(both))
    near = (which != turn[:, None]) & (distance < _NEAR * distance[:, 1].median())
    turn = torch.where(turn < 2 * pairs, turn // 2, turn)
    return (near & (turn[which] <= turn[:, None])).any(1)
