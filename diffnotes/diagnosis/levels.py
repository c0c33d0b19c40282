r"""Which noise levels are worth looking at, and at which of them a model can memorise at all.

The noise hides which record a noisy one came from.  With n records the entropy H of the answer, as the empirical denoiser has it,
runs from 0 (little noise: it is known) to log n (much noise: nothing is).  Where H is near log n the empirical denoiser averages
over so many records that it is the population's, and memory shows in nothing; the data *collapse* on single records on the way
down (Biroli et al. 2024; Achilli et al. 2025).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import rng
from .smooth import Empirical


@dataclass(frozen=True)
class Collapse:
    """Share H / log n of the entropy that is left, [S], at noise levels sigma [S]."""

    sigma: Tensor
    share: Tensor

    def at(self, share: float) -> float:
        """The last noise level up to which less than this share of the entropy is left; the lowest one where there is none."""
        inside = self.share < share
        return self.sigma[inside][-1].item() if inside.any() else self.sigma[0].item()


def collapse(records: Tensor, low: float, high: float, generator, *, queries: int = 128, count: int = 61, together: int = 1,
             place=None) -> Collapse:
    """The entropy of which of the records [n, d] was noised, averaged over ``queries`` of them, at levels from low to high.

    Neighbours, ``together`` at a time, are drawn and noised alike: their order does not count.
    Temporaries of queries x n and 1024 x d, and twice queries x n x d products for all levels together, in float64 on ``place``.
    """
    first = together * rng.permutation(generator, len(records) // together, device=records.device)[:queries // together]
    x = torch.stack([records[first + k] for k in range(together)], 1).to(place, torch.float64)
    z = rng.normal(generator, tuple(x[:, 0].shape), device=x.device).repeat_interleave(together, 0)
    x = x.flatten(0, 1)
    far, shifts = [], []
    for part in records.split(1024):
        some = Empirical(part.to(place, torch.float64))
        far.append(some.distances(x))
        shifts.append(some.shifts(x, z))
    distances, shift = torch.cat(far, 1), torch.cat(shifts, 1)
    sigma = torch.logspace(math.log10(low), math.log10(high), count, dtype=torch.float64, device="cpu")
    entropy = [torch.special.entr((-(distances / s**2 + shift / s)).softmax(1)).sum(1).mean() for s in sigma.tolist()]
    return Collapse(sigma, torch.stack(entropy).cpu() / math.log(len(records)))


def informative(found: Collapse, count: int) -> Tensor:
    """``count`` levels, even in log sigma, from where the noise hides 1% of the entropy to where it leaves 2% of it: [count].

    The lower end is a third of the first of these: a noisy record is known there, but not yet what it was.
    """
    first, last = found.sigma[0].item(), found.sigma[-1].item()
    low = max(found.at(0.01) / 3, first)
    high = min(max(found.at(0.98), 1.5 * low), last)
    return torch.logspace(math.log10(low), math.log10(high), count, dtype=torch.float64, device="cpu").clamp(first, last)


def log_weights(levels: Tensor) -> Tensor:
    """Trapezoid weights in log sigma, [L]; one for a single level.

    They turn |x0 - D|^2 / sigma^2 by level into nats of the likelihood's bound, in which -log p is at most a constant and the
    integral of E |x0 - D(y, sigma)|^2 / sigma^2 over log sigma (Kingma et al. 2021).
    """
    if len(levels) == 1:
        return torch.ones_like(levels)
    step = levels.log().diff()
    zero = torch.zeros_like(step[:1])
    return (torch.cat([step, zero]) + torch.cat([zero, step])) / 2
