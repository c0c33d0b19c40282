"""Whole paths of a linear SDE, without an error of discretisation: each step is a perturbation kernel of its own."""

import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng
from .sde import LinearSDE


def forward_paths(sde: LinearSDE, x: Tensor, t: Tensor, generator) -> Tensor:
    """The forward SDE (2) from x [*b, d] at t[0] through the increasing times t [K+1]: paths [K+1, *b, d], x first.

    From t to t' the factor of the mean is q = r(t') / r(t), and the variance std(t')^2 - q^2 std(t)^2, as (8) says twice over:
    at the given times the law of the paths is exact, whatever the steps.
    """
    check.instance("sde", sde, LinearSDE)
    x = check.tensor("x", x, (..., "d"))
    t = sde.resolved(check.tensor("t", check.times("t", t, 0.0, sde.T, like=x), ("K+1",)))
    check.generator("generator", generator)
    check.holds("t", t.diff() > 0, "increasing times", t[1:])
    factor = sde.scale(t[1:]) / sde.scale(t[:-1])
    added = (sde.std(t[1:]) ** 2 - (factor * sde.std(t[:-1])) ** 2).clamp(min=0).sqrt()
    paths = [x]
    for keep, kick in zip(factor, added, strict=True):
        paths.append(keep * paths[-1] + kick * rng.normal(generator, tuple(x.shape), dtype=x.dtype, device=x.device))
    return torch.stack(paths)
