r"""A bound on early-stopped gradient flow that reaches training times of order n (chapter "A bound that can be evaluated").

With the notation of :mod:`diffnotes.theory.certificates`, any rival :math:`\Theta'`, its excess loss
:math:`\varepsilon' = \tilde L(\Theta') - L^*`, :math:`\zeta = (\hat C - C) - \Theta'(\hat B - B)`, and the least :math:`c` with
:math:`B + \frac1\tau \preceq c\,(\hat B + \frac1\tau)`,

.. math::
    (B')\quad \sqrt{\tilde L(\hat\Theta(\tau)) - L^*} \le (1 + 2c)\sqrt{\varepsilon'}
    + 2c\,\|\zeta (B + \tfrac1\tau)^{-1/2}\|_F + \sqrt{c/\tau}\,\|\Theta' - \Theta_0\|_F .

For :math:`c \le 2` the factors are 5, 4 and :math:`\sqrt{2/\tau}`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import checks as check
from .flow import GradientFlow, Statistics


@dataclass(frozen=True)
class ResolventBound:
    """(B') at the training times ``tau``, term by term; all have the shape of tau."""

    inflation: Tensor  # the least c with B + 1/tau <= c (B^ + 1/tau) as matrices
    misfit: Tensor  # (1 + 2 c) sqrt(eps'), what the rival misses
    noise: Tensor  # 2 c ||zeta (B + 1/tau)^(-1/2)||_F, what the data add
    price: Tensor  # sqrt(c / tau) ||Theta' - Theta_0||_F, what is not yet learned
    bound: Tensor  # L* + (misfit + noise + price)^2, at least L~(Theta^(tau))


def resolvent_bound(flow: GradientFlow, data: Statistics, tau, rival: Tensor | None = None) -> ResolventBound:
    """(B') for training on ``data`` from the start of ``flow``, the population's, at the times tau >= 0 of any shape.

    ``rival`` is a Theta' [d, m]; without it, at every time the best of 58: the start, and minimisers of
    L~(Theta) + k ||Theta - Theta_0||^2 for k from 100 to 1e-12 times the largest eigenvalue of B.
    """
    start, statistics = check.instance("flow", flow, GradientFlow).theta0, flow.statistics
    check.instance("data", data, Statistics, "the Statistics of a data set")
    check.tensor("data.C", data.C, tuple(start.shape), like=start)
    tau = check.training_times("tau", tau, like=start)
    rivals = _ridge_path(flow) if rival is None else check.tensor("rival", rival, tuple(start.shape), like=start)[None]
    excess = (rivals - flow.minimiser()) @ flow.basis
    missed = (flow.eigenvalues * excess.square()).sum((-1, -2))  # eps', [rivals]
    zeta = ((data.C - statistics.C) - rivals @ (data.B - statistics.B)) @ flow.basis
    spread = tau[..., None] / (1 + tau[..., None] * flow.eigenvalues)  # the eigenvalues of (B + 1/tau)^(-1)
    heard = spread @ zeta.square().sum(1).mT  # ||zeta (B + 1/tau)^(-1/2)||^2, [*tau, rivals]
    moved, c = (rivals - start).square().sum((-1, -2)), inflation(statistics, data, tau)[..., None]
    waiting = torch.where(moved == 0, 0.0, c * moved / tau[..., None])
    terms = torch.stack([((1 + 2 * c) * missed.sqrt()).expand(heard.shape), 2 * c * heard.sqrt(), waiting.sqrt()])
    best = terms.sum(0).argmin(-1, keepdim=True)
    misfit, noise, price = terms.gather(-1, best.expand(3, *best.shape))[..., 0]
    return ResolventBound(c[..., 0], misfit, noise, price, flow.minimum() + (misfit + noise + price) ** 2)


def inflation(population: Statistics, data: Statistics, tau) -> Tensor:
    """The least c with B + 1/tau <= c (B^ + 1/tau) as matrices, for tau >= 0, shape of tau; 1 at tau = 0."""
    check.instance("population", population, Statistics)
    check.instance("data", data, Statistics, "the Statistics of a data set")
    check.tensor("data.B", data.B, tuple(population.B.shape), like=population.B)
    tau = check.training_times("tau", tau, like=population.B)
    flow = GradientFlow(data)
    B, one = flow.basis.mT @ population.B @ flow.basis, torch.eye(len(data.B), dtype=data.B.dtype, device=data.B.device)

    def largest(t):
        root = (1 + t * flow.eigenvalues).rsqrt()
        return torch.linalg.eigvalsh(root[:, None] * (one + t * B) * root)[-1]

    found = [largest(t) for t in tau.flatten()]
    return torch.stack(found).reshape(tau.shape) if found else torch.empty_like(tau)


def resolvent_samples(K: float, tau, m: int, delta: float) -> Tensor:
    """(8 K tau + 4/3) log(m / delta): with so many samples c <= 2 at tau with probability 1 - delta, shape of tau.

    K bounds the trace of every single sample's B: that of ``sample_bound``, for data in a box.  Source: matrix Bernstein.
    """
    K, m = check.number("K", K, 0.0), check.integer("m", m)
    delta = check.number("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
    return (8 * K * check.training_times("tau", tau) + 4 / 3) * math.log(m / delta)


def _ridge_path(flow: GradientFlow) -> Tensor:
    """The start and 57 ridge minimisers of the population's loss, [58, d, m]."""
    b, offset = flow.eigenvalues, (flow.minimiser() - flow.theta0) @ flow.basis
    penalty = b[-1].clamp(min=1e-30) * 10.0 ** torch.linspace(2, -12, 57, dtype=b.dtype, device=b.device)
    share = torch.cat([torch.zeros_like(b)[None], b / (b + penalty[:, None])])
    return flow.theta0 + (share[:, None] * offset) @ flow.basis.mT
