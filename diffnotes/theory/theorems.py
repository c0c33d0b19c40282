r"""Both theorems of the paper with every constant, as chapter "Both theorems, repaired" proves them.

The loss weight is :math:`\lambda = g^2`, training starts at zero, and ``t_min`` may be zero: then they are about p_0 itself.
Theorem 1, for data in [-X, X]^d and a comparison network :math:`\bar s` of norm N, loss :math:`\bar L` and outer weights of at
most :math:`\alpha`, is with probability :math:`1-\delta` at :math:`\tau = \sqrt n/(4Kq)`

.. math:: D_{KL} \le \frac T2\Big[\frac{49}8\Big(D^2 + \frac{KqR^2}{\sqrt n}\Big) + \frac{\Lambda^2\omega^2q}{K\sqrt n}\Big]
          + \frac{E\|x_0\|^2}{2v_T^2}.

Theorem 2, for two modes of variance one at :math:`\pm\mu` on a line, bounds beta by :math:`b_\mu/\sqrt n` and gamma by
:math:`b_\gamma/\sqrt n`, of which only the first depends on :math:`\mu`.
"""

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..base import checks as check
from ..processes import LinearSDE, time_nodes
from .certificates import SampleBound, sample_bound
from .features import RandomFeatures
from .flow import GradientFlow

INTERCEPT = 0.07  # of the weight, that the loss keeps while the norm is small: proved with 0.072


@dataclass(frozen=True)
class Theorem1(SampleBound):
    """Theorem 1: every term; those of ``SampleBound`` hold with probability 1 - delta/2, all together with 1 - delta."""

    distance: float  # D, root of the loss of the comparison network once it is sampled with m features
    norm_squared: float  # R^2, its squared norm then
    learned: float  # 49/8 (D^2 + K q R^2 / sqrt(n))
    noise: float  # Lambda^2 omega^2 q / (K sqrt(n))
    prior: float  # E ||x_0||^2 / (2 v(T)^2)
    divergence: float  # the bound on the divergence, in nats


@dataclass(frozen=True)
class Theorem2(SampleBound):
    """Theorem 2: K is K_mu, and q is b_mu / K_mu, so that beta = b_mu / sqrt(n); ``loss`` is its bound on the loss."""

    labels: float  # the share of beta that comes from counting the labels
    within: float  # the share that comes from inside the modes
    chebyshev: float  # a bound of beta by fourth moments, with probability 1 - delta/2
    factor: float  # (T - t_min) / 2
    prior: float  # (mu^2 + 1) / (2 v(T)^2)

    def divergence(self, flow: GradientFlow) -> Tensor:
        """The bound on the divergence in nats, a scalar, for the population flow of the same features from zero."""
        return self.factor * self.loss(flow) + self.prior


