r"""Generating samples with a score: the reverse-time SDE (3) and the probability-flow ODE (4).

With the true score both have the marginals p_t of the forward process:

.. math:: dx = [f x - g^2 s(x,t)]\,dt + g\,d\bar W \qquad\text{and}\qquad dx = [f x - \tfrac12 g^2 s(x,t)]\,dt,

run from t = T down.  A score here is any ``ScoreFn`` (x [*b, d], t number) -> [*b, d]; x may carry batch dimensions, such as one
for each of several parameters.  No graph is kept unless ``gradients`` asks for it; a score may differentiate inside.
"""

from itertools import pairwise

import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng
from ..processes import LinearSDE
from .scores import Score


def reverse_sde(score, sde: LinearSDE, x: Tensor, t: Tensor, generator, *, gradients: bool = False,
                paths: bool = False) -> Tensor:
    """Euler-Maruyama for the reverse-time SDE from x [*b, d] at t[0] through the decreasing times t [K+1]: x at t[-1], [*b, d].

    With ``paths`` x at all times, [K+1, *b, d].  The law of the result has an error of first order in the steps.
    """
    x, t = monotone(x, t, sde, direction=-1)
    check.generator("generator", generator)
    field, kept = Score(score, gradients=gradients), [x]
    for now, after in pairwise(t):
        step, diffusion = now - after, sde.diffusion(now)
        noise = rng.normal(generator, tuple(x.shape), dtype=x.dtype, device=x.device)
        x = x + step * (diffusion**2 * field(x, now) - sde.drift_rate(now) * x) + step.sqrt() * diffusion * noise
        if paths:
            kept.append(x)
    return torch.stack(kept) if paths else x


def probability_flow(score, sde: LinearSDE, x: Tensor, t: Tensor, *, gradients: bool = False) -> Tensor:
    """Heun's method for the probability-flow ODE (4) from x [*b, d] at t[0] through the monotone times t [K+1]: x at t[-1].

    Times may run either way: downwards it generates, upwards it encodes.  The error is of second order in the steps.
    """
    x, t = monotone(x, t, sde)
    field = Score(score, gradients=gradients)

    def velocity(x, t):
        return sde.drift_rate(t) * x - sde.diffusion(t) ** 2 / 2 * field(x, t)

    for now, after in pairwise(t):
        first = velocity(x, now)
        second = velocity(x + (after - now) * first, after)
        x = x + (after - now) * (first + second) / 2
    return x


def denoise(score, sde: LinearSDE, x: Tensor, t, *, gradients: bool = False) -> Tensor:
    """Tweedie's formula, E[x(0) | x(t) = x] = (x + std(t)^2 s(x, t)) / r(t), for x [*b, d], t [*b] or a number: [*b, d].

    The last step of many samplers.  Times at which r(t) is below the rounding of x are refused: x holds no digit of x(0) there.
    """
    check.instance("sde", sde, LinearSDE)
    x = check.tensor("x", x, (..., "d"))
    t = sde.times_of(x, t)
    scale, rounding = sde.scale(t)[..., None], torch.finfo(x.dtype).eps
    check.holds("t", scale >= rounding, f"SDE times with scale(t) of at least {rounding:.0e} (in {x.dtype})", t[..., None])
    return (x + sde.std(t)[..., None] ** 2 * Score(score, gradients=gradients)(x, t)) / scale


def monotone(x, t, sde: LinearSDE, direction: int = 0) -> tuple[Tensor, Tensor]:
    """The checked start x [*b, d] and times t [K+1]; direction -1 for decreasing times, 1 for increasing ones, 0 for either."""
    check.instance("sde", sde, LinearSDE)
    x = check.tensor("x", x, (..., "d"))
    t = check.tensor("t", check.times("t", t, 0.0, sde.T, like=x), ("K+1",))
    if len(t) < 2:
        check.fail("t", f"{len(t)} time", "at least 2")
    steps = t.diff()
    if direction >= 0 and (direction or t.device.type == "meta" or bool(steps.sum() > 0)):
        check.holds("t", steps > 0, "increasing times", t[1:])
    else:
        check.holds("t", steps < 0, "decreasing times", t[1:])
    return x, t
