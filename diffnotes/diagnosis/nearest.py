"""Nearest neighbours in blocks, so that memory does not grow with the number of records, and equal records."""

import hashlib

import torch
from torch import Tensor

from ..base import checks as check


def nearest(queries: Tensor, records: Tensor, k: int = 2, *, memory: float = 2**28) -> tuple[Tensor, Tensor]:
    """Distances from queries [q, *event] to their k nearest records [n, *event], nearest first, and which these are: [q, k] each.

    Products |b|^2 - 2 a b choose candidates in the records' precision; their distances are taken anew from differences, as
    products lose small ones.  ``memory``: bytes for temporaries, about; four of the result's rows beside.
    """
    check.tensor("records", records[:1])
    records, queries = records.flatten(1), queries.flatten(1)
    if queries.shape[1] != records.shape[1] or queries.dtype != records.dtype or queries.device != records.device:
        check.fail("queries", f"{tuple(queries.shape)}, {queries.dtype}, {queries.device}", "records like those")
    k = check.integer("k", k)
    if k > len(records):
        check.fail("k", k, f"at most the number of records, {len(records)}")
    spare, room = min(k + 4, len(records)), memory / 32  # numbers: of the largest temporary there are up to four, some in float64
    rows = max(1, min(len(queries), int(room / records.shape[1]), 4096))
    columns = max(spare, int(room / max(rows, records.shape[1])))
    centre, found = records[:4096].mean(0), []
    for some in queries.split(rows):
        which = _candidates(some - centre, records, centre, spare, columns)
        distance = torch.stack([_length(some - records[one]) for one in which.unbind(1)], 1)
        distance, order = distance.topk(k, largest=False)
        found.append((distance, which.gather(1, order)))
    return torch.cat([one for one, _ in found]), torch.cat([one for _, one in found])


def _candidates(moved, records, centre, spare, columns):
    """Which records are nearest to the centred rows as far as products tell, [b, spare]."""
    value, which = moved.new_empty(len(moved), 0), torch.empty(len(moved), 0, dtype=torch.long, device=moved.device)
    for begin in range(0, len(records), columns):
        part = records[begin:begin + columns] - centre
        scores = torch.addmm(part.square().sum(1)[None], moved, part.mT, alpha=-2)
        near = scores.topk(min(spare, len(part)), largest=False)
        value, which = torch.cat([value, near.values], 1), torch.cat([which, near.indices + begin], 1)
        value, order = value.topk(min(spare, value.shape[1]), largest=False)
        which = which.gather(1, order)
    return which


def _length(difference):
    wide = difference.dtype if difference.device.type == "mps" else torch.float64  # which MPS has not
    return difference.to(wide).square().sum(1).sqrt()


def first_of_each(*sets: Tensor) -> Tensor:
    """For each record of the sets [n, *event] the number of the first one that is equal to it: [n + ...], on the CPU.

    Records are numbered through all sets, and known by their bytes; zero has one sign.
    """
    seen: dict[bytes, int] = {}
    rows = (row + 0.0 for one in sets for part in one.detach().flatten(1).split(1024) for row in part.cpu().numpy())
    names = (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows)
    return torch.tensor([seen.setdefault(name, k) for k, name in enumerate(names)], device="cpu")
