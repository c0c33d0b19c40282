"""Do train and held-out differ without any model?  Then a gap says nothing of memory."""

import torch
from torch import Tensor

from ..base import checks as check
from .evidence import random_signs, swapped_means


def energy_test(train: Tensor, held_out: Tensor, generator, swaps: int = 999) -> float:
    """p-value of the energy distance (Szekely and Rizzo 2004) of pairs [n, d] and [n, d], by swapping the two of a pair.

    It sees what moves distances between records: means, scales, clusters.  Temporaries of 2n x 2n and swaps x n.
    """
    train = check.tensor("train", train, ("n", "d"))
    held_out = check.tensor("held_out", held_out, tuple(train.shape), like=train)
    both, n = torch.cat([train, held_out]).double(), len(train)
    far = torch.cdist(both, both)
    # swapping pair i but not j turns their distances within the sets into distances across, and the other way
    balance = far[:n, n:] + far[n:, :n] - far[:n, :n] - far[n:, n:]
    signs = torch.cat([torch.ones_like(far[:1, :n]), random_signs(generator, check.integer("swaps", swaps), far[:n])])
    energy = ((signs @ balance) * signs).sum(1)
    return (energy >= energy[0] - 1e-9 * far.sum()).sum().item() / len(energy)


def mean_test(differences: Tensor, generator, swaps: int = 1999) -> float:
    """Two-sided p-value, for the largest of several mean differences [n, k], by swaps: a control that should find nothing."""
    differences = check.tensor("differences", differences, ("n", "k")).double()  # what float32 rounds apart is still equal
    unit = differences / differences.square().mean(0).sqrt().clamp(min=torch.finfo(differences.dtype).tiny)
    swapped = swapped_means(unit, generator, swaps).abs().amax(1)
    return (1 + (swapped >= unit.mean(0).abs().max() * (1 - 1e-9)).sum().item()) / (1 + swaps)
