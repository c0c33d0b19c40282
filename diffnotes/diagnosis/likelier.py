"""The likelihood of training and held-out records under what the probability flow generates."""

import math
from copy import deepcopy

import torch
from torch import Tensor

from ..base import Interval, mean_interval
from ..generation import probability_flow_log_prob
from ..processes import Karras
from .denoisers import Denoiser


def likelihood_gap(model: Denoiser, pool: Tensor, pairs: int, generator, *, labels: Tensor | None = None, steps: int = 24,
                   probes: int = 1, confidence: float = 0.95) -> Interval:
    """By how many bits per dimension training records are likelier than held-out ones, for the first pairs of a pool [N, *event].

    Both see the same probes.  The classical Runge-Kutta rule in ``steps`` steps from the lowest to the highest noise level.
    """
    x, d, event = pool[:2 * pairs].flatten(1), pool[0].numel(), pool.shape[1:]
    mean, variance = x.mean(0), x.var(0).mean().item() + model.high**2

    def score(side):
        told = {} if labels is None else {"label": labels[:2 * pairs][side::2].to(x.device)}

        def of_side(y, t):
            sigma = float(t)
            return ((model(y.reshape(-1, *event), sigma, gradients=True, **told).flatten(1) - y) / sigma**2).view(y.shape)
        return of_side

    def prior(y):
        return -(y - mean).square().sum(-1) / (2 * variance) - d / 2 * math.log(2 * math.pi * variance)

    t = torch.logspace(math.log10(model.low), math.log10(model.high), steps + 1, dtype=torch.float64, device="cpu")
    t = t.clamp(model.low, model.high).to(x)
    first, second = (probability_flow_log_prob(score(side), Karras(model.high), x[side::2], t, prior, probes=probes,
                                               generator=deepcopy(generator)) for side in (0, 1))
    return mean_interval((first - second).double().cpu() / (d * math.log(2)), confidence)
