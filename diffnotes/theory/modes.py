r"""What two modes far apart ask of a network, of its training and of its data.

On each side of the middle the score of :math:`\tfrac12 N(-\mu, 1) + \tfrac12 N(\mu, 1)` is a line of slope -1 and of an
intercept of the size of mu.  How late it is learned, and what is lost with the mass between the modes:
``time_needed``, ``nearest_line``, ``last_off`` and ``weight_price``.
"""

import math

import torch
from torch import Tensor

from ..base import checks as check
from .flow import GradientFlow


def time_needed(flow: GradientFlow, share) -> Tensor:
    """The training time at which the loss is down to ``share`` of what it was at the start, shape of share in (0, 1].

    The loss never rises along the flow, so bisection finds it, for times from 1e-6 to 1e12, to a relative 1e-9.  It is infinity
    where the loss stays above.
    """
    like = check.instance("flow", flow, GradientFlow).eigenvalues
    share = check.tensor("share", share, like=like)
    check.holds("share", (share > 0) & (share <= 1), "shares in (0, 1]", share)
    goal = share * flow.loss(torch.zeros_like(share))
    low, high = (torch.full_like(share, end) for end in (-6.0, 12.0))
    reached = flow.loss(10**high) <= goal
    for _ in range(36):
        middle = (low + high) / 2
        below = flow.loss(10**middle) <= goal
        low, high = torch.where(below, low, middle), torch.where(below, middle, high)
    return torch.where(reached, 10**high, torch.full_like(share, math.inf))


def nearest_line(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """Slope and intercept of the line nearest to y [*b, N] at the points x [N], in mean square with weights [N]: [*b, 2]."""
    x = check.tensor("x", x, ("N",))
    y, weight = check.tensor("y", y, (..., len(x)), like=x), check.tensor("weight", weight, (len(x),), like=x)
    check.holds("weight", weight >= 0, "weights >= 0", weight)
    check.holds("weight", weight.sum() > 0, "weights that do not all vanish", weight.sum())
    weight = weight / weight.sum()
    mean_x, mean_y = weight @ x, y @ weight
    spread = weight @ (x - mean_x) ** 2
    check.holds("x", spread > 0, "at least two different points with a weight", mean_x)
    slope = ((y - mean_y[..., None]) * (x - mean_x)) @ weight / spread
    return torch.stack([slope, mean_y - slope * mean_x], -1)


def last_off(tau: Tensor, values: Tensor, goal: float, share: float) -> Tensor:
    """The last of the times tau [k] at which values [*b, k] miss their goal by more than ``share`` of it; the first if never."""
    tau = check.tensor("tau", tau, ("k",))
    values = check.tensor("values", values, (..., len(tau)), like=tau)
    goal, share = check.number("goal", goal), check.number("share", share, 0.0)
    if goal == 0:
        check.fail("goal", goal, "a number that is not zero")
    off = (values / goal - 1).abs() > share
    place = torch.arange(len(tau), device=tau.device)
    return tau.take(torch.where(off, place, torch.zeros_like(place)).amax(-1))


def weight_price(mu, *, points: int = 20_001) -> Tensor:
    r"""How many times more samples score matching needs than maximum likelihood for the weight of a mode: shape of mu > 0.

    The ratio of the asymptotic variances for q N(-mu, 1) + (1 - q) N(mu, 1) at q = 1/2, by the trapezoidal rule.  With
    :math:`\varrho = s^2 + 2 s'` it is :math:`E(\partial_q\varrho)^2\, E(\partial_q\log p)^2 / (2 E(\partial_q s)^2)^2`.
    Source: Koehler, Heckett and Risteski (2023).
    """
    mu = check.tensor("mu", mu)
    check.holds("mu", (mu > 0) & (mu <= 30), "distances above 0, up to 30", mu)
    m = mu[..., None].double()
    x = (m + 10) * torch.linspace(-1, 1, check.integer("points", points, 3), dtype=m.dtype, device=m.device)
    p = torch.exp(-((x - m) ** 2) / 2)  # means of even functions: one mode stands for both, and its constant cancels
    left = torch.sigmoid(-2 * m * x)  # the chance that x comes from the left mode; its derivative in q is 4 left (1 - left)
    side = 1 - 2 * left
    d_s = 8 * m * left * (1 - left)  # but for the sign
    d_rho = d_s * (2 * (m * side - x) - 4 * m * side)  # d_s' is -2 m side d_s

    def mean(values):
        return torch.trapezoid(p * values, x, dim=-1)

    slope = 2 * mean(d_s**2)  # of the size of exp(-mu^2/2), whose square may be below the smallest number
    return (mean(d_rho**2) / slope * (mean(4 * side**2) / slope)).to(mu)
