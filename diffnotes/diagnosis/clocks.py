"""Training on two clocks: when the held-out loss is least, and when the training records can be told and are memorised."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base import Interval, mean_interval
from .evidence import ratio_intervals, swap_tests


@dataclass(frozen=True)
class Clocks:
    """Checkpoints in the order of their training times tau [T].

    Attributes:
        loss: denoising losses of training and held-out records, in nats, [2, T].
        above: held-out loss less that of the best checkpoint, on the same records and noise.
        share: how much less the loss is on a training record, as a share of the held-out loss.
        told: whether training records can be told from others, the level holding for each checkpoint.
        memorised: whether at some level the loss on training records is less than half of that on others, beyond chance.
        stop: the checkpoint with the least held-out loss, and the first and last that cannot be told from it.
    """

    tau: list[float]
    loss: Tensor
    above: list[Interval]
    share: list[Interval]
    told: list[bool]
    memorised: list[bool]
    stop: tuple[float, float, float]

    @property
    def remembering(self) -> float | None:
        """The first checkpoint from which on training records can be told in all."""
        return self._since(self.told)

    @property
    def memorising(self) -> float | None:
        """The first checkpoint from which on all memorise."""
        return self._since(self.memorised)

    def _since(self, flags):
        last = next((k for k in range(len(flags), 0, -1) if not flags[k - 1]), 0)
        return self.tau[last] if last < len(flags) else None


def clocks(tau: list[float], loss: Tensor, differences: Tensor, by_level: list[list[Interval]], weights: Tensor, seed: int,
           confidence: float) -> Clocks:
    """From losses [n, 2, L, T], adjusted differences, held-out less train, [n, L, T], their shares by level, and weights [L]."""
    total, gap = torch.einsum("nslt,l->nst", loss, weights), torch.einsum("nlt,l->nt", differences, weights)
    held_out = total[:, 1]
    best, wide = int(held_out.mean(0).argmin()), 1 - (1 - confidence) / max(1, len(tau) - 1)  # all others together
    above = [mean_interval(held_out[:, k] - held_out[:, best], wide) for k in range(len(tau))]
    like = [tau[k] for k in range(len(tau)) if above[k].low <= 0]
    share = ratio_intervals(gap, held_out, confidence)
    told = [swap_tests(differences[..., k], weights, np.random.default_rng([seed, 5]))[0] <= 0.05 for k in range(len(tau))]
    memorised = [any(one.low > 0.5 for one in each) for each in by_level]
    return Clocks(tau, total.mean(0), above, share, told, memorised, (tau[best], min(like), max(like)))
