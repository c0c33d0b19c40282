r"""The right-hand sides of the paper's inequalities, with their constants.

The paper writes most bounds up to a constant.  These functions give the constants that the proofs deliver,
so that a chapter can check each one as an inequality, and the printed shape where the two differ.
"""

import math

import torch
from torch import Tensor

from ..base import checks as check
from .flow import GradientFlow


def gaussian_tail(delta: float) -> float:
    """sqrt(log(1/delta^2)): |z| exceeds it with probability at most delta for one standard normal z.  Lemma 1."""
    return math.sqrt(2 * math.log(1 / check.number("delta", delta, 0.0, 1.0, open_low=True)))


def gaussian_tail_union(delta: float, d: int) -> float:
    """sqrt(2 log(d/delta)): max |z_i| over d standard normals exceeds it with probability at most delta (union bound)."""
    delta = check.number("delta", delta, 0.0, 1.0, open_low=True)
    return math.sqrt(2 * math.log(check.integer("d", d) / delta))


def gaussian_escape(radius, d: int = 1) -> Tensor:
    """P(max |z_i| > radius) over d standard normals, which is 1 - (1 - 2 Phi(-radius))^d, for radius >= 0; shape of radius."""
    radius, d = check.tensor("radius", radius), check.integer("d", d)
    check.holds("radius", radius >= 0, "radii of at least 0", radius)
    return -torch.expm1(d * torch.log1p(-2 * torch.special.ndtr(-radius)))


def lyapunov(flow: GradientFlow, tau: Tensor, comparison: Tensor) -> Tensor:
    """E(tau) = tau (L~(Theta(tau)) - L~(comparison)) + ||Theta(tau) - comparison||_F^2 / 2, shape of tau [k].

    It never increases along the flow, for any comparison [d, m].  Source: proof of Lemma 4.
    """
    tau, comparison = _times(tau, flow), _parameter(comparison, flow)
    distance = torch.linalg.matrix_norm(flow.theta(tau) - comparison)
    return tau * (flow.loss(tau) - flow.statistics.loss(comparison)) + distance**2 / 2


def optimisation_bound(flow: GradientFlow, tau: Tensor, comparison: Tensor) -> Tensor:
    """L~(comparison) + ||Theta_0 - comparison||_F^2 / (2 tau), an upper bound of L~(Theta(tau)).  Lemma 4 with its constant."""
    tau, comparison = _positive(tau, flow), _parameter(comparison, flow)
    distance = torch.linalg.matrix_norm(flow.theta0 - comparison)
    return flow.statistics.loss(comparison) + distance**2 / (2 * tau)


def ridge_bound(flow: GradientFlow, tau: Tensor) -> Tensor:
    r"""min over Theta of L~(Theta) + ||Theta - Theta_0||_F^2 / (4 tau), an upper bound of L~(Theta(tau)), shape of tau.

    It equals L* + sum_k b_k ||(Theta* - Theta_0) q_k||^2 / (1 + 4 tau b_k), and is Lemma 4's bound at time 2 tau with the
    best comparison.  Proof: e^y >= 1 + y in each eigendirection.
    """
    excess = ridge_excess(flow, _positive(tau, flow))
    return flow.minimum() + excess


def ridge_excess(flow: GradientFlow, tau: Tensor | float) -> Tensor:
    r"""rho(tau) = min over Theta of L~(Theta) - L* + ||Theta - Theta_0||_F^2 / (4 tau), for tau >= 0, shape of tau.

    At least the excess loss L~(Theta(tau)) - L* of the flow; equal to it at tau = 0.
    """
    tau = _times(tau, flow)[..., None]
    b = flow.eigenvalues
    offset = ((flow.minimiser() - flow.theta0) @ flow.basis).square().sum(0)
    return (b * offset / (1 + 4 * tau * b)).sum(-1)


def power_law(x, y: Tensor) -> tuple[float, float]:
    """The exponent of y ~ x^a by least squares in logarithms, and twice its standard error over seeds.

    x [k] > 0, not all equal, y [seeds, k] > 0, at least 2 seeds; one line is fitted to each seed.
    """
    x, y = check.tensor("x", x, ("k",)), check.tensor("y", y, ("seeds", "k"))
    for name, value in (("x", x), ("y", y)):
        check.holds(name, check.with_values(name, value) > 0, "positive numbers", value)
    if len(y) < 2 or len(x) < 2 or y.shape[1] != len(x):
        check.fail("y", f"shape {tuple(y.shape)}", f"at least 2 seeds, at least 2 points, one for each of the {len(x)} x")
    check.holds("x", x.max() > x.min(), "at least two different numbers", x[0])
    u, v = x.log() - x.log().mean(), y.log()
    slopes = (v @ u.to(v)) / u.square().sum()
    return float(slopes.mean()), float(2 * slopes.std() / len(y) ** 0.5)


def norm_bound(flow: GradientFlow, tau: Tensor) -> Tensor:
    """||Theta_0||_F + sqrt(tau L~(Theta_0)), an upper bound of ||Theta(tau)||_F.  Lemma 5 with its constant, flow in Theta."""
    tau = _times(tau, flow)
    return torch.linalg.matrix_norm(flow.theta0) + torch.sqrt(tau * flow.statistics.loss(flow.theta0))


def norm_bound_printed(flow: GradientFlow, tau: Tensor) -> Tensor:
    """||Theta_0||_F + sqrt(tau L~(Theta_0) / m): the same with the factor 1/sqrt(m) that Lemma 5 prints.  Not a bound."""
    tau = _times(tau, flow)
    m = flow.theta0.shape[1]
    return torch.linalg.matrix_norm(flow.theta0) + torch.sqrt(tau * flow.statistics.loss(flow.theta0) / m)


def printed_bracket(tau, m, n) -> Tensor:
    """tau^4/(m n) + tau^3/m^2 + 1/tau + 1/m: what depends on tau, m and n in Theorem 1 as printed; all at least 1, broadcast.

    Left out are the constant that the print hides, the approximation errors and the prior's share.
    """
    tau, m, n = check.broadcast(1.0, tau=tau, m=m, n=n)
    return tau**4 / (m * n) + tau**3 / m**2 + 1 / tau + 1 / m


def _times(tau, flow: GradientFlow) -> Tensor:
    return check.training_times("tau", tau, like=check.instance("flow", flow, GradientFlow).theta0)


def _parameter(comparison, flow: GradientFlow) -> Tensor:
    return check.tensor("comparison", comparison, tuple(flow.theta0.shape), like=flow.theta0)


def _positive(tau, flow: GradientFlow) -> Tensor:
    tau = _times(tau, flow)
    check.holds("tau", tau > 0, "training times tau > 0", tau)
    return tau
