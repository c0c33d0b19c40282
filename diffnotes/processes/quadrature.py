r"""Integration over SDE time and space.

Every loss of the paper is an integral :math:`E_{t \sim U(t_{\min},T)}\,\lambda(t)\,E_{x \sim p_t}[\,\cdot\,]`.
A ``Nodes`` holds points (x, t) and the weights that turn such an integral into a sum.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng
from .mixtures import DiffusedMixture


@dataclass(frozen=True)
class Nodes:
    """Points x [N, d], t [N], weights [N] and the score there [N, d]; sum(weight * h(x, t)) is E_t lambda(t) E_{x ~ p_t} h."""

    x: Tensor
    t: Tensor
    weight: Tensor
    score: Tensor

    def __post_init__(self):
        x = check.tensor("x", self.x, ("N", "d"))
        for name in ("t", "weight"):
            check.tensor(name, getattr(self, name), (len(x),), like=x)
        check.tensor("score", self.score, tuple(x.shape), like=x)


@dataclass(frozen=True)
class Grid:
    """Points x [N, 1], t [N] and volume elements lambda(t) dt dx / (T - t_min), [N], without a density."""

    x: Tensor
    t: Tensor
    volume: Tensor

    def __post_init__(self):
        x = check.tensor("x", self.x, ("N", 1))
        for name in ("t", "volume"):
            check.tensor(name, getattr(self, name), (len(x),), like=x)

    def weighted(self, p: DiffusedMixture) -> Nodes:
        """The nodes for the marginals p_t.  One grid serves the population and all its data sets."""
        check.instance("p", p, DiffusedMixture)
        log_prob, score = p.log_prob_and_score(self.x, self.t)
        return Nodes(self.x, self.t, self.volume * log_prob.exp(), score)


def time_nodes(t_min: float, T: float, n: int) -> tuple[Tensor, Tensor]:
    """n Gauss-Legendre nodes in sqrt(t) on [t_min, T] and their weights for dt; the scores change fastest near t = 0."""
    t_min = check.number("t_min", t_min, 0.0, open_low=True)
    T = check.number("T", T, t_min, open_low=True)
    nodes, weights = np.polynomial.legendre.leggauss(check.integer("n", n))
    half = 0.5 * (math.sqrt(T) - math.sqrt(t_min))
    root = math.sqrt(t_min) + half * (nodes + 1)
    return torch.from_numpy(root**2), torch.from_numpy(half * weights * 2 * root)


def line_grid(p: DiffusedMixture, weighting, t_min: float, n_t: int = 128, n_x: int = 128, deviations: float = 7.0) -> Grid:
    """Grid in (t, x) for d = 1: Gauss-Legendre in sqrt(t), the trapezoidal rule in x out to ``p.half_width(t)``.

    ``weighting`` is the loss weight lambda, a function of t or a number: ``sde.std`` is the paper's (6),
    ``lambda t: sde.diffusion(t)**2`` the likelihood weighting of Lemma 2.  The ReLU kinks make the error
    O(1/n_x^2); the exact statements about gradient flow hold for the discretised loss itself.
    """
    check.instance("p", p, DiffusedMixture)
    if p.mixture.d != 1:
        check.fail("p", f"a density in d = {p.mixture.d}", "d = 1 (use sampled_nodes for d > 1)")
    n_t, n_x = check.integer("n_t", n_t), check.integer("n_x", n_x, 3)
    t_min = check.number("t_min", t_min, 0.0, p.sde.T, open_low=True, open_high=True)
    like = p.mixture.means
    t, dt = (a.to(like) for a in time_nodes(t_min, p.sde.T, n_t))
    unit = torch.linspace(-1, 1, n_x, dtype=like.dtype, device=like.device)
    radius = p.half_width(t, deviations)
    x = radius[:, None] * unit
    dx = (2 * radius / (n_x - 1))[:, None].expand_as(x).clone()
    dx[:, [0, -1]] /= 2
    volume = (weight_at(weighting, t) * dt / (p.sde.T - t_min))[:, None] * dx
    return Grid(x.reshape(-1, 1), t[:, None].expand_as(x).reshape(-1), volume.reshape(-1))


def sampled_nodes(p: DiffusedMixture, weighting, t_min: float, n: int, generator) -> Nodes:
    """n Monte Carlo nodes in any dimension: t stratified on [t_min, T], x ~ p_t.  The error is O(n^{-1/2})."""
    check.instance("p", p, DiffusedMixture)
    n = check.integer("n", n)
    t_min = check.number("t_min", t_min, 0.0, p.sde.T, open_low=True, open_high=True)
    like = p.mixture.means
    kind = dict(dtype=like.dtype, device=like.device)
    offset = rng.uniform(generator, (n,), **kind)
    t = t_min + (p.sde.T - t_min) * (torch.arange(n, **kind) + offset) / n
    x0 = p.mixture.sample(n, generator)
    x = p.sde.perturb(x0, t, rng.normal(generator, tuple(x0.shape), **kind))
    return Nodes(x, t, weight_at(weighting, t) / n, p.score(x, t))


def weight_at(weighting, t: Tensor) -> Tensor:
    """The loss weight lambda at the times t [n], checked: [n]; ``weighting`` is a function of t, or a number for all times."""
    value = check.tensor("weighting", weighting(t) if callable(weighting) else weighting, like=t)
    if value.ndim:
        check.tensor("weighting", value, tuple(t.shape))
    check.holds("weighting", value >= 0, "a number or function of t with values >= 0", value)
    return value.expand_as(t)
