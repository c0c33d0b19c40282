"""Training of batched replicas: R independent runs in one loop, each with its own data, initialisation and noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from ..base import checks as check
from ..base import rng
from ..processes import LinearSDE


class Network(Protocol):
    """What ``train`` asks of a network: these attributes, of ``SwishNet``, ``UNet``, or an object of your own.

    Attributes:
        theta: all trained parameters, with a row for each of R independent replicas, [R, P].  A step changes it in place,
            and ``gradient`` must see that.
        sde: the noise.
    """

    theta: Tensor
    sde: LinearSDE

    @property
    def replicas(self) -> int:
        """How many, R."""

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of a sample, () for numbers and (d,) for vectors."""

    def inputs(self, x: Tensor, t: Tensor) -> Tensor:
        """What the network sees at noisy samples x [R, *event, n] and times t [R, n], in one tensor [R, ..., n]."""

    def gradient(self, inputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The losses and their gradients for a batch of N inputs [R, ..., N] and noise [R, *event, N]: [R], [R, P].

        The loss (5) weighted with std^2 is (1/N) sum_k |std s + z_k|^2.
        """

    def with_theta(self, theta: Tensor) -> "Network":
        """The same networks with this very tensor as their parameters."""


class SGD:
    """theta <- theta - rate * gradient.  ``rate`` is a number, or a function of the epoch (1, 2, ...) that gives one."""

    def __init__(self, rate):
        self.rate = _rate(rate)

    def step(self, theta: Tensor, gradient: Tensor, epoch: int) -> None:
        """Change theta in place."""
        theta.sub_(gradient, alpha=self.rate(epoch))


class Adam:
    """Kingma and Ba's Adam, entry by entry, so that replicas do not meet.  ``rate`` as in ``SGD``; for one training only."""

    def __init__(self, rate, betas=(0.9, 0.999), epsilon: float = 1e-8):
        self.rate, self.epsilon = _rate(rate), check.number("epsilon", epsilon, 0.0, open_low=True)
        self.betas = tuple(check.number("betas", beta, 0.0, 1.0, open_high=True) for beta in check.sequence("betas", betas))
        if len(self.betas) != 2:
            check.fail("betas", f"{len(self.betas)} numbers", "two")
        self.steps = 0
        self.moments: tuple[Tensor, Tensor] | None = None  # running means of gradient and squared gradient

    def step(self, theta: Tensor, gradient: Tensor, epoch: int) -> None:
        """Change theta in place."""
        if self.moments is None:
            self.moments = torch.zeros_like(theta), torch.zeros_like(theta)
        (mean, square), (first, second) = self.moments, self.betas
        self.steps += 1
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = square.sqrt().div_((1 - second**self.steps) ** 0.5).add_(self.epsilon)
        theta.addcdiv_(mean, root, value=-self.rate(epoch) / (1 - first**self.steps))


class Grouped:
    """Different optimisers for consecutive groups of replicas, so that they can share one loop; they do not meet."""

    def __init__(self, sizes, optimisers):
        self.sizes = [check.integer("sizes", size) for size in check.sequence("sizes", sizes)]
        self.optimisers = [_optimiser("optimisers", one) for one in check.sequence("optimisers", optimisers)]
        if len(self.sizes) != len(self.optimisers) or len({id(one) for one in self.optimisers}) < len(self.sizes):
            check.fail("optimisers", f"{len(self.optimisers)} for {len(self.sizes)} groups", "one of its own for each group")

    def step(self, theta: Tensor, gradient: Tensor, epoch: int) -> None:
        """Change theta in place."""
        if sum(self.sizes) != len(theta):
            check.fail("sizes", f"groups of {self.sizes}", f"sizes with the sum {len(theta)}, the number of replicas")
        for one, rows, slopes in zip(self.optimisers, theta.split(self.sizes), gradient.split(self.sizes), strict=True):
            one.step(rows, slopes, epoch)


@dataclass(frozen=True)
class Checkpoint:
    """The replicas after an epoch.

    Attributes:
        epoch: 1, 2, ...
        net: the networks as they are, of the kind that was trained.
        average: the same with an exponential moving average of the parameters over steps.
        loss: mean training loss of the epoch, [R].
    """

    epoch: int
    net: Any
    average: Any
    loss: Tensor


def train(net: Network, data, generators, optimiser, *, epochs: int, batch: int = 32, t_min: float = 1e-5,
          decay: float = 0.999, progress: bool = True) -> Iterator[Checkpoint]:
    """Denoising score matching with t uniform on (t_min, T) and weight std(t)^2; yields a ``Checkpoint`` after each epoch.

    Args:
        net: where to start; it is left as it is.  Anything with the attributes of ``Network``.
        data: samples, a row for each replica: [R, n] for ``SwishNet``, [R, n, d] for ``UNet``; or a function of the epoch
            (1, 2, ...) that gives them, which can hold new samples in every epoch.  Each row is shuffled in each epoch.
        generators: one for each replica, for order and noise.  A replica's numbers do not depend on the others.
        optimiser: ``SGD``, ``Adam``, ``Grouped``, or any object with their ``step``.
        epochs: passes through the data.
        batch: samples in a step; the last one of an epoch may be smaller.
        decay: of the moving average of the parameters, per step.
        progress: show a bar (environment variable TQDM_DISABLE=1 hides all bars).

    A replica whose parameters overflow goes on as NaN, and the others are not touched.
    """
    missing = [name for name in _NEEDED if not hasattr(net, name)]
    if missing:
        check.fail("net", f"{type(net).__name__} without {', '.join(missing)}", "a SwishNet, a UNet, or what Network describes")
    _optimiser("optimiser", optimiser)
    epochs, batch = check.integer("epochs", epochs), check.integer("batch", batch)
    t_min = check.number("t_min", t_min, 0.0, net.sde.T, open_low=True, open_high=True)
    decay = check.number("decay", decay, 0.0, 1.0, open_high=True)
    generators = check.generators("generators", generators)
    if len(generators) != net.replicas:
        check.fail("generators", f"{len(generators)} of them", f"{net.replicas}, one for each replica")
    if not callable(data):
        fixed = _data(data, net)
    samples = data if callable(data) else lambda epoch: fixed
    return _loop(net, samples, generators, optimiser, epochs, batch, t_min, decay, progress)


_NEEDED = ("theta", "sde", "replicas", "event", "inputs", "gradient", "with_theta")  # Network's attributes


def _loop(net, data, generators, optimiser, epochs, batch, t_min, decay, progress):
    kind = dict(dtype=net.theta.dtype, device=net.theta.device)
    theta, average = net.theta.detach().clone(), net.theta.detach().clone()
    net = net.with_theta(theta)
    if net.theta is not theta:  # steps would change what the network does not see
        check.fail("net", "with_theta that copies", "with_theta that keeps the tensor it is given as theta")
    hidden = {} if progress else {"disable": True}  # disable=False would override the environment variable
    for epoch in tqdm(range(1, epochs + 1), unit="epoch", **hidden):
        x = _data(data(epoch), net).to(**kind)
        n = x.shape[1]
        x = torch.take_along_dim(x, rng.permutation(generators, n, device=x.device).view(-1, n, *[1] * len(net.event)), 1)
        t = t_min + (net.sde.T - t_min) * rng.uniform(generators, (n,)).to(**kind)
        noise = rng.normal(generators, (n, *net.event)).to(**kind)
        x, noise = x.movedim(1, -1), noise.movedim(1, -1)  # samples last: [R, n], or [R, d, n]
        scale, std = (f(t).view(net.replicas, *[1] * len(net.event), n) for f in (net.sde.scale, net.sde.std))
        inputs = net.inputs(scale * x + std * noise, t)
        total = torch.zeros(net.replicas, **kind)
        for seen, z in zip(inputs.split(batch, -1), noise.split(batch, -1), strict=True):
            loss, gradient = net.gradient(seen, z)
            if gradient.shape != net.theta.shape or loss.shape != total.shape:  # would spread over replicas unseen
                check.fail("net", f"gradient of shapes {tuple(loss.shape)} and {tuple(gradient.shape)}",
                           f"shapes {tuple(total.shape)} and {tuple(net.theta.shape)}")
            optimiser.step(net.theta, gradient, epoch)
            average.lerp_(net.theta, 1 - decay)
            total += loss * (z.shape[-1] / n)
        yield Checkpoint(epoch, net.with_theta(net.theta.clone()), net.with_theta(average.clone()), total)


def _data(data, net):
    data = check.tensor("data", data, (net.replicas, "n", *net.event))
    if data.device != net.theta.device:
        check.fail("data", f"device {data.device}", f"device {net.theta.device}, where the network is")
    return data


def _optimiser(name, value):
    if not callable(getattr(value, "step", None)):
        check.fail(name, type(value).__name__, "SGD, Adam, Grouped, or an object with their method step")
    return value


def _rate(rate):
    if callable(rate):
        return rate
    rate = check.number("rate", rate, 0.0, open_low=True)
    return lambda epoch: rate
