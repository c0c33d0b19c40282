r"""Generating samples with a score: the reverse-time SDE (3) and the probability-flow ODE (4).

With the true score both have the marginals p_t of the forward process:

.. math:: dx = [f x - g^2 s(x,t)]\,dt + g\,d\bar W \qquad\text{and}\qquad dx = [f x - \tfrac12 g^2 s(x,t)]\,dt,

run from t = T down.  A score here is any ``ScoreFn`` (x [*b, d], t number) -> [*b, d]; x may carry batch dimensions, such as one
for each of several parameters.
"""

from itertools import pairwise

import torch
from torch import Tensor

from . import _checks as check
from . import rng
from .sde import LinearSDE


def reverse_sde(score, sde: LinearSDE, x: Tensor, t: Tensor, generator, *, corrector: int = 0, snr: float = 0.16) -> Tensor:
    """Euler-Maruyama for the reverse-time SDE from x [*b, d] at t[0] through the decreasing times t [K+1]: x at t[-1], [*b, d].

    ``corrector`` Langevin steps after each predictor step give the predictor-corrector sampler of Song et al. (2021),
    x <- x + e s + sqrt(2 e) z with e = 2 (snr std(t))^2.  The law of the result has an error of first order in the steps.
    """
    x, t = _start(x, t, sde, direction=-1)
    check.generator("generator", generator)
    corrector, snr = check.integer("corrector", corrector, 0), check.number("snr", snr, 0.0, open_low=True)

    def noise():
        return rng.normal(generator, tuple(x.shape), dtype=x.dtype, device=x.device)

    to_zero = t.device.type != "meta" and bool(t[-1] == 0)  # read once: a value read in the loop would wait for a GPU
    for k, (now, after) in enumerate(pairwise(t)):
        step, diffusion = now - after, sde.diffusion(now)
        x = x + step * (diffusion**2 * _score(score, x, now) - sde.drift_rate(now) * x) + step.sqrt() * diffusion * noise()
        for _ in range(0 if to_zero and k == len(t) - 2 else corrector):
            size = 2 * (snr * sde.std(after)) ** 2
            x = x + size * _score(score, x, after) + torch.sqrt(2 * size) * noise()
    return x


def probability_flow(score, sde: LinearSDE, x: Tensor, t: Tensor) -> Tensor:
    """Heun's method for the probability-flow ODE (4) from x [*b, d] at t[0] through the monotone times t [K+1]: x at t[-1].

    Times may run either way: downwards it generates, upwards it encodes.  The error is of second order in the steps.
    """
    x, t = _start(x, t, sde)
    for now, after in pairwise(t):
        first = _velocity(score, sde, x, now)
        second = _velocity(score, sde, x + (after - now) * first, after)
        x = x + (after - now) * (first + second) / 2
    return x


def denoise(score, sde: LinearSDE, x: Tensor, t) -> Tensor:
    """Tweedie's formula, E[x(0) | x(t) = x] = (x + std(t)^2 s(x, t)) / r(t), for x [*b, d], t [*b] or a number: [*b, d].

    The last step of many samplers.
    """
    check.instance("sde", sde, LinearSDE)
    x = check.tensor("x", x, (..., "d"))
    t = sde._times_of(x, t)
    return (x + sde.std(t)[..., None] ** 2 * _score(score, x, t)) / sde.scale(t)[..., None]


def probability_flow_log_prob(score, sde: LinearSDE, x: Tensor, t: Tensor, prior_log_prob, *, probes: int = 0,
                              generator=None) -> Tensor:
    r"""log q(x) of the probability flow's output at t[0], for x [*b, d] and increasing times t [K+1] up to the prior's: [*b].

    Instantaneous change of variables: log q(x(t_0)) = log prior(x(T)) + int div(f x - (1/2) g^2 s) dt along the flow.
    Heun's method for x and for the integral.

    Args:
        probes: 0 for the exact divergence, by d Jacobian-vector products; otherwise the number of Skilling-Hutchinson
            probes v, random signs drawn once for each x: v^T J v has the divergence as its mean, since E v v^T = I.
        generator: draws the probes; needed if there are any.
    """
    x, t = _start(x, t, sde, direction=1)
    if check.integer("probes", probes, 0):
        signs = rng.uniform(generator, (probes, *x.shape), dtype=x.dtype, device=x.device)
        directions = torch.where(signs < 0.5, -torch.ones_like(signs), torch.ones_like(signs))
    else:
        directions = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device).reshape(-1, *[1] * (x.ndim - 1), x.shape[-1])
        directions = directions.expand(-1, *x.shape)

    def field(x, now):
        x = x.detach().contiguous()  # an expanded tensor has no memory for tangents
        divergence = torch.zeros_like(x[..., 0])
        for v in directions:
            value, slope = torch.func.jvp(lambda y: _velocity(score, sde, y, now), (x,), (v.contiguous(),))
            divergence = divergence + (v * slope).sum(-1)
        return value, divergence / max(probes, 1)

    total = torch.zeros_like(x[..., 0])
    for now, after in pairwise(t):
        step = after - now
        first, divergence_first = field(x, now)
        second, divergence_second = field(x + step * first, after)
        x = x + step * (first + second) / 2
        total = total + step * (divergence_first + divergence_second) / 2
    prior = check.function("prior_log_prob", prior_log_prob)(x)
    return check.tensor("prior_log_prob(x)", prior, tuple(total.shape), like=total) + total


def _score(score, x: Tensor, t) -> Tensor:
    return check.tensor("score(x, t)", check.function("score", score)(x, t), tuple(x.shape), like=x)


def _velocity(score, sde: LinearSDE, x: Tensor, t) -> Tensor:
    return sde.drift_rate(t) * x - sde.diffusion(t) ** 2 / 2 * _score(score, x, t)


def _start(x, t, sde: LinearSDE, direction: int = 0) -> tuple[Tensor, Tensor]:
    """The checked start and times; direction is -1 for decreasing times, 1 for increasing ones, 0 for either."""
    check.instance("sde", sde, LinearSDE)
    x = check.tensor("x", x, (..., "d"))
    t = check.times("t", check.tensor("t", t, ("K+1",), like=x), 0.0, sde.T)
    steps = t.diff()
    if direction >= 0 and (direction or t.device.type == "meta" or bool(steps.sum() > 0)):
        check.holds("t", steps > 0, "increasing times", t[1:])
    else:
        check.holds("t", steps < 0, "decreasing times", t[1:])
    return x, t
