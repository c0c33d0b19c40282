"""What a model generates, and how near that lies to its training records: shares of copies against a held-out baseline."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import Interval, rng
from .evidence import share_interval, swapped_means
from .nearest import nearest

COPY = 1 / 3  # of the distance to the second nearest training record: a nearer one is copied (Yoon et al. 2023)


@dataclass(frozen=True)
class Copies:
    """Samples and held-out records beside the training set.

    Attributes:
        samples, held_out: shares of copies: those whose nearest training record is less than a third as far as the second one.
        nearer: the share of samples for which the nearest of the pairs' records is a training record, one half for a model that
            does not know which these are.
        p_value: of that share, by swapping pairs.
        ratio: distance to the nearest over that to the second nearest training record, of samples and of held-out records.
    """

    samples: Interval
    held_out: Interval
    nearer: float
    p_value: float
    ratio: tuple[Tensor, Tensor]


def generate(denoise, shape: tuple, levels: Tensor, generator, *, labels: Tensor | None = None, batch: int = 256, place=None,
             dtype=torch.float32) -> Tensor:
    """Samples [N, *event] by Heun's method for the probability flow dy/d sigma = (y - D) / sigma down the levels [K].

    It begins with N(0, sigma^2 I) at levels[0] and ends with the denoised image at levels[-1].
    """
    noise = rng.normal(generator, shape, dtype=dtype, device=place)
    made = []
    for k, y in enumerate((levels[0].item() * noise).split(batch)):
        told = {} if labels is None else {"label": labels[k * batch:k * batch + len(y)].to(y.device)}
        for now, after in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
            first = (y - denoise(y, now, **told)) / now
            ahead = y + (after - now) * first
            y = y + (after - now) / 2 * (first + (ahead - denoise(ahead, after, **told)) / after)
        made.append(denoise(y, levels[-1].item(), **told))
    return torch.cat(made)


def copies(samples: Tensor, train: Tensor, held_out: Tensor, both: Tensor, generator, *, swaps: int = 1999,
           confidence: float = 0.95) -> Copies:
    """Samples [N, *event] beside training records [n, *event], held-out ones, and pairs, training and held-out by turns."""
    ratio = []
    for some in (samples, held_out):
        distance = nearest(some, train)[0].cpu()
        ratio.append(distance[:, 0] / distance[:, 1].clamp(min=torch.finfo(distance.dtype).tiny))
    shares = [share_interval(int((one < COPY).sum()), len(one), confidence) for one in ratio]
    near = nearest(samples, both, 1)[1][:, 0].cpu()
    votes = torch.bincount(near // 2, weights=1 - 2 * (near % 2).double(), minlength=len(both) // 2)  # training less held-out
    at_least = int((swapped_means(votes[:, None], generator, swaps) >= votes.mean() - 0.5 / len(votes)).sum())
    nearer = 0.5 + votes.sum().item() / (2 * len(near))
    return Copies(shares[0], shares[1], nearer, (1 + at_least) / (1 + swaps), (ratio[0], ratio[1]))
