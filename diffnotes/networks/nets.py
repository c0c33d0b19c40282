r"""The trained network of the paper's synthetic experiments, as a batch of replicas.

R networks are one tensor with a row of parameters for each.  Every operation acts on each row alone, so that R
independent trainings are one loop over batched matrix products, on the CPU or a GPU.
"""

import math
from typing import Self

import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng
from ..processes import LinearSDE


class Replicas:
    """What ``SwishNet`` and ``UNet`` share: R networks of one kind, with a row of parameters for each.

    Attributes:
        theta: all trained parameters, [R, P]; a row is NaN or infinite where its training has diverged.
        omega: the frequencies of the time features, frozen, [R, F].
        sde: gives std(t).
    """

    theta: Tensor
    omega: Tensor
    sde: LinearSDE

    @property
    def replicas(self) -> int:
        """How many, R."""
        return len(self.theta)

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of a sample, () for numbers and (d,) for vectors."""
        raise NotImplementedError

    def with_theta(self, theta: Tensor) -> Self:
        """The same networks with other parameters [R, P]; the tensor itself, which training changes in place."""
        return self._like(theta, *self._rows()[1:])

    def to(self, dtype) -> Self:
        """The same networks in another precision."""
        if dtype not in (torch.float32, torch.float64):
            check.fail("dtype", repr(dtype), "torch.float32 or torch.float64")
        return self._like(*(tensor.to(dtype) for tensor in self._rows()))

    def __getitem__(self, rows) -> Self:
        """Some of the replicas: a slice, or a boolean or integer tensor."""
        return self._like(*(tensor[rows] for tensor in self._rows()))

    def finite(self) -> Tensor:
        """Whether a replica's parameters are all finite, bool [R]."""
        return self.theta.isfinite().all(1)

    def score(self, x: Tensor, t) -> Tensor:
        """The ``ScoreFn``: x [N, d], or [R, N, d] with points for each replica, at t a number, [N] or [R, N]: [R, N, d].

        For one replica the result has the shape of x, as samplers need it.
        """
        x, own, t = self._points(x, t)
        value = self._std_score(own, t) / self.sde.std(t)[..., None]
        return value.view_as(x) if self.replicas == 1 else value

    def _points(self, x, t) -> tuple[Tensor, Tensor, Tensor]:
        """The checked x, and both with a row for each replica: x [R, N, d] and t [R, N]."""
        x, d = check.tensor("x", x, like=self.omega), math.prod(self.event)
        if x.ndim not in (2, 3) or x.shape[-1] != d or x.shape[:-2] not in ((), (self.replicas,)) or not x.numel():
            image = "; an image is a row: x.flatten(1)" if d > 1 else ""
            check.fail("x", f"shape {tuple(x.shape)}", f"shape [N, {d}] or [{self.replicas}, N, {d}]{image}")
        own = x.expand(self.replicas, *x.shape[-2:])
        t, rows = check.times("t", t, 0.0, self.sde.T, like=x), own.shape[:2]
        if t.ndim and t.shape not in (rows, rows[1:]):
            check.fail("t", f"shape {tuple(t.shape)}", f"a number, shape {tuple(rows[1:])} or shape {tuple(rows)}")
        check.holds("t", t > 0, f"SDE times in (0, {self.sde.T:g}]: the network divides by std(t)", t)
        return x, own, t.expand(rows)

    def _rows(self) -> tuple[Tensor, ...]:
        """The tensors with a row for each replica, theta first."""
        raise NotImplementedError

    def _like(self, *rows: Tensor) -> Self:
        """The networks with other tensors in the place of ``_rows()``."""
        raise NotImplementedError

    def _std_score(self, x: Tensor, t: Tensor) -> Tensor:
        """std(t) s(x, t) for x [R, N, d] and t [R, N]."""
        raise NotImplementedError


