r"""Kullback-Leibler divergences (the paper's Definition 1), :math:`D_{KL}(p\|q) = \int p \log(p/q)`, in nats."""

import math

import torch
from torch import Tensor

from ..base import checks as check
from .scores import Score


def kl_grid(p: Tensor, q: Tensor, dx, tolerance: float = 1e-3) -> Tensor:
    """KL(p || q) of densities [*b, N] on a grid with cell widths dx (a number or [N]), by the midpoint rule: [*b].

    Both are normalised on the grid first; a mass further than ``tolerance`` from one is an error: the grid
    does not cover the density, or it is not a density.  Cells with less than 1e-18 of the mass of p are left out,
    since there q may underflow; elsewhere the result is infinite where q vanishes and p does not.
    """
    tolerance = check.number("tolerance", tolerance, 0.0)
    p = check.tensor("p", p, (..., "N"))
    q = check.tensor("q", q, (..., p.shape[-1]), like=p)
    dx = check.tensor("dx", dx, like=p)
    if dx.ndim and dx.shape != p.shape[-1:]:
        check.fail("dx", f"shape {tuple(dx.shape)}", f"a number or shape ({p.shape[-1]},)")
    check.holds("dx", dx > 0, "cell widths > 0", dx)
    p, q = (_normalised(name, f, dx, tolerance) for name, f in (("p", p), ("q", q)))
    kept = p * dx > 1e-18
    log_ratio = torch.where(kept, p, 1.0).log() - torch.where(kept, q, 1.0).log()
    return (p * log_ratio * dx).sum(-1)


def kl_monte_carlo(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    """KL(p || q) from log densities [*b, n] at n >= 2 samples of p: the mean of log p - log q and its standard error, [*b]."""
    log_p = check.tensor("log_p", log_p, (..., "n"))
    log_q = check.tensor("log_q", log_q, tuple(log_p.shape), like=log_p)
    n = log_p.shape[-1]
    if n < 2:
        check.fail("log_p", f"{n} sample", "at least 2 samples")
    difference = log_p - log_q
    return difference.mean(-1), difference.std(-1) / n**0.5


def bits_per_dim(log_density: Tensor, d: int, bin_width: float) -> Tensor:
    r"""Code length -log_2 P(bin) / d of data in bins of side ``bin_width``, from log-densities [*b] in nats: [*b].

    With P(bin) = bin_width^d times the mean density in the bin, and the density taken at a uniformly random point of it
    (uniform dequantisation), the mean of this is an upper bound on the code length (Theis, van den Oord, Bethge 2016).
    Grey levels 0..255 divided by 256 have bins of side 1/256; in data scaled by another factor the side scales too.
    """
    log_density = check.tensor("log_density", log_density)
    d, bin_width = check.integer("d", d), check.number("bin_width", bin_width, 0.0, open_low=True)
    return -(log_density / d + math.log(bin_width)) / math.log(2)


def kl_gaussian(mean_p: Tensor, cov_p: Tensor, mean_q: Tensor, cov_q: Tensor) -> Tensor:
    """KL of N(mean_p, cov_p) from N(mean_q, cov_q), means [d], covariances [d, d] positive definite: a scalar tensor."""
    mean_p = check.tensor("mean_p", mean_p, ("d",))
    d = len(mean_p)
    mean_q = check.tensor("mean_q", mean_q, (d,), like=mean_p)
    roots = []
    for name, cov in (("cov_p", cov_p), ("cov_q", cov_q)):
        cov = check.tensor(name, cov, (d, d), like=mean_p)
        check.holds(name, (cov - cov.mT).abs() <= 1e-6 * cov.abs().amax(), "a symmetric matrix")
        root, info = torch.linalg.cholesky_ex(cov)
        check.holds(name, info == 0, "a positive definite matrix")
        roots.append(root)
    whitened = torch.linalg.solve_triangular(roots[1], torch.cat([roots[0], (mean_p - mean_q)[:, None]], 1), upper=False)
    log_det = 2 * (roots[1].diagonal().log() - roots[0].diagonal().log()).sum()
    return 0.5 * ((whitened**2).sum() - d + log_det)


def integrated_score_density(score, x: Tensor, t, *, improper: bool = False) -> Tensor:
    """The density (11) on a grid in d = 1: proportional to exp of the integral of ``score`` at one time t, [*b, N] for x [N].

    Trapezoidal rule on the increasing points x, normalised there.  It need not be a density on the line: unless the
    score points inwards at both ends the integral of its exponential diverges, which is a ``ValueError``.  With ``improper``
    it is zero everywhere instead, one over an infinite constant, and every density has an infinite divergence from it.
    """
    slope, log_density = integral(score, x, t)
    inwards = (slope[..., 0] > 0) & (slope[..., -1] < 0)
    allowed = "a score that points inwards at both ends of x; otherwise (11) does not normalise"
    if not improper:
        check.holds("score(x, t)", inwards, allowed, slope[..., -1])
    density = torch.exp(log_density - log_density.amax(-1, keepdim=True))
    return torch.where(inwards[..., None], density / torch.trapezoid(density, x, dim=-1)[..., None], 0.0)


def kl_on_points(score, log_p: Tensor, x: Tensor, t, every: int = 1) -> Tensor:
    """KL of p from the density (11) of ``score`` at time t, as the paper's authors evaluate it: [*b].

    The score is integrated on the increasing points x [N], by the trapezoidal rule.  On every ``every``-th of them both
    log-densities are read off (log_p has those entries) and normalised to sum one, and the divergence of the two is summed.  The
    authors use 51 points on [-10, 10], t = 0.065 and adaptive quadrature between the points (Section 4.1).  What lies
    outside the points does not count, and between them only through the integral.  NaN where the score is NaN.
    """
    every = check.integer("every", every)
    log_q = integral(score, x, t, finite=False)[1][..., ::every].log_softmax(-1)
    log_p = check.tensor("log_p", log_p, (log_q.shape[-1],), like=log_q).log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def integral(score, x, t, finite=True) -> tuple[Tensor, Tensor]:
    """The score at x [N] and its integral from the first point, both [*b, N]."""
    x = check.tensor("x", x, ("N",))
    check.holds("x", x.diff() > 0, "increasing points", x[1:])
    slope = Score(score, batch=True, finite=finite)(x[:, None], t)[..., 0]
    return slope, torch.cat([torch.zeros_like(slope[..., :1]), torch.cumulative_trapezoid(slope, x, dim=-1)], -1)


def _normalised(name, f, dx, tolerance):
    check.holds(name, f >= 0, "densities >= 0", f)
    mass = (f * dx).sum(-1, keepdim=True)
    check.holds(name, (mass - 1).abs() <= tolerance, f"densities with mass within {tolerance:g} of one on the grid", mass)
    return f / mass
