"""Several settings of one training, the arms of an experiment, trained in one loop and read by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng, settings
from ..processes import GaussianMixture, LinearSDE
from .nets import SwishNet
from .training import Grouped, train


@dataclass(frozen=True)
class Arm:
    """One setting, and the seeds with which it is repeated.

    Seed s draws data, initial weights, order and noise, and new samples with generators ``[s, 0]`` to ``[s, 3]``, so that the
    same seed in two arms has what they share in common.

    Attributes:
        target: the law of the data, in one dimension.
        seeds: one replica for each.
        optimiser: of ``train``; arms that are given the same object share it.
        n: how many samples there are; None takes new ones in every epoch.
        width: hidden units.
        output_scale: c of ``SwishNet``.
        frequency: factor on the frozen frequencies of the time features; 0 hides the time.
        pool: samples that are drawn for a seed, at least n; its data are the first n, so arms with one pool share their data.
    """

    target: GaussianMixture
    seeds: Sequence[int]
    optimiser: Any
    n: int | None = 1000
    width: int = 16
    output_scale: float = 16.0
    frequency: float = 1.0
    pool: int = 0

    def __post_init__(self):
        if check.instance("target", self.target, GaussianMixture).d != 1:
            check.fail("target", f"a mixture in d = {self.target.d}", "d = 1, what SwishNet learns")
        seeds = [check.integer("seeds", seed, 0) for seed in check.sequence("seeds", self.seeds)]
        if not seeds or len(set(seeds)) < len(seeds):
            check.fail("seeds", repr(self.seeds), "at least one, all different")
        if self.n is not None:
            check.integer("n", self.n)
        check.integer("pool", self.pool, 0)
        check.integer("width", self.width)
        check.number("frequency", self.frequency, 0.0)

    def streams(self, number: int) -> list[np.random.Generator]:
        """The generators of one purpose, one for each seed."""
        return [np.random.default_rng([seed, number]) for seed in self.seeds]

    def draw(self, sde: LinearSDE, **kind) -> SwishNet:
        """The networks before training."""
        net = SwishNet.draw(self.width, sde, self.streams(1), output_scale=self.output_scale, **kind)
        net.omega.mul_(self.frequency)
        return net


@dataclass(frozen=True)
class Trained:
    """An arm's networks through training, in double precision; a replica whose training diverged holds NaN.

    Attributes:
        epochs: of the checkpoints, [K].
        weights: the networks at each of them, K times R replicas.
        averages: the same with the moving average of the weights.
    """

    epochs: Tensor
    weights: list[SwishNet]
    averages: list[SwishNet]

    def read(self, readout: Callable[[Any], Tensor], *, averaged: bool = False, every: int = 1) -> Tensor:
        """What ``readout`` says of the score (a ``ScoreFn``) at every checkpoint, or each ``every``-th: [R, *value, K].

        The score takes points on any device, wherever the networks are.
        """
        check.function("readout", readout)
        nets = (self.averages if averaged else self.weights)[:: check.integer("every", every)]
        return torch.stack([torch.as_tensor(readout(_anywhere(net))).cpu() for net in nets], -1)

    def at(self, epoch: int, *, averaged: bool = False) -> SwishNet:
        """The networks at one epoch, all replicas."""
        where = (self.epochs == epoch).nonzero()
        if not len(where):
            check.fail("epoch", repr(epoch), f"one of the checkpoints, {int(self.epochs[0])} to {int(self.epochs[-1])}")
        return (self.averages if averaged else self.weights)[int(where)]

    def finite(self) -> Tensor:
        """Which replicas did not diverge, bool [R]."""
        return self.weights[-1].finite()


def _anywhere(net):
    """The score of a network for points on other devices."""
    place = net.theta.device
    return lambda x, t: net.score(x.to(place), t.to(place) if isinstance(t, Tensor) else t).to(x.device)


def train_arms(arms: Mapping[str, Arm], sde: LinearSDE, *, epochs: int, every: int = 20, samples: int = 1000,
               dtype=None, device=None) -> dict[str, Trained]:
    """Train all arms side by side, one loop for each width, and keep a checkpoint after each ``every`` epochs.

    Args:
        arms: by name.
        epochs: of ``samples`` draws each, whatever n is: a smaller sample is repeated, a larger one thinned, at random.
        dtype, device: of the training; ``precision()`` and ``device()`` without them.
    """
    if not isinstance(arms, Mapping) or not arms or not all(isinstance(arm, Arm) for arm in arms.values()):
        check.fail("arms", repr(arms), "a dict of at least one Arm")
    epochs, every, samples = check.integer("epochs", epochs), check.integer("every", every), check.integer("samples", samples)
    if every > epochs:
        check.fail("every", every, f"at most epochs, {epochs}")
    kind, result = dict(dtype=dtype or settings.precision(), device=device or settings.device()), dict[str, Trained]()
    for width in dict.fromkeys(arm.width for arm in arms.values()):
        alike = {name: arm for name, arm in arms.items() if arm.width == width}
        result |= _side_by_side(alike, sde, epochs, every, samples, kind)
    return {name: result[name] for name in arms}


def _side_by_side(arms, sde, epochs, every, samples, kind):
    order = sorted(arms, key=lambda name: [id(arm.optimiser) for arm in arms.values()].index(id(arms[name].optimiser)))
    members = [arms[name] for name in order]
    sizes = [len(arm.seeds) for arm in members]
    nets = [arm.draw(sde, **kind) for arm in members]
    net = SwishNet(*(torch.cat([getattr(one, part) for one in nets]) for part in ("theta", "omega")), sde,
                   torch.cat([one.output_scale for one in nets]))
    feeds = [_feed(arm, samples, nets[0].theta.device) for arm in members]
    kept = []
    for point in train(net, lambda epoch: torch.cat([next(feed) for feed in feeds]),
                       [g for arm in members for g in arm.streams(2)], _grouped(members), epochs=epochs):
        if point.epoch % every == 0:
            kept.append((point.epoch, point.net.to(torch.float64), point.average.to(torch.float64)))
    rows = torch.arange(len(net.theta), device=net.theta.device).split(sizes)
    times = torch.tensor([epoch for epoch, _, _ in kept])
    return {name: Trained(times, [net[own] for _, net, _ in kept], [average[own] for _, _, average in kept])
            for name, own in zip(order, rows, strict=True)}


def _grouped(members):
    """One optimiser for consecutive arms that share it."""
    sizes = {}
    for arm in members:
        sizes[id(arm.optimiser)] = sizes.get(id(arm.optimiser), 0) + len(arm.seeds)
    by_id = {id(arm.optimiser): arm.optimiser for arm in members}
    return Grouped(list(sizes.values()), list(by_id.values())) if len(sizes) > 1 else members[0].optimiser


def _feed(arm, samples, device):
    """The data of one epoch after another, [R, samples]."""
    target, picks = arm.target.to(device), arm.streams(3)
    if arm.n is None:
        while True:
            yield torch.stack([target.sample(samples, g)[:, 0] for g in picks])
    pools = (target.sample(max(arm.pool, arm.n), g)[: arm.n, 0] for g in arm.streams(0))
    rows = torch.stack([pool.repeat(-(-samples // arm.n)) for pool in pools])
    while rows.shape[1] == samples:
        yield rows
    while True:
        orders = (rng.permutation(g, rows.shape[1], device=device)[:samples] for g in picks)
        yield torch.stack([row[order] for row, order in zip(rows, orders, strict=True)])
