"""Nearest neighbours in blocks, so that memory does not grow with the number of records, and equal records."""

import hashlib

import torch
from torch import Tensor

from ..base import checks as check


def nearest(queries: Tensor, records: Tensor, k: int = 2, *, memory: float = 2**28) -> tuple[Tensor, Tensor]:
    """Distances from queries [q, *event] to their k nearest records [n, *event], nearest first, and which these are: [q, k] each.

    Products |b|^2 - 2 a b choose candidates in the records' precision; their distances are taken anew from differences, as
    products lose small ones.  ``memory``: bytes of the largest temporary, about.
    """
    check.tensor("records", records[:1])
    records, queries = records.flatten(1), queries.flatten(1)
    if queries.shape[1] != records.shape[1] or queries.dtype != records.dtype or queries.device != records.device:
        check.fail("queries", f"{tuple(queries.shape)}, {queries.dtype}, {queries.device}", "records like those")
    k = check.integer("k", k)
    if k > len(records):
        check.fail("k", k, f"at most the number of records, {len(records)}")
    spare, room = min(k + 4, len(records)), memory / records.element_size()
    rows = max(1, min(len(queries), int(room / (spare * records.shape[1])), 4096))
    columns = max(spare, int(room / max(rows, records.shape[1])))
    centre, found = records[:4096].mean(0), []
    for some in queries.split(rows):
        value, which = some.new_empty(len(some), 0), torch.empty(len(some), 0, dtype=torch.long, device=some.device)
        for begin in range(0, len(records), columns):
            part = records[begin:begin + columns] - centre
            scores = torch.addmm(part.square().sum(1)[None], some - centre, part.mT, alpha=-2)
            near = scores.topk(min(spare, len(part)), largest=False)
            value, which = torch.cat([value, near.values], 1), torch.cat([which, near.indices + begin], 1)
            value, order = value.topk(min(spare, value.shape[1]), largest=False)
            which = which.gather(1, order)
        distance, order = (some[:, None] - records[which]).double().square().sum(-1).sqrt().topk(k, largest=False)
        found.append((distance, which.gather(1, order)))
    return torch.cat([one for one, _ in found]), torch.cat([one for _, one in found])


def first_of_each(records: Tensor) -> Tensor:
    """For each record [n, *event] the index of the first one that is equal to it, byte for byte: [n], on the CPU."""
    seen: dict[bytes, int] = {}
    rows = records.detach().flatten(1).cpu().contiguous().numpy()
    names = (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows)
    return torch.tensor([seen.setdefault(name, k) for k, name in enumerate(names)])
