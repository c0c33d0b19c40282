r"""One learning problem, and the networks trained on it: what the chapters talk to.

A ``Problem`` holds target, process, loss, quadrature and random streams once, so that no chapter has to spell them out::

    problem = dn.Problem(dn.GaussianMixture.two_modes(3.0))
    tau = dn.training_times(1e2, 1e10, 25)
    few = problem.train(m=256, n=32, seeds=8)       # exact gradient flow on 32 samples, eight times
    few.test_loss(tau), few.divergence(tau)         # [8, 25] each
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .base import checks as check
from .base import device as default_device
from .generation import Generated, generate
from .processes import OU, DiffusedMixture, GaussianMixture, LinearSDE, Nodes, line_grid, sampled_nodes, weight_at
from .theory import Certificate, GradientFlow, RandomFeatures, Statistics, certificate, statistics

WEIGHTS: dict[str, Callable] = {"std": lambda sde: sde.std, "likelihood": lambda sde: lambda t: sde.diffusion(t) ** 2}


def training_times(first: float, last: float, count: int, *, device=None) -> Tensor:
    """``count`` training times from ``first`` > 0 to ``last``, evenly spaced in the logarithm: [count]."""
    first = check.number("first", first, 0.0, open_low=True)
    last = check.number("last", last, first)
    count = check.integer("count", count)
    return torch.logspace(math.log10(first), math.log10(last), count, dtype=torch.float64, device=device or default_device())


class Problem:
    """Learn the score of ``target``, noised by ``sde``, over times in [t_min, T].

    Args:
        target: the density p_0.
        sde: the process; Ornstein-Uhlenbeck up to T = 5 without it.
        t_min: where the loss is cut off, as scores grow without bound at t = 0.
        weighting: lambda(t): ``"std"``, the paper's (6); ``"likelihood"``, the g(t)^2 of Lemma 2; a function of t; or a number.
        n_t, n_x: quadrature nodes in t and x, for d = 1.
        n_nodes: Monte Carlo nodes, for d > 1.
        streams: run k draws its data from NumPy's stream ``streams[0] + k``, its features from ``streams[1] + k``.
        pool: samples that are drawn for a run; its data are the first n, so that data sets are nested.
        rounding: data are rounded to multiples of it, and equal ones count as one heavier point: 100,000 cost no more than 2,000.
        device, dtype: where and how everything is computed; ``dn.device()`` and float64 without them.
    """

    def __init__(self, target: GaussianMixture, sde: LinearSDE | None = None, *, t_min: float = 0.01, weighting="std",
                 n_t: int = 96, n_x: int = 96, n_nodes: int = 4000, streams: tuple[int, int] = (100, 0), pool: int = 4096,
                 rounding: float = 0.0, device=None, dtype: torch.dtype = torch.float64):
        place = default_device() if device is None else torch.device(device)
        if place != check.instance("target", target, GaussianMixture).means.device:
            check.with_values("target", target.means)
        self.target = target.to(place, dtype)
        self.sde = OU() if sde is None else check.instance("sde", sde, LinearSDE)
        self.t_min = check.number("t_min", t_min, 0.0, self.sde.T, open_low=True, open_high=True)
        if isinstance(weighting, str) and weighting not in WEIGHTS:
            check.fail("weighting", repr(weighting), f"{', '.join(map(repr, WEIGHTS))}, a function of t, or a number")
        self.weighting = WEIGHTS[weighting](self.sde) if isinstance(weighting, str) else weighting
        weight_at(self.weighting, self._times(2))
        self.n_t, self.n_x = check.integer("n_t", n_t), check.integer("n_x", n_x, 3)
        self.n_nodes, self.pool = check.integer("n_nodes", n_nodes), check.integer("pool", pool, 0)
        self.rounding = check.number("rounding", rounding, 0.0)
        if not (isinstance(streams, tuple) and len(streams) == 2):
            check.fail("streams", repr(streams), "two numbers, for the data and for the features")
        self.streams = tuple(check.integer("streams", stream, 0) for stream in streams)

    @cached_property
    def marginals(self) -> DiffusedMixture:
        """p_t, the target at every time of the process."""
        return self.target.diffused(self.sde)

    @cached_property
    def population(self) -> Nodes:
        """The nodes (x, t), with weights and true scores, that turn E_t lambda(t) E_{x ~ p_t} into a sum."""
        return self._nodes(self.marginals, 1)

    def empirical(self, data: Tensor, stream=1) -> Nodes:
        """The nodes for a data set [n, d] in the place of the target: for d = 1 its average over the noise is exact."""
        data = check.tensor("data", data, ("n", self.target.d), like=self.target.means)
        if self.rounding:
            points, counts = self._rounded(data).unique(dim=0, return_counts=True)
            return self._nodes(GaussianMixture.isotropic(counts.to(points) / len(data), points, 0.0).diffused(self.sde), stream)
        return self._nodes(GaussianMixture.empirical(data).diffused(self.sde), stream)

    def data(self, n: int, seed: int) -> Tensor:
        """The n samples of run ``seed``: [n, d]."""
        n, seed = check.integer("n", n), check.integer("seed", seed, 0)
        data = self.target.sample(max(self.pool, n), np.random.default_rng(self.streams[0] + seed))[:n]
        return self._rounded(data) if self.rounding else data

    def features(self, m: int, seed: int) -> RandomFeatures:
        """The m frozen random features of run ``seed``."""
        m, generator = check.integer("m", m), np.random.default_rng(self.streams[1] + check.integer("seed", seed, 0))
        kind = dict(device=self.target.means.device, dtype=self.target.means.dtype)
        return RandomFeatures.draw(m, self.target.d, self.sde.T, generator, **kind)

    def train(self, m: int, n: int | None = None, seeds: int | Iterable[int] = 8) -> "Runs":
        """Exact gradient flow of m features from zero, one run for each seed, on n samples; on the population without n.

        ``seeds`` is a number of runs or the seeds themselves.
        """
        seeds = range(check.integer("seeds", seeds)) if isinstance(seeds, int) else check.sequence("seeds", seeds)
        return Runs([self._run(m, n, check.integer("seeds", seed, 0)) for seed in seeds])

    def generated(self, score, **solver) -> Generated:
        """What the reverse SDE driven by ``score`` generates, for d = 1; ``solver``: steps, cells and reach of ``generate``."""
        return generate(score, self.marginals, self.t_min, **solver)

    def divergence(self, score, **solver) -> Tensor:
        """KL(target || generated) in nats, [*b] for a batch of scores.  For its error halve steps and cells."""
        return self.generated(score, **solver).divergence()

    def solver_error(self, **solver) -> float:
        """The divergence with the true score: what is left of it is the prior's share and the solver's own error."""
        return self.divergence(self.marginals.score, **solver).item()

    def kl_factor(self) -> float:
        """kappa (T - t_min) / 2 with kappa = max g^2 / lambda: what turns the loss into a bound on the divergence (Lemma 2)."""
        t = check.with_values("target", self._times(2001))
        return ((self.sde.diffusion(t) ** 2 / weight_at(self.weighting, t)).amax() * (self.sde.T - self.t_min) / 2).item()

    def _rounded(self, data: Tensor) -> Tensor:
        return (data / self.rounding).round() * self.rounding

    def _times(self, count: int) -> Tensor:
        return torch.linspace(self.t_min, self.sde.T, count, dtype=torch.float64, device="cpu").to(self.target.means)

    def _nodes(self, p: DiffusedMixture, stream) -> Nodes:
        if self.target.d > 1:
            return sampled_nodes(p, self.weighting, self.t_min, self.n_nodes, np.random.default_rng(stream))
        return self._grid.weighted(p)

    @cached_property
    def _grid(self):
        return line_grid(self.marginals, self.weighting, self.t_min, n_t=self.n_t, n_x=self.n_x)

    def _run(self, m, n, seed) -> "Run":
        features, data = self.features(m, seed), None if n is None else self.data(n, seed)
        nodes = self.population if data is None else self.empirical(data, [self.streams[0] + seed, 1])
        return Run(self, features, GradientFlow(statistics(features, nodes)), seed, data)


@dataclass(frozen=True, eq=False)
class Run:
    """One training: frozen ``features`` and the ``flow`` of their weights; ``data`` is None on the population.

    Everything along training takes training times of any shape and has that shape.
    """

    problem: Problem
    features: RandomFeatures
    flow: GradientFlow
    seed: int
    data: Tensor | None = None

    @cached_property
    def population(self) -> Statistics:
        """The population loss of this run's features."""
        return self.flow.statistics if self.data is None else statistics(self.features, self.problem.population)

    def loss(self, tau) -> Tensor:
        """The loss that is trained."""
        return self.flow.loss(tau)

    def test_loss(self, tau) -> Tensor:
        """The population loss."""
        return self.population.loss(self.flow.theta(tau))

    def excess(self, tau) -> Tensor:
        """How far the trained loss is above its minimum."""
        return self.flow.loss(tau) - self.flow.minimum()

    def norm(self, tau) -> Tensor:
        """||Theta(tau)||, the RKHS norm of the network."""
        return self.flow.norm(tau)

    def score(self, tau):
        """The score network after training for tau: a function of x [N, d] and t with values [*shape of tau, N, d]."""
        return self.features.score(self.flow.theta(tau))

    def certificate(self, tau) -> Certificate:
        """Every term of the bounds (A), (B) and (C) for this data set."""
        if self.data is None:
            check.fail("run", "training on the population", "training on n samples")
        problem, flow = self.problem, GradientFlow(self.population, self.flow.theta0)
        return certificate(flow, self.flow.statistics, tau, kl_factor=problem.kl_factor(), prior_kl=problem.marginals.prior_kl())


