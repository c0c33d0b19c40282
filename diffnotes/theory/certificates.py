r"""A bound on the generalisation gap whose every term can be evaluated (chapter "A bound that can be evaluated").

With :math:`\hat B, \hat C` the statistics of a data set, :math:`\hat G(s) = \hat\Theta(s)(\hat B - B) - (\hat C - C)` and

.. math:: \rho(\tau) = \min_\Theta \{\tilde L(\Theta) - L^* + \|\Theta - \Theta_0\|_F^2/(4\tau)\},

the empirical flow from :math:`\Theta_0` has

.. math::
    (A)\quad & \tilde L(\hat\Theta(\tau)) \le L^* + \Big(\sqrt{\rho(\tau)} + \big(\int_0^\tau \|\hat G\|_F^2\big)^{1/2}\Big)^2 \\
    (B)\quad & \tilde L(\hat\Theta(\tau)) \le L^* + \Big(\tfrac74\sqrt{\rho(\tau)} + \sqrt{2\tau}\,\gamma_0\Big)^2 \\
    (C)\quad & D_{KL}(p_0\|p^{SDE}) \le \tfrac12 \kappa T\, \tilde L(\hat\Theta(\tau)) + D_{KL}(p_T\|\pi),

(B) if :math:`4\beta\tau \le 1`, with :math:`\beta = \|\hat B - B\|_{op}`, :math:`\gamma_0 = \|\hat G(0)\|_F`
and :math:`\kappa = \sup g^2/\lambda`.  (B') is in :mod:`diffnotes.theory.resolvent`.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check
from ..processes import LinearSDE, time_nodes, weight_at
from .bounds import ridge_excess
from .features import RandomFeatures, cosine_embedding
from .flow import GradientFlow, Statistics
from .resolvent import resolvent_bound


@dataclass(frozen=True)
class Certificate:
    """Every term of (A) to (C) at the training times ``tau``; all have the shape of tau but minimum, beta and gamma."""

    tau: Tensor
    minimum: Tensor  # L*, scalar
    rho: Tensor  # the population flow's excess loss is at most this
    drive: Tensor  # int_0^tau ||G^||_F^2
    beta: Tensor  # ||B^ - B||_op, scalar
    gamma: Tensor  # ||Theta_0 (B^ - B) - (C^ - C)||_F, scalar
    loss: Tensor  # L~(Theta^(tau)), the exact value
    gap: Tensor  # tr(D B D^T) with D = Theta^ - Theta, at most drive
    bound_a: Tensor
    bound_b: Tensor  # infinite where 4 beta tau > 1
    inflation: Tensor  # c of (B')
    bound_resolvent: Tensor  # (B') with the best rival of the ridge path, see resolvent_bound
    divergence: Tensor  # (C) with bound_a: at least KL(p_0 || output of the reverse SDE)


def certificate(flow: GradientFlow, data: Statistics, tau, *, kl_factor: float = 1.0, prior_kl: float = 0.0) -> Certificate:
    """The certificate of training on a data set, from the same start as ``flow``, at the times tau >= 0 of any shape.

    Args:
        flow: the population flow.
        data: ``statistics(features, grid.weighted(q))`` with the same features and grid, q the diffused empirical mixture.
        kl_factor: kappa (T - t_min) / 2 of (C); with the weight g^2 kappa is one.
        prior_kl: D_KL(p_T || prior) or a bound of it.

    The integral of ``drive`` is done by Gauss-Legendre rules on intervals that double; its relative error is below 1e-9.
    """
    check.instance("flow", flow, GradientFlow)
    check.instance("data", data, Statistics, "the Statistics of a data set")
    check.tensor("data.C", data.C, tuple(flow.theta0.shape), like=flow.theta0)
    kl_factor, prior_kl = check.number("kl_factor", kl_factor, 0.0), check.number("prior_kl", prior_kl, 0.0)
    tau = check.training_times("tau", tau, like=flow.theta0)
    trained = GradientFlow(data, flow.theta0)
    dB, dC = data.B - flow.statistics.B, data.C - flow.statistics.C

    def drive_rate(s):
        return (trained.theta(s) @ dB - dC).square().sum((-1, -2))

    theta, rho = trained.theta(tau), ridge_excess(flow, tau)
    apart = theta - flow.theta(tau)
    drive = _running_integral(drive_rate, tau, trained.eigenvalues[-1])
    beta, gamma = torch.linalg.eigvalsh(dB).abs().amax(), drive_rate(0.0).sqrt()
    minimum = flow.minimum()
    bound_a = minimum + (rho.sqrt() + drive.sqrt()) ** 2
    bound_b = minimum + (1.75 * rho.sqrt() + (2 * tau).sqrt() * gamma) ** 2
    sharper = resolvent_bound(flow, data, tau)
    return Certificate(
        tau=tau, minimum=minimum, rho=rho, drive=drive, beta=beta, gamma=gamma, loss=flow.statistics.loss(theta),
        gap=((apart @ flow.statistics.B) * apart).sum((-1, -2)).clamp(min=0), bound_a=bound_a,
        bound_b=torch.where(4 * beta * tau <= 1, bound_b, math.inf), inflation=sharper.inflation,
        bound_resolvent=sharper.bound, divergence=kl_factor * bound_a + prior_kl)


@dataclass(frozen=True)
class SampleBound:
    """What Corollary 1 promises before any data is seen: with probability 1 - delta, beta and gamma hold together."""

    K: float
    q: float
    beta: float  # K q / sqrt(n)
    gamma: float  # Lambda omega q / sqrt(n)
    tau: float  # the stopping time sqrt(n) / (4 K q)

    def loss(self, flow: GradientFlow) -> Tensor:
        """The bound on the loss of the empirical flow at the stopping time, a scalar; ``flow`` must start at zero."""
        check.instance("flow", flow, GradientFlow)
        check.holds("flow.theta0", flow.theta0 == 0, "zero", flow.theta0)
        return flow.minimum() + (1.75 * ridge_excess(flow, self.tau).sqrt() + math.sqrt(2 * self.tau) * self.gamma) ** 2


def sample_bound(features: RandomFeatures, sde: LinearSDE, weighting, t_min: float, *,
                 radius: float, n: int, delta: float) -> SampleBound:
    """Corollary 1 for data in [-radius, radius]^d, n samples, features with ||w_i||_1 + ||u_i||_1 <= 1 and start zero.

    K = E_t lambda [max(r radius, |e|_inf)^2 + r^2 v^2], Lambda = E_t lambda, omega^2 = ||W||_F^2 / m,
    q = 1 + sqrt(log(2/delta) / 2).  ``weighting`` is lambda as a function of t.
    """
    check.instance("features", features, RandomFeatures)
    check.instance("sde", sde, LinearSDE)
    radius, n = check.number("radius", radius, 0.0), check.integer("n", n)
    delta = check.number("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
    t_min = check.number("t_min", t_min, 0.0, sde.T, open_low=True, open_high=True)
    check.with_values("features", features.W)
    size = features.W.abs().sum(1) + features.U.abs().sum(1)
    check.holds("features", size <= 1 + 1e-6, "rows (w_i, u_i) of l1 norm at most one", size)
    t, dt = time_nodes(t_min, sde.T, 256)
    weight = weight_at(weighting, t) * dt / (sde.T - t_min)
    embedding = cosine_embedding(t, features.T, features.U.shape[1]).abs().amax(1)
    K = float((weight * (torch.maximum(sde.scale(t) * radius, embedding) ** 2 + sde.std(t) ** 2)).sum())
    check.holds("weighting", weight.sum() > 0, "a function of t that is not zero", weight.sum())
    omega = float((features.W.square().sum() / features.width).sqrt())
    q = 1 + math.sqrt(math.log(2 / delta) / 2)
    return SampleBound(K=K, q=q, beta=K * q / math.sqrt(n), gamma=float(weight.sum()) * omega * q / math.sqrt(n),
                       tau=math.sqrt(n) / (4 * K * q))


def _running_integral(f, tau: Tensor, fastest: Tensor) -> Tensor:
    """int_0^tau f for a vectorised f >= 0, at every tau: 8 Gauss-Legendre nodes on each piece of a doubling partition.

    f is a sum of exponentials with rates up to 4 ``fastest``.
    """
    if tau.device.type == "meta" or not tau.numel():
        return torch.empty_like(tau)
    first, last = 0.1 / max(float(fastest), 1e-300), float(tau.max())
    if last == 0:
        return torch.zeros_like(tau)
    pieces = max(0, math.ceil(math.log2(last / first))) + 1
    partition = min(first, last) * 2.0 ** torch.arange(pieces, dtype=tau.dtype, device=tau.device)
    ends = torch.cat([tau.flatten(), partition, torch.zeros_like(partition[:1])]).unique()
    nodes, weights = (torch.as_tensor(a, dtype=tau.dtype, device=tau.device) for a in np.polynomial.legendre.leggauss(8))
    half, centre = ends.diff() / 2, (ends[1:] + ends[:-1]) / 2
    parts = (f(centre[:, None] + half[:, None] * nodes) * weights).sum(1) * half
    total = torch.cat([torch.zeros_like(parts[:1]), parts.cumsum(0)])
    return total[torch.searchsorted(ends, tau.contiguous())]
