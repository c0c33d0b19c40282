r"""Exact gradient flow of the random-feature score network, at every training time at once.

The explicit score-matching loss (7) of :math:`s = \Theta\varphi` is quadratic (the paper's Lemma 3):

.. math:: \tilde L(\Theta) = \mathrm{tr}(\Theta B \Theta^\top) - 2\,\mathrm{tr}(\Theta C^\top) + S,

with B = E phi phi^T [m, m], C = E grad log p_t phi^T [d, m], S = E ||grad log p_t||^2, where E is
E_t lambda(t) E_{x ~ p_t}.  Gradient flow :math:`d\Theta/d\tau = -2(\Theta B - C)`, the paper's (10), is linear:
in the eigenbasis of B coordinate k decays by exp(-2 b_k tau) and gains C_k (1 - exp(-2 b_k tau)) / b_k.
There is no learning rate, no step size and no mini-batch noise.  With the marginals of a data set
(``GaussianMixture.empirical``) in place of p_t the same formulas give the empirical flow (9), the
denoising loss with its noise average done exactly.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import checks as check
from ..processes import Nodes
from .features import RandomFeatures

# Entries of the largest temporary, nodes x features: more leave the cache of a CPU, fewer leave a GPU idle.
_ENTRIES, _ENTRIES_CUDA = 2**19, 2**24


def _rounding(B: Tensor, least: float) -> float:
    """A relative tolerance: ``least``, or in float32 its rounding."""
    return max(least, torch.finfo(B.dtype).eps)


@dataclass(frozen=True)
class Statistics:
    """The quadratic loss: B [m, m] positive semi-definite, C [d, m], S a scalar tensor."""

    B: Tensor
    C: Tensor
    S: Tensor

    def __post_init__(self):
        check.tensor("B", self.B, ("m", "m"))
        check.tensor("B", self.B, (len(self.B), len(self.B)))
        check.tensor("C", self.C, ("d", len(self.B)), like=self.B)
        check.tensor("S", self.S, (), like=self.B)
        scale = self.B.diagonal().abs().amax()
        check.holds("B", (self.B - self.B.mT).abs() <= _rounding(self.B, 1e-9) * scale, "a symmetric matrix")
        check.holds("B", self.B.diagonal() >= 0, "a positive semi-definite matrix", self.B.diagonal())

    def loss(self, theta: Tensor) -> Tensor:
        """L~(Theta) for theta [*b, d, m]: [*b].  Source: Lemma 3."""
        theta = check.tensor("theta", theta, (..., *self.C.shape), like=self.B)
        return ((theta @ self.B - 2 * self.C) * theta).sum((-1, -2)) + self.S

    def gradient(self, theta: Tensor) -> Tensor:
        """2 (Theta B - C) for theta [*b, d, m]: [*b, d, m].  The Hessian is 2 B for each of the d rows."""
        theta = check.tensor("theta", theta, (..., *self.C.shape), like=self.B)
        return 2 * (theta @ self.B - self.C)


def statistics(features: RandomFeatures, nodes: Nodes) -> Statistics:
    """B, C and S of ``features`` on ``nodes``: those of p_t for the population, of an empirical mixture for a data set.

    ``features`` may be any function (x [N, d], t [N]) -> [N, m] with the attributes ``width``, m, and ``d``.
    """
    if not (callable(features) and hasattr(features, "width") and hasattr(features, "d")):
        check.fail("features", type(features).__name__, "RandomFeatures, or a function of x and t with a width and a d")
    check.instance("nodes", nodes, Nodes)
    m, d = features.width, features.d
    kind = dict(dtype=nodes.x.dtype, device=nodes.x.device)
    B, C = torch.zeros(m, m, **kind), torch.zeros(d, m, **kind)
    check.holds("nodes.weight", nodes.weight >= 0, "weights >= 0", nodes.weight)
    rows, root = max(1, (_ENTRIES_CUDA if nodes.x.is_cuda else _ENTRIES) // m), nodes.weight.sqrt()
    for x, t, w, y in zip(*(a.split(rows) for a in (nodes.x, nodes.t, root, nodes.score)), strict=True):
        phi = features(x, t) * w[:, None]
        B.addmm_(phi.mT, phi)
        C.addmm_((y * w[:, None]).mT, phi)
    S = (nodes.weight[:, None] * nodes.score**2).sum()
    return Statistics((B + B.mT) / 2, C, S)


class GradientFlow:
    """The gradient flow on a quadratic loss from theta0 [d, m] (zero if not given).

    ``eigenvalues`` are those of B, [m], in increasing order, clamped at zero; the columns of ``basis`` [m, m] its eigenvectors.
    """

    statistics: Statistics
    theta0: Tensor
    eigenvalues: Tensor
    basis: Tensor

    def __init__(self, statistics: Statistics, theta0: Tensor | None = None):
        self.statistics = check.instance("statistics", statistics, Statistics)
        if theta0 is None:
            theta0 = torch.zeros_like(statistics.C)
        self.theta0 = check.tensor("theta0", theta0, tuple(statistics.C.shape), like=statistics.B)
        b, self.basis = torch.linalg.eigh(statistics.B)
        check.holds("B", b >= -10 * _rounding(b, 1e-10) * b[-1].abs(), "a positive semi-definite matrix", b)
        self.eigenvalues = b.clamp(min=0)
        self._start, self._pull = self.theta0 @ self.basis, statistics.C @ self.basis

    def theta(self, tau) -> Tensor:
        """Theta(tau) for tau [*b] or a number, tau >= 0: [*b, d, m]."""
        return self._coordinates(tau) @ self.basis.mT

    def loss(self, tau) -> Tensor:
        """L~(Theta(tau)), shape of tau, in O(m) for each tau."""
        b, (kept, gained) = self.eigenvalues, self._shares(tau)
        start, both, pull = ((x * y).sum(0) for x, y in ((self._start, self._start), (self._start, self._pull),
                                                         (self._pull, self._pull)))  # [m]
        fall = kept * (b * kept * start + 2 * (b * gained - 1) * both) + gained * (b * gained - 2) * pull
        return fall.sum(-1) + self.statistics.S

    def norm(self, tau) -> Tensor:
        """||Theta(tau)||_F, the RKHS norm of the score network, shape of tau."""
        return torch.linalg.matrix_norm(self._coordinates(tau))

    def learned(self, tau) -> Tensor:
        """1 - exp(-2 b_k tau), the share of each mode that is learned at tau [*b]: [*b, m], in the order of ``eigenvalues``."""
        return -torch.expm1(-2 * self.eigenvalues * check.training_times("tau", tau, like=self.eigenvalues)[..., None])

    def effects(self, other: Statistics) -> Tensor:
        r"""What learning each mode of this flow does, in the end, to another loss of the same features: [m].

        With delta_k = (Theta* - Theta_0) q_k the flow is Theta_0 + sum_k (1 - exp(-2 b_k tau)) delta_k q_k^T, and mode k
        contributes the integral of the derivative of ``other`` along its own coordinate,

        .. math:: 2\,\delta_k \cdot (\Theta_0 B - C) q_k
                  + 2 \sum_j \delta_k \cdot \delta_j\; q_k^\top B q_j\, \frac{b_j}{b_j + b_k}

        with B and C of ``other``, b and q of this flow.  The effects add up to other(Theta*) - other(Theta_0).  With the
        population loss as ``other``, a mode of an empirical flow that lowers it is signal, one that raises it memory.
        """
        check.instance("other", other, Statistics)
        check.tensor("other", other.C, tuple(self.theta0.shape), like=self.theta0)
        path, b = self._minimum() - self._start, self.eigenvalues
        share = b / (b + b[:, None]).clamp(min=torch.finfo(b.dtype).tiny)
        mixed = (self.basis.mT @ other.B @ self.basis) * share * (path.mT @ path)
        return 2 * (path * ((self.theta0 @ other.B - other.C) @ self.basis)).sum(0) + 2 * mixed.sum(1)

    def minimiser(self) -> Tensor:
        """Theta* = the minimiser of L~ nearest to theta0, [d, m]: the limit tau -> infinity.

        Directions with b_k <= 1e-12 max(b) (in float32 1e-7 max(b), its rounding) are left where they started.
        """
        return self._minimum() @ self.basis.mT

    def minimum(self) -> Tensor:
        """L* = min L~, a scalar tensor."""
        a = self._minimum()
        return ((self.eigenvalues * a - 2 * self._pull) * a).sum() + self.statistics.S

    def _coordinates(self, tau) -> Tensor:
        kept, gained = (share[..., None, :] for share in self._shares(tau))
        return kept * self._start + gained * self._pull

    def _shares(self, tau) -> tuple[Tensor, Tensor]:
        """What of the start and what of the pull is in each mode at tau [*b]: [*b, m]."""
        tau = check.training_times("tau", tau, like=self.eigenvalues)[..., None]
        z = 2 * self.eigenvalues * tau
        gain = torch.where(z == 0, torch.ones_like(z), -torch.expm1(-z) / torch.where(z == 0, torch.ones_like(z), z))
        return torch.exp(-z), 2 * tau * gain

    def _minimum(self) -> Tensor:
        b = self.eigenvalues
        learned = b > _rounding(b, 1e-12) * b[-1]
        return torch.where(learned, self._pull / torch.where(learned, b, torch.ones_like(b)), self._start)


def gradient_descent(statistics: Statistics, theta0: Tensor, step: float, n_steps: int) -> Tensor:
    """n_steps of Theta <- Theta - step * grad L~, the explicit Euler scheme for the flow: [d, m] at tau = step * n_steps.

    Stable for step < 1 / max eigenvalue of B.  Here to be compared with; the flow needs no steps.
    """
    check.instance("statistics", statistics, Statistics)
    step = check.number("step", step, 0.0, open_low=True)
    theta = check.tensor("theta0", theta0, tuple(statistics.C.shape), like=statistics.B)
    shrink, push = 2 * step * statistics.B, 2 * step * statistics.C
    for _ in range(check.integer("n_steps", n_steps, 0)):
        theta = theta - theta @ shrink + push
    return theta