class Runs(tuple[Run, ...]):
    """Trainings that differ by their seed, a tuple of ``Run``; read-outs have the seeds in front: [seeds, *shape of tau]."""

    def __new__(cls, each: Iterable[Run]):
        self = super().__new__(cls, each)
        if not self or not all(isinstance(run, Run) for run in self):
            check.fail("each", f"{len(self)} things", "at least one Run")
        return self

    def map(self, function) -> Tensor:
        """function(run) of every run, stacked: [seeds, ...]."""
        found = [function(run) for run in self]
        return torch.stack([value if isinstance(value, Tensor) else torch.as_tensor(value, device="cpu") for value in found])

    def loss(self, tau) -> Tensor:
        """The loss that is trained."""
        return self.map(lambda run: run.loss(tau))

    def test_loss(self, tau) -> Tensor:
        """The population loss."""
        return self.map(lambda run: run.test_loss(tau))

    def excess(self, tau) -> Tensor:
        """How far the trained loss is above its minimum."""
        return self.map(lambda run: run.excess(tau))

    def norm(self, tau) -> Tensor:
        """||Theta(tau)||."""
        return self.map(lambda run: run.norm(tau))

    def score(self, tau):
        """All networks as one function of x [N, d] and t, with values [seeds, *shape of tau, N, d]."""
        scores = [run.score(tau) for run in self]
        return lambda x, t: torch.stack([score(x, t) for score in scores])

    def generated(self, tau, **solver) -> Generated:
        """The densities that the trained networks generate, all seeds and times solved together."""
        return self[0].problem.generated(self.score(tau), **solver)

    def divergence(self, tau, **solver) -> Tensor:
        """KL(target || generated) in nats."""
        return self.generated(tau, **solver).divergence()

    def typical(self) -> Run:
        """The run that stands for all: its test loss stays nearest to the median, on average over log tau from 1 to 1e10."""
        flow = self[0].flow
        tau = training_times(1.0, 1e10, 41, device=flow.theta0.device).to(check.with_values("runs", flow.theta0).dtype)
        curves = self.test_loss(tau).log()
        return self[int((curves - curves.quantile(0.5, dim=0)).abs().mean(1).argmin())]

    def certificate(self, tau) -> Certificate:
        """The terms of (A), (B) and (C), with the seeds in front."""
        terms = [asdict(run.certificate(tau)) for run in self]
        return Certificate(**{name: torch.stack([one[name] for one in terms]) for name in terms[0]})
