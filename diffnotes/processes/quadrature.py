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


def kernel_nodes(p: DiffusedMixture, weighting, t_min: float, n_t: int = 96, n_z: int = 97, n_0: int = 16) -> Nodes:
    """Nodes of the denoising loss (5) for d = 1: pairs of x(0) and its noise z, with the kernel's score -z / std(t) as target.

    The density p_t is never asked.  Gauss-Legendre in sqrt(t); ``n_0`` points of Gauss-Hermite in x(0) for each component, one
    where its variance is zero, as for a data set; the trapezoidal rule for z in [-7, 7].  N = n_t n_z times the points in x(0).
    """
    mixture = check.instance("p", p, DiffusedMixture).mixture
    if mixture.d != 1:
        check.fail("p", f"a density in d = {mixture.d}", "d = 1 (use kernel_draws for d > 1)")
    n_t, n_z, n_0 = check.integer("n_t", n_t), check.integer("n_z", n_z, 3), check.integer("n_0", n_0)
    t_min = check.number("t_min", t_min, 0.0, p.sde.T, open_low=True, open_high=True)
    like, std_0 = check.with_values("p", mixture.means), mixture.variances.sqrt()
    t, dt = (a.to(like) for a in time_nodes(t_min, p.sde.T, n_t))
    unit, mass = np.polynomial.hermite_e.hermegauss(n_0 if std_0.max() > 0 else 1)
    x0 = (mixture.means + std_0 * torch.from_numpy(unit).to(like)).reshape(-1)  # [k, n_0], then one after the other
    mass_0 = (mixture.weights[:, None] * torch.from_numpy(mass / mass.sum()).to(like)).reshape(-1)
    z = torch.linspace(-7, 7, n_z, dtype=like.dtype, device=like.device)
    mass_z = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    weight = (weight_at(weighting, t) * dt / (p.sde.T - t_min))[:, None, None] * mass_0[:, None] * mass_z
    times, origin, noise = (a.expand_as(weight).reshape(-1) for a in (t[:, None, None], x0[:, None], z))
    return _pairs(p.sde, origin[:, None], times, noise[:, None], weight.reshape(-1))


def kernel_draws(p: DiffusedMixture, weighting, t_min: float, n: int, generator) -> Nodes:
    """A random batch of the denoising loss (5) in any dimension: n draws of t, x(0) and z, the kernel's score as target."""
    check.instance("p", p, DiffusedMixture)
    n = check.integer("n", n)
    t_min = check.number("t_min", t_min, 0.0, p.sde.T, open_low=True, open_high=True)
    kind = dict(dtype=p.mixture.means.dtype, device=p.mixture.means.device)
    t = t_min + (p.sde.T - t_min) * rng.uniform(generator, (n,), **kind)
    x0 = p.mixture.sample(n, generator)
    return _pairs(p.sde, x0, t, rng.normal(generator, tuple(x0.shape), **kind), weight_at(weighting, t) / n)


def _pairs(sde, x0: Tensor, t: Tensor, z: Tensor, weight: Tensor) -> Nodes:
    """x0 and z [N, d], t and weight [N].  The target as -z / std: as (r x(0) - x) / std^2 it would lose digits near t = 0."""
    return Nodes(sde.perturb(x0, t, z), t, weight, -z / sde.std(t)[:, None])


def weight_at(weighting, t: Tensor) -> Tensor:
    """The loss weight lambda at the times t [n], checked: [n]; ``weighting`` is a function of t, or a number for all times."""
    value = check.tensor("weighting", weighting(t) if callable(weighting) else weighting, like=t)
    if value.ndim:
        check.tensor("weighting", value, tuple(t.shape))
    check.holds("weighting", value >= 0, "a number or function of t with values >= 0", value)
    return value.expand_as(t)
