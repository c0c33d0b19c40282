r"""Lemma 6: how near m random features come to infinitely many.

A function a(w, u) with values in R^d gives the network of infinite width, the paper's (13),
:math:`\bar s = E[a(w, u)\,\sigma(w\cdot x + u\cdot e)]`.  A network of m features with
the weights ``Theta = a(W, U)^T / sqrt(m)`` is a Monte Carlo average of it:

.. math:: E\,\mathrm{Err}_{MC} = \Sigma^2/m, \qquad
          \mathrm{Err}_{MC} \le \frac1m\big(\Sigma + M\sqrt{2\log(1/\delta)}\big)^2 \ \text{ with probability } 1 - \delta,

with :math:`\Sigma^2 = E\|a\sigma\|^2 - \|\bar s\|^2` and M = sup ||a sigma||, in the norm of the loss.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import checks as check
from ..processes import Nodes
from .features import RandomFeatures, cosine_embedding


@dataclass(frozen=True)
class MonteCarlo:
    """Sigma^2 (``variance``) and M^2 (``largest``) of Lemma 6."""

    variance: float
    largest: float

    def __post_init__(self):
        check.number("variance", self.variance, 0.0)
        check.number("largest", self.largest, 0.0)

    def mean(self, m: int) -> float:
        """E Err_MC = Sigma^2 / m."""
        return self.variance / check.integer("m", m)

    def bound(self, m: int, delta: float) -> float:
        """What Err_MC exceeds with probability at most delta."""
        delta = check.number("delta", delta, 0.0, 1.0, open_low=True)
        return (math.sqrt(self.variance) + math.sqrt(2 * self.largest * math.log(1 / delta))) ** 2 / check.integer("m", m)


def sampled_weights(features: RandomFeatures, a) -> Tensor:
    """Theta = a(W, U)^T / sqrt(m) for a function a of W [m, d] and U [m, e] with values [m, d]: [d, m]."""
    check.instance("features", features, RandomFeatures)
    values = check.function("a", a)(features.W, features.U)
    return check.tensor("a", values, tuple(features.W.shape), like=features.W).mT / math.sqrt(features.width)


def squared_error(score, nodes: Nodes, truth: Tensor | None = None) -> Tensor:
    """E_t lambda E_x ||score(x, t) - truth||^2, a scalar; ``truth`` [N, d] at the nodes, their score without it.

    A batch of scores, with values [*b, N, d], gives [*b].
    """
    check.instance("nodes", nodes, Nodes)
    truth = nodes.score if truth is None else check.tensor("truth", truth, tuple(nodes.x.shape), like=nodes.x)
    value = check.tensor("score", check.function("score", score)(nodes.x, nodes.t), (..., *nodes.x.shape), like=nodes.x)
    return (value - truth).square().sum(-1) @ nodes.weight


def minus_x(w: Tensor, u: Tensor) -> Tensor:
    """a(w, u) = -D (D + 1) w for w [m, d], u [m, e], D = d + e: with (w, u) uniform on the l1 sphere the network is -x.

    On that sphere E v_i v_j is 2 / (D (D + 1)) for i = j and 0 otherwise, and relu(y) - relu(-y) = y.
    """
    w = check.tensor("w", w, ("m", "d"))
    D = w.shape[1] + check.tensor("u", u, (len(w), "e"), like=w).shape[1]
    return -D * (D + 1) * w


def minus_x_constants(nodes: Nodes, T: float, *, embedding: int = 3) -> MonteCarlo:
    """Sigma^2 and M^2 of ``minus_x`` on ``nodes``, in closed form from second moments of y = (x, e(t)).

    E v_i^4 = 24/c and E v_i^2 v_j^2 = 4/c with c = D (D+1) (D+2) (D+3).  For M let A^2 be the largest E relu(+-x_j)^2 and B^2 the
    largest E relu(+-e_j)^2.  As (E relu(v . y)^2)^(1/2) is convex in v, it is at most s A + (1 - s) B where s = ||w||_1, and
    ||w|| <= s.  So M <= D (D+1) max_s s (s A + (1 - s) B), which for B <= 2 A is D (D+1) A and attained at a corner.
    """
    d = check.instance("nodes", nodes, Nodes).x.shape[1]
    T = check.number("T", T, 0.0, open_low=True)
    check.holds("T", nodes.t <= T, "the end of the nodes' times", torch.full_like(nodes.t, T))
    e = cosine_embedding(nodes.t, T, check.integer("embedding", embedding))
    D, x2, e2 = d + e.shape[1], nodes.x.square().sum(1), e.square().sum(1)
    check.holds("nodes.weight", nodes.weight >= 0, "weights >= 0", nodes.weight)
    fourth = (20 * x2 + 4 * d * (x2 + e2)) / (D * (D + 1) * (D + 2) * (D + 3))  # E ||w||^2 (v . y)^2
    variance = nodes.weight @ (0.5 * D**2 * (D + 1) ** 2 * fourth - x2)
    A, B = (float((nodes.weight @ torch.cat([z, -z], 1).relu().square()).max().sqrt()) for z in (nodes.x, e))
    top = A if B <= 2 * A else B**2 / (4 * (B - A))
    return MonteCarlo(float(variance), (D * (D + 1) * top) ** 2)