class SwishNet(Replicas):
    r"""R networks with one hidden layer and swish activation, in one dimension, all layers trained (Section 4.1).

    .. math:: s(x, t) = \frac{1}{c\,\mathrm{std}(t)}
              \Big(a_0 + \sum_{i=1}^{h} a_i\,\mathrm{swish}(w_i x + u_i \cdot e(t) + b_i + b_i')\Big)

    with swish(y) = y sigmoid(y), e(t) the sines and cosines of :math:`2\pi\omega_k t` for frozen frequencies
    :math:`\omega_k \sim N(0, 30^2)`, and the authors' output scale c = 16.  The two inner biases come from their two inner
    layers, one for x and one for e(t); under gradient descent they move twice as fast as one would.

    Attributes:
        theta: as in ``Replicas``, with omega, sde and its methods; P = h (2F + 4) + 1.
        output_scale: c, [R]; given as a number or one for each replica.
    """

    def __init__(self, theta: Tensor, omega: Tensor, sde: LinearSDE, output_scale=16.0):
        self.omega = check.tensor("omega", omega, ("R", "F"))
        self.theta = check.tensor("theta", theta, (len(self.omega), "P"), like=self.omega, finite=False)
        check.instance("sde", sde, LinearSDE)
        scale = check.tensor("output_scale", output_scale, like=self.omega)
        check.holds("output_scale", scale > 0, "numbers > 0", scale)
        if scale.ndim and scale.shape != self.theta.shape[:1]:
            check.fail("output_scale", f"shape {tuple(scale.shape)}", f"a number or shape ({len(self.theta)},)")
        self.sde, self.output_scale = sde, scale.expand(len(self.theta))
        size = 2 * self.omega.shape[1] + 3
        self.width, rest = divmod(self.theta.shape[1] - 1, size + 1)
        if rest or not self.width:
            check.fail("theta", f"{self.theta.shape[1]} parameters a replica", f"h * {size + 1} + 1 of them, for a width h >= 1")
        # Views, made once: for networks this small a step's time is the number of calls, not the arithmetic.
        self._inner = self.theta[:, : self.width * size].view(-1, size, self.width).mT
        self._outer, self._constant = self.theta[:, None, self.width * size : -1], self.theta[:, -1:, None]
        self._scale, self._one = self.output_scale[:, None], torch.ones_like(self.theta[0, 0])
        self._twice: dict[int, Tensor] = {}  # 2 / (c N) for a batch of N

    @classmethod
    def draw(cls, width: int, sde: LinearSDE, generators, *, frequencies: int = 2, frequency_std: float = 30.0,
             output_scale=16.0, dtype=torch.float32, device=None) -> "SwishNet":
        """One network for each generator, initialised as ``torch.nn.Linear`` is: uniformly on +- 1/sqrt(fan in)."""
        width, frequencies = check.integer("width", width), check.integer("frequencies", frequencies)
        frequency_std = check.number("frequency_std", frequency_std, 0.0, 1e6)
        kind, of_time = dict(dtype=dtype, device=device), (2 * frequencies) ** -0.5
        generators = check.generators("generators", generators)
        omega = torch.stack([frequency_std * rng.normal(g, (frequencies,), **kind) for g in generators])
        kind = dict(dtype=omega.dtype, device=omega.device)
        inner = torch.tensor([1.0] + [of_time] * (2 * frequencies) + [1.0, of_time], **kind)
        bound = torch.cat([inner.repeat_interleave(width), torch.full((width + 1,), width**-0.5, **kind)])
        theta = torch.stack([(2 * rng.uniform(g, (len(bound),), **kind) - 1) * bound for g in generators])
        return cls(theta, omega, sde, output_scale)

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of a sample, that of a number."""
        return ()

    def inputs(self, x: Tensor, t: Tensor) -> Tensor:
        """What the hidden layer sees, (x, sines, cosines, 1, 1), for x and t [R, N]: [R, 2F + 3, N]."""
        angle = 2 * math.pi * self.omega[..., None] * t[:, None]
        x, one = x[:, None], torch.ones_like(angle[:, :1])
        return torch.cat([x, angle.sin(), angle.cos(), one, one], 1)

    def output(self, inputs: Tensor) -> Tensor:
        """c std(t) s(x, t) for ``inputs`` [R, 2F + 3, N]: [R, N]."""
        return self._read_out(torch.nn.functional.silu(torch.bmm(self._inner, inputs)))

    @torch.no_grad()
    def gradient(self, inputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The loss (5) weighted with std^2, (1/N) sum_k (output_k / c + z_k)^2, and its gradient: [R], [R, P].

        std(t) cancels, since the perturbation kernel's score is -z/std.  The gradient is written out: for networks this
        small, automatic differentiation costs more than the arithmetic.
        """
        N = noise.shape[1]
        if N not in self._twice:
            self._twice[N] = 2 / (self._scale * N)
        hidden = torch.bmm(self._inner, inputs)  # [R, h, N]
        gate = torch.sigmoid(hidden)
        swish = hidden.mul_(gate)
        slope = torch.lerp(swish, self._one, gate, out=gate)  # swish' = swish + gate (1 - swish)
        residual = self._read_out(swish).div_(self._scale).add_(noise)
        error = (residual * self._twice[N])[:, None]
        to_outer = torch.bmm(error, swish.mT)[:, 0]
        to_inner = torch.bmm(inputs * error, slope.mT).mul_(self._outer)
        return residual.square().mean(1), torch.cat([to_inner.flatten(1), to_outer, error.sum(2)], 1)

    def sharpness(self, inputs: Tensor) -> Tensor:
        r"""Largest eigenvalue of :math:`2 J^\top J / N`, J the outputs' derivatives over c, at ``inputs`` [R, 2F + 3, N]: [R].

        It is the Gauss-Newton part of the loss's Hessian.  Descent on all N samples with rate eta is unstable where it exceeds
        2 / eta; the noise of small batches makes it unstable earlier.
        """
        inputs = check.tensor("inputs", inputs, (self.replicas, self._inner.shape[2], "N"), like=self.theta)
        found, N = [], inputs.shape[2]
        for replica, own in enumerate(inputs):
            many = self[torch.full((N,), replica, device=own.device)]  # the same network once for each sample
            own = own.mT[..., None]
            half = 0.5 - many.output(own) / many._scale  # with this noise the residual is 1/2: gradient is J
            J = many.gradient(own, half)[1]  # [N, P]; of J J^T and J^T J the smaller, which is cheaper than J's singular values
            found.append(2 / N * torch.linalg.eigvalsh(J @ J.mT if N < J.shape[1] else J.mT @ J)[-1])
        return torch.stack(found)

    def _read_out(self, hidden):
        return torch.baddbmm(self._constant, self._outer, hidden)[:, 0]

    def _std_score(self, x, t):
        return (self.output(self.inputs(x[..., 0], t)) / self._scale)[..., None]

    def _rows(self):
        return self.theta, self.omega, self.output_scale

    def _like(self, *rows):
        theta, omega, scale = rows
        return SwishNet(theta, omega, self.sde, scale)
