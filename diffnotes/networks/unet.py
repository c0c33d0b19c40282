r"""A U-Net for images, as replicas with a row of parameters each, so that it trains in the same loop as ``SwishNet``."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import checks as check
from ..base import rng
from ..processes import GaussianMixture, LinearSDE
from .nets import Replicas


class UNet(Replicas):
    r"""R networks of convolutions down and up the scales, each scale with GroupNorm, swish, and a shift that depends on time.

    With the network's output F, an image like x, the score is the authors' (Section 4.2)

    .. math:: s(x, t) = F(x, t) / \mathrm{std}(t),

    or, where ``data_std`` is given, preconditioned (Karras et al. 2022; here for scale one, such as ``VE``): with c = data_std^2,

    .. math:: s(x, t) = -\frac{x}{c + \mathrm{std}^2} + \frac{\sqrt c}{\mathrm{std}\sqrt{c + \mathrm{std}^2}}
              F\Big(\frac{x}{\sqrt{c + \mathrm{std}^2}}, t\Big),

    the score of N(0, (c + std^2) I) and a correction whose target has unit variance.  The output layer starts at zero.

    Images are rows [d], d = side^2.  The replicas run one after another: on a CPU, batched convolutions are no faster.

    Attributes:
        theta: as in ``Replicas``, with omega, sde and its methods; the time features are sin, cos of :math:`2\pi\omega_k t`.
        channels: at each scale, finest first; from one to the next the side is halved.
        patch: the finest scale has side / patch pixels a side, and patch^2 grey levels each.
    """

    def __init__(self, theta: Tensor, omega: Tensor, sde: LinearSDE, side: int, *, channels=(32, 64, 128, 256), patch: int = 1,
                 data_std: float | None = None):
        self.omega = check.tensor("omega", omega, ("R", "F"))
        check.instance("sde", sde, LinearSDE)
        self.sde: LinearSDE = sde
        self.side, self.channels, self.patch = _sizes(side, channels, patch)
        self.data_std = None if data_std is None else check.number("data_std", data_std, 0.0, open_low=True)
        if data_std is not None and float(sde.scale(sde.T)) != 1:
            check.fail("sde", repr(sde), "an SDE with scale one, such as VE, where data_std is given")
        self._shapes = _shapes(self.channels, self.patch, 2 * self.omega.shape[1])
        size = sum(math.prod(shape) for shape in self._shapes.values())
        self.theta = check.tensor("theta", theta, (len(self.omega), size), like=self.omega, finite=False)

    @classmethod
    def draw(cls, side: int, sde: LinearSDE, generators, *, channels=(32, 64, 128, 256), patch: int = 1, data_std=None,
             frequencies: int = 16, frequency_std: float = 30.0, dtype=torch.float32, device=None) -> "UNet":
        """One network for each generator: weights uniform on +- 1/sqrt(fan in), GroupNorm at one and zero, output layer zero."""
        side, channels, patch = _sizes(side, channels, patch)
        frequencies = check.integer("frequencies", frequencies)
        frequency_std = check.number("frequency_std", frequency_std, 0.0, 1e6)
        kind, theta, omega = dict(dtype=dtype, device=device), [], []
        for generator in check.generators("generators", generators):
            omega.append(frequency_std * rng.normal(generator, (frequencies,), **kind))
            kind = dict(dtype=dtype, device=omega[-1].device)
            theta.append(torch.cat([_initial(name, shape, generator, kind).flatten()
                                    for name, shape in _shapes(channels, patch, 2 * frequencies).items()]))
        return cls(torch.stack(theta), torch.stack(omega), sde, side, channels=channels, patch=patch, data_std=data_std)

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return (self.side**2,)

    @property
    def prior(self) -> GaussianMixture:
        """Where generation starts, the marginal at T of an isotropic Gaussian with variance data_std^2 (zero without it)."""
        kind = dict(dtype=self.theta.dtype, device=self.theta.device)
        spread = ((self.data_std or 0.0) ** 2 + float(self.sde.std(self.sde.T)) ** 2) ** 0.5
        return GaussianMixture.isotropic(torch.ones(1, **kind), torch.zeros(1, *self.event, **kind), spread)

    def inputs(self, x: Tensor, t: Tensor) -> Tensor:
        """x [R, d, N], t and std(t) [R, N] in one tensor [R, d + 2, N]."""
        return torch.cat([x, t[:, None], self.sde.std(t)[:, None]], 1)

    def gradient(self, inputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The loss (5) weighted with std^2, (1/N) sum_k |std s + z_k|^2, and its gradient, for noise [R, d, N]: [R], [R, P]."""
        losses, gradients = [], []
        for row, omega, seen, z in zip(self.theta, self.omega, inputs, noise, strict=True):
            row = row.detach().requires_grad_()
            with torch.enable_grad():
                loss = (self._of_one(row, omega, seen[:-2].mT, seen[-2], seen[-1]) + z.mT).square().sum(1).mean()
                gradients.append(torch.autograd.grad(loss, row)[0])
            losses.append(loss.detach())
        return torch.stack(losses), torch.stack(gradients)

    def _std_score(self, x, t):
        rows = zip(self.theta, self.omega, x, t, self.sde.std(t), strict=True)
        return torch.stack([self._of_one(*row) for row in rows])

    def _of_one(self, theta, omega, x, t, std):
        """std(t) s(x, t) of one replica, for x [N, d], t and std(t) [N]."""
        if self.data_std is None:
            return self._network(theta, omega, x, t)
        std = std[:, None]
        scale = torch.sqrt(self.data_std**2 + std**2)
        return (self.data_std * self._network(theta, omega, x / scale, t) - std * x / scale) / scale

    def _network(self, theta, omega, x, t):
        """F for one replica."""
        sizes = [math.prod(shape) for shape in self._shapes.values()]
        part = {name: piece.view(shape) for (name, shape), piece in zip(self._shapes.items(), theta.split(sizes), strict=True)}
        angle = 2 * math.pi * omega * t[:, None]
        time = F.silu(F.linear(torch.cat([angle.sin(), angle.cos()], 1), part["time weight"], part["time bias"]))

        def block(name, image, stride=1):
            shift = F.linear(time, part[f"{name} shift"], part[f"{name} bias"])[:, :, None, None]
            image = F.conv2d(image, part[f"{name} weight"], stride=stride, padding=1) + shift
            groups = image.shape[1] // _GROUP
            return F.silu(F.group_norm(image, groups, part[f"{name} scale"], part[f"{name} offset"]))

        image, scales = F.pixel_unshuffle(x.view(-1, 1, self.side, self.side), self.patch), []
        image = image.contiguous(memory_format=torch.channels_last)  # on a CPU convolutions take a tenth less time so
        for k in range(len(self.channels)):
            image = block(f"down {k}", image, stride=1 if k == 0 else 2)
            scales.append(image)
        for k in reversed(range(len(self.channels) - 1)):
            image = F.interpolate(image, size=scales[k].shape[-2:])
            image = block(f"up {k}", torch.cat([image, scales[k]], 1))
        image = F.conv2d(image, part["out weight"], part["out bias"], padding=1)
        return F.pixel_shuffle(image, self.patch).reshape(len(x), -1)

    def _rows(self):
        return self.theta, self.omega

    def _like(self, *rows):
        theta, omega = rows
        return UNet(theta, omega, self.sde, self.side, channels=self.channels, patch=self.patch, data_std=self.data_std)


