r"""The eigenvalues that memorise: the third bulk of the features' second moment at one SDE time (chapter "Two clocks").

For data x(0) and x = r x(0) + s z a feature sigma(w . x) splits into a mean, a part linear in x with slope a, a nonlinear part
that knows the sample, of variance v*^2, and a rest of variance s*^2 that the noise averages out.  With one column of Psi for
each of n samples and V = s a W [m, d] the second moment is about

.. math:: M = s_*^2 I + \Psi\Psi^\top + V V^\top, \qquad \sqrt n\,\Psi = a r W X^\top + v_* G,

which for n > d has d large eigenvalues, then n - d of the samples, then d more: those of V off the span of Psi,
:math:`S = V^\top (I - P_\Psi) V`.  Beyond them lies the rest, at s_*^2 in this model.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check


@dataclass(frozen=True)
class FeatureParts:
    """The parts of a feature under inputs of unit variance: its mean, slope a, and the variances v*^2 and s*^2."""

    mean: float
    slope: float
    sample: float
    rest: float

    def __post_init__(self):
        for name in ("mean", "slope"):
            check.number(name, getattr(self, name))
        for name in ("sample", "rest"):
            check.number(name, getattr(self, name), 0.0)

    def edges(self, m: int, n: int) -> tuple[float, float]:
        """The ends of the samples' bulk for m features and n samples by the law of Marchenko and Pastur.

        s*^2 + v*^2 (1 -+ sqrt(m/n))^2, where the bulk lies for 1 << n/d << m/d.  Source: Bonnaire et al. (2025), Theorem 3.1 ff.
        """
        root = math.sqrt(check.integer("m", m) / check.integer("n", n))
        return self.rest + self.sample * (1 - root) ** 2, self.rest + self.sample * (1 + root) ** 2


def feature_parts(activation, scale: float, std: float, *, nodes: int = 2001) -> FeatureParts:
    """Mean, slope, v*^2 and s*^2 of sigma(r u + s z) for normal u (one for each sample) and z (drawn anew).

    Args:
        activation: a function of a tensor, smooth but for a kink at zero.
        scale: r.
        std: s.
        nodes: of the trapezoidal rule over u in [-9, 9]; z has 64 Gauss-Legendre nodes on either side of the kink.
    """
    sigma = check.function("activation", activation)
    r, s = _frame(scale, std)
    u = torch.linspace(-9, 9, check.integer("nodes", nodes, 3), dtype=torch.float64, device="cpu")
    kink = (-r * u / s).clamp(-9, 9)[:, None]
    x, w = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(64))
    half = torch.cat([(kink + 9) / 2 + 0 * x, (9 - kink) / 2 + 0 * x], 1)
    z = torch.cat([kink - (kink + 9) / 2 * (1 - x), kink + (9 - kink) / 2 * (1 + x)], 1)
    inner = torch.cat([w, w]) * half * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    value = check.tensor("activation", sigma(r * u[:, None] + s * z), tuple(z.shape), like=u)
    outer = torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi) * (u[1] - u[0])
    given, square = (inner * value).sum(1), (inner * value**2).sum(1)  # means over z, for each u
    mean, slope = float(outer @ given), float(outer @ (u * given)) / r
    both = float(outer @ given**2)
    sample = both - mean**2 - (slope * r) ** 2
    rest = float(outer @ square) - both - (slope * s) ** 2
    return FeatureParts(mean, slope, max(sample, 0.0), max(rest, 0.0))


def third_bulk_bounds(psi: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    r"""Bounds of the eigenvalues number n + 1 to n + d of Psi Psi^T + V V^T, for Psi [m, n] and V [m, d]: two tensors [d].

    With S = V^T (I - P_Psi) V, l the least eigenvalue of Psi^T (I - P_V) Psi, and eigenvalues in descending order,

    .. math:: \frac{\lambda_k(S)\, l}{\lambda_k(S) + l} \le \lambda_{n+k} \le \lambda_k(S), \qquad k \le d,

    where the left side is 0 if both vanish.  No rank is assumed.  Right: Cauchy's interlacing on the vectors orthogonal to Psi.
    Left: Weyl's inequality for the inverse of the Gram matrix of [Psi, V].
    """
    psi = check.tensor("psi", psi, ("m", "n"))
    v = check.tensor("v", v, (len(psi), "d"), like=psi)
    n, d = psi.shape[1], v.shape[1]
    if n + d > len(psi):
        check.fail("psi", f"{n} + {d} columns in R^{len(psi)}", "n + d <= m")
    schur = torch.linalg.eigvalsh(_gram_off(v, psi)).flip(0).clamp(min=0)
    least = torch.linalg.eigvalsh(_gram_off(psi, v))[0].clamp(min=0)
    total = schur + least
    return torch.where(total > 0, schur * least / torch.where(total > 0, total, torch.ones_like(total)), 0 * total), schur


def third_bulk(x: Tensor, m: int, parts: FeatureParts, scale: float, std: float) -> Tensor:
    r"""The predicted eigenvalues of the third bulk for data x [n, d] and m > n + d + 1 features, descending: [d].

    s*^2 plus the eigenvalues of the inverse of

    .. math:: E\,S^{-1} = \frac{r^2 X^\top X + v_*^2 d / a^2}{s^2 v_*^2 (m - n - d - 1)},

    an identity for a != 0, v*, r, s > 0, rows w ~ N(0, I/d) and independent normal G with x fixed (S is a Wishart matrix).  The
    prediction takes the mean for the matrix and the upper bound for the eigenvalue, and for other features assumes that they
    act as Gaussian ones.  It behaves like m/n only for n well below m s^2 v*^2/(r^2 s*^2).
    """
    x = check.tensor("x", x, ("n", "d"))
    (n, d), m = x.shape, check.integer("m", m)
    check.instance("parts", parts, FeatureParts)
    if m <= n + d + 1:
        check.fail("m", m, f"more than n + d + 1 = {n + d + 1}")
    if not (parts.sample > 0 and parts.slope):
        check.fail("parts", parts, "slope and sample other than zero")
    r, s = _frame(scale, std)
    gram = torch.linalg.eigvalsh(x.mT @ x)  # ascending, so that the result descends
    return parts.rest + s**2 * parts.sample * (m - n - d - 1) / (r**2 * gram + parts.sample * d / parts.slope**2)


def _frame(scale, std) -> tuple[float, float]:
    """r and s, within limits that keep squares finite."""
    return check.number("scale", scale, 1e-9, 1e9), check.number("std", std, 1e-9, 1e9)


def _gram_off(a: Tensor, b: Tensor) -> Tensor:
    """A^T (I - P_B) A, by an orthonormal basis of the range of B."""
    basis, size, _ = torch.linalg.svd(b, full_matrices=False)
    basis = basis * (size > 1e-12 * size[0])
    off = a - basis @ (basis.mT @ a)
    return off.mT @ off