def theorem_1(features: RandomFeatures, sde: LinearSDE, *, radius: float, n: int, delta: float, loss: float, norm: float,
              largest: float, second: float, m: int | None = None, t_min: float = 0.0) -> Theorem1:
    """Theorem 1 for n samples in [-radius, radius]^d with E ||x_0||^2 = ``second``.

    Args:
        features: rows with ||w_i||_1 + ||u_i||_1 <= 1, drawn independently; for omega and the embedding.
        loss, norm, largest: of the comparison network of infinite width: its loss, its norm N, the largest ||a(w, u)||.
        m: a width other than that of ``features``.
        t_min: where the loss begins and the reverse process ends.
    """
    m = check.instance("features", features, RandomFeatures).width if m is None else check.integer("m", m)
    loss, norm = check.number("loss", loss, 0.0), check.number("norm", norm, 0.0)
    largest, second = check.number("largest", largest, norm), check.number("second", second, 0.0)
    first, t_min = _start(sde, t_min)
    delta = check.number("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
    base = sample_bound(features, sde, lambda t: sde.diffusion(t) ** 2, first, radius=radius, n=n, delta=delta / 2)
    tail, root = math.log(4 / delta), math.sqrt(n)
    distance = math.sqrt(loss) + math.sqrt(base.K / m) * (norm + largest * math.sqrt(2 * tail))
    norm_squared = norm * norm + largest * largest * math.sqrt(tail / (2 * m))
    learned = 49 / 8 * (distance * distance + base.K * base.q * norm_squared / root)
    noise, prior = 4 * base.tau * base.gamma**2, second / (2 * _spread(sde))
    return Theorem1(**asdict(base), distance=distance, norm_squared=norm_squared, learned=learned, noise=noise, prior=prior,
                    divergence=(sde.T - t_min) / 2 * (learned + noise) + prior)


def theorem_2(features: RandomFeatures, sde: LinearSDE, *, mu: float, n: int, delta: float, t_min: float = 0.0) -> Theorem2:
    """Theorem 2 for n samples of q_1 N(-mu, 1) + q_2 N(mu, 1), which is not cut off; features in one dimension."""
    if check.instance("features", features, RandomFeatures).d != 1:
        check.fail("features", f"d = {features.d}", "d = 1")
    mu, (first, t_min) = check.number("mu", mu, 0.0, 1e9), _start(sde, t_min)
    base = sample_bound(features, sde, lambda t: sde.diffusion(t) ** 2, first, radius=0.0, n=n, delta=delta)
    t, dt = time_nodes(first, sde.T, 256)
    slope = float((sde.diffusion(t) ** 2 * sde.scale(t) ** 2 * dt).sum()) / (sde.T - first)  # Lambda_r = E_t lambda r^2
    omega, root = math.sqrt(float(features.W.square().sum()) / features.width), math.sqrt(n)
    K, tail = base.K + slope * (mu**2 + 1), math.log(6 / delta)
    reach = mu + 1 + math.sqrt(2 * tail / n)  # mu + xi
    labels = K * math.sqrt(math.log(12 / delta) / 2)
    within = 2 * omega * math.sqrt(slope) * (2 * math.sqrt(K) + math.sqrt(2 * tail * (base.K + slope * reach**2)))
    fourth = base.K**2 + 2 * base.K * slope * (mu**2 + 1) + slope**2 * (mu**4 + 6 * mu**2 + 3)
    b, whole = labels + within, base.gamma * root / base.q  # Lambda omega
    return Theorem2(
        K=K, q=b / K, beta=b / root, gamma=whole * (0.5 + math.sqrt(math.log(2 / delta) / 2)) / root, tau=root / (4 * b),
        labels=labels / root, within=within / root, chebyshev=math.sqrt(2 * fourth / (n * delta)),
        factor=(sde.T - t_min) / 2, prior=(mu**2 + 1) / (2 * _spread(sde)))


def intercept_bound(sde: LinearSDE, mu: float, norm, *, t_min: float = 0.0) -> Tensor:
    """What the loss of a network of this ``norm``, of any width, is at least, for modes of variance one at +-mu; shape of norm.

    It is 0.07 E_t g^2 1[r mu >= max(4, 8 norm)], for a process with r^2 + std^2 = 1, an embedding with entries in [-1, 1] and
    odds of the modes of at most a million.
    """
    mu, (first, _) = check.number("mu", mu, 0.0), _start(sde, t_min)
    norm = check.training_times("norm", norm)
    edges = torch.linspace(first, sde.T, 4001, dtype=torch.float64, device="cpu")
    t = ((edges[1:] + edges[:-1]) / 2).to(norm)
    scale = sde.scale(t)
    check.holds("sde", (scale**2 + sde.std(t) ** 2 - 1).abs() <= 1e-6, "a process that keeps the variance one", scale)
    far = scale * mu >= torch.clamp(8 * norm, min=4)[..., None]
    return INTERCEPT * (sde.diffusion(t) ** 2 * far).mean(-1)


def _start(sde, t_min):
    """Where the quadrature in t begins, and t_min."""
    T = check.instance("sde", sde, LinearSDE).T
    t_min = check.number("t_min", t_min, 0.0, T, open_high=True)
    return t_min or 1e-12 * T, t_min


def _spread(sde):
    """v(T)^2."""
    end = torch.tensor(sde.T, dtype=torch.float64, device="cpu")
    return float((sde.std(end) / sde.scale(end)) ** 2)
