r"""The likelihood of what the probability flow generates (instantaneous change of variables).

With a^2 = r^2 + std^2, z = x / a, and the logarithm of the noise beside the signal as its clock, u = log(std / r), (4) is

.. math:: \frac{dz}{du} = -\frac{\mathrm{std}^2}{a} \Big(s(x, t) + \frac{x}{a^2}\Big), \qquad
          \log \frac{q(x(t_0))}{\pi(x(T))}
          = d \log\frac{a(T)}{a(t_0)} - \int \mathrm{std}^2 \Big(\mathrm{div}\, s + \frac{d}{a^2}\Big) du.

The integrand is bounded at both ends and zero for standard normal data.  In t it grows like d g^2 / (2 std^2) for the score of a
point, which every rule on a grid overestimates near t = 0.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng
from ..processes import LinearSDE
from .samplers import monotone
from .scores import Score, fresh


def probability_flow_log_prob(score, sde: LinearSDE, x: Tensor, t: Tensor, prior_log_prob, *, probes: int = 0,
                              generator=None, divergence=None) -> Tensor:
    r"""log q(x) of the probability flow's output at t[0], for x [*b, d] and increasing times t [K+1] up to the prior's: [*b].

    The classical Runge-Kutta rule of fourth order in log v, between times such as ``sde.geometric_times``; ``t[::2]`` in a second
    call is a control of the steps.

    Args:
        score: differentiated by reverse mode, or by forward mode where that gives nothing (a score under ``no_grad``).  Both are
            compared with a difference quotient; a score whose derivative is cut off (by ``detach``, NumPy, ``inference_mode``,
            or ``autograd.grad`` without ``create_graph``) is refused, and needs ``divergence``.
        probes: 0 for the exact divergence, by d products with the Jacobian; otherwise the number of Skilling-Hutchinson
            probes v, random signs drawn once for each x: v^T J v has the divergence as its mean, since E v v^T = I.
        generator: draws the probes; needed if there are any.
        divergence: (x [*b, d], t number) -> div s [*b], such as ``DiffusedMixture.divergence``, in place of differentiation.
    """
    x, t = monotone(x, t, sde, direction=1)
    d = x.shape[-1]
    check.function("prior_log_prob", prior_log_prob)
    probes = check.integer("probes", probes, 0)
    if divergence is None:
        field = _differentiated(Score(score, gradients=True), sde, x, t, _directions(x, probes, generator))
    elif probes:
        check.fail("divergence", "a function, and probes", "either of them")
    else:
        field = _given(Score(score), check.function("divergence", divergence))

    length, nodes, rate, size = _clock(sde, t)
    z, total = x / size[0, 0], torch.zeros_like(x[..., 0])

    def slope(z, k, node):
        x, a = size[k, node] * z, size[k, node]
        value, spread = field(x, nodes[k, node])
        return -rate[k, node] / a * (value + x / a**2), -rate[k, node] * (spread + d / a**2)

    for k, h in enumerate(length):
        first, first_div = slope(z, k, 0)
        second, second_div = slope(z + h / 2 * first, k, 1)
        third, third_div = slope(z + h / 2 * second, k, 1)
        fourth, fourth_div = slope(z + h * third, k, 2)
        z = z + h / 6 * (first + 2 * second + 2 * third + fourth)
        total = total + h / 6 * (first_div + 2 * second_div + 2 * third_div + fourth_div)
    prior = check.tensor("prior_log_prob(x)", prior_log_prob(size[-1, 2] * z), tuple(total.shape), like=total)
    return prior + total + d * (size[-1, 2].log() - size[0, 0].log())


def _clock(sde, t):
    """Lengths of the steps [K]; at their beginnings, middles and ends [K, 3] the times, std^2 (or what stands for it), and a.

    The clock is u = log v, v = std / scale; in a step from t = 0, where that is infinite, it is v, and std^2 du = std scale dv.
    """
    t64 = t.double().clamp(max=sde.T)  # a float32 T may lie above it
    level = sde.log_noise(t64)
    begin, end = level[:-1], level[1:]
    infinite = begin.isinf()
    length = torch.where(infinite, end.exp(), end - begin)
    middle = sde.time_at_log_noise(torch.where(infinite, end - math.log(2), (begin + end) / 2))
    nodes = torch.stack([t64[:-1], middle, t64[1:]], 1)
    scale, std = sde.scale(nodes), sde.std(nodes)
    rate = torch.where(infinite[:, None], std * scale, std**2)
    return [one.to(t.dtype) for one in (length, nodes, rate, torch.sqrt(scale**2 + std**2))]


def _directions(x, probes, generator):
    if probes:
        twice = 2 * rng.uniform(generator, (probes, *x.shape), dtype=x.dtype, device=x.device)
        return (2 * twice.floor() - 1) / probes**0.5
    every = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    return every.reshape(-1, *[1] * (x.ndim - 1), x.shape[-1]).expand(-1, *x.shape)


def _given(score, divergence):
    def field(x, t):
        return score(x, t), check.tensor("divergence(x, t)", divergence(x, t), tuple(x.shape[:-1]), like=x).detach()
    return field


def _differentiated(score, sde, x, t, directions):
    """The score and its divergence by the first mode of differentiation that agrees with difference quotients."""
    Score(score.score)(x, t[1])  # what else is wrong with it shows here
    reason, cause = "one whose derivative is cut off, or too coarse to check: differences of it do not agree with it", None
    for mode in (_reverse, _forward):
        try:
            if all(_agrees(mode, score, sde, x, now) for now in (t[1], t[len(t) // 2], t[-1])):
                return lambda x, now, mode=mode: mode(score, x, now, directions)
        except (RuntimeError, NotImplementedError) as error:  # torch's ways to say that it cannot be done
            reason, cause = f"one that torch cannot differentiate ({str(error).splitlines()[0]})", error
    try:
        check.fail("score", reason, "a function of torch operations on x in full precision, or any together with divergence=")
    except ValueError as error:
        raise error from cause


def _agrees(mode, score, sde, x, t) -> bool:
    """Whether v^T J v agrees with a difference quotient at half of the points at least, v random signs.

    Not at all of them, and with one of three steps: a score may have kinks, and turns quickly between far modes.  It is
    std^2 J + I, the derivative of the denoised x, whose size counts: a denoiser that is cut off leaves the -I of the score.
    Rounding, of x and of the score beside it, excuses no more than a tenth of that I.
    """
    v = torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], tuple(x.shape))).to(x)
    _, by_mode = mode(score, x, t, v[None])
    if x.device.type == "meta" or not x.numel():
        return True
    std, close = sde.std(t), torch.zeros_like(by_mode, dtype=torch.bool)
    unit = x.shape[-1] / std**2
    for share in (0.03, 0.003, 0.0003):
        h = share * std
        ahead, behind = (_reverse(score, x + side * h * v, t, ())[0] for side in (1, -1))
        quotient = (v * (ahead - behind)).sum(-1) / (2 * h)
        rounding = 10 * torch.finfo(x.dtype).eps / h * (ahead.abs().sum(-1) + quotient.abs() * x.abs().amax(-1))
        close |= (quotient - by_mode).abs() <= 0.05 * (quotient + unit).abs() + rounding.clamp(max=0.1 * unit)
        if close.double().mean() >= 0.5:
            return True
    return False


def _reverse(score, x, t, directions):
    """s(x, t) and the sum over directions v of v^T J v; zero where the result knows nothing of x."""
    with torch.inference_mode(False), torch.enable_grad():
        x, t = fresh(x, t)
        value = score(x.requires_grad_(), t)
        total = torch.zeros_like(x[..., 0])
        for v in directions if value.requires_grad else ():
            slope, = torch.autograd.grad(value, x, v, retain_graph=True, materialize_grads=True)
            total = total + (v * slope).sum(-1)
    return value.detach(), total.detach()


def _forward(score, x, t, directions):
    """The same by Jacobian-vector products."""
    x, total = x.detach().contiguous(), torch.zeros_like(x[..., 0])  # an expanded tensor has no memory for tangents
    for v in directions:
        value, slope = torch.func.jvp(lambda y: score(y, t), (x,), (v.contiguous(),))
        total = total + (v * slope).sum(-1)
    return value.detach(), total.detach()