_GROUP = 4  # channels in a group of GroupNorm


def _sizes(side, channels, patch) -> tuple[int, tuple[int, ...], int]:
    side, patch = check.integer("side", side), check.integer("patch", patch)
    channels = tuple(check.integer("channels", c) for c in check.sequence("channels", channels))
    if side % patch:
        check.fail("patch", patch, f"a divisor of side = {side}")
    if not channels or any(c % _GROUP for c in channels):
        check.fail("channels", channels, f"multiples of {_GROUP}, one for each scale")
    if side // patch < 2 ** (len(channels) - 1):
        check.fail("channels", f"{len(channels)} scales", f"so many that {side // patch} pixels can be halved that often")
    return side, channels, patch


def _shapes(channels, patch, features):
    """Name and shape of every parameter, in the order of theta."""
    shapes = {"time weight": (features, features), "time bias": (features,)}
    before = (patch**2, *channels)
    blocks = [(f"down {k}", c, before[k]) for k, c in enumerate(channels)]
    blocks += [(f"up {k}", channels[k], channels[k + 1] + channels[k]) for k in reversed(range(len(channels) - 1))]
    for name, out, into in blocks:
        shapes |= {f"{name} weight": (out, into, 3, 3), f"{name} shift": (out, features), f"{name} bias": (out,),
                   f"{name} scale": (out,), f"{name} offset": (out,)}
    return shapes | {"out weight": (patch**2, channels[0], 3, 3), "out bias": (patch**2,)}


def _initial(name, shape, generator, kind):
    if name.endswith("scale"):
        return torch.ones(shape, **kind)
    if name.startswith("out") or name.endswith(("bias", "offset")):
        return torch.zeros(shape, **kind)
    return (2 * rng.uniform(generator, shape, **kind) - 1) * math.prod(shape[1:]) ** -0.5
