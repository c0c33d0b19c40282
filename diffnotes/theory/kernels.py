r"""The kernel of random features, what a function costs in it, and the features of a linearised network.

For features sigma(v . y) with random v and y = (x, e(t)) the kernel is
:math:`k(y, y') = E[\sigma(v\cdot y)\,\sigma(v\cdot y')]`.  The norm of its space prices a function: gradient flow from zero
spends it little by little while the loss falls.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check
from ..base import device as default_device
from ..base import rng
from .features import RandomFeatures, cosine_embedding
from .flow import GradientFlow


def arc_cosine_kernel(y: Tensor, z: Tensor) -> Tensor:
    r"""E[relu(v . y) relu(v . z)] over v ~ N(0, I) for y [N, D] and z [K, D]: [N, K].

    It is ||y|| ||z|| (sin a + (pi - a) cos a) / (2 pi) with the angle a between y and z.  Source: Cho and Saul (2009).
    """
    y = check.tensor("y", y, ("N", "D"))
    z = check.tensor("z", z, ("K", y.shape[1]), like=y)
    sizes = torch.linalg.vector_norm(y, dim=1)[:, None] * torch.linalg.vector_norm(z, dim=1)
    cosine = (y @ z.mT / torch.where(sizes > 0, sizes, torch.ones_like(sizes))).clamp(-1, 1)
    angle = torch.arccos(cosine)
    return sizes * (torch.sin(angle) + (math.pi - angle) * cosine) / (2 * math.pi)


def dual_kernel(activation, x: Tensor, z: Tensor, *, terms: int = 24, nodes: int = 120) -> Tensor:
    r"""E[activation(v . x) activation(v . z)] over v ~ N(0, I) for x [N, D], z [K, D], all other than zero: [N, K].

    With the Hermite coefficients of u -> activation(|x| u) it is Mehler's series in the cosine g of the angle,

    .. math:: \sum_k c_k(|x|)\, c_k(|z|)\, g^k, \qquad c_k(s) = E[\mathrm{activation}(s u)\, He_k(u)] / \sqrt{k!},

    cut after ``terms`` (for tanh at |x| near 1 they leave out 1e-5 where g = 1, nothing at small g), with Gauss-Hermite
    quadrature for c_k in float64, on up to 370 ``nodes``.  ``activation`` should be smooth; for the hinge there is
    ``arc_cosine_kernel``.
    """
    check.function("activation", activation)
    x = check.tensor("x", x, ("N", "D"))
    z = check.tensor("z", z, ("K", x.shape[1]), like=x)
    terms, nodes = check.integer("terms", terms, 2), check.integer("nodes", nodes)
    if nodes > 370:
        check.fail("nodes", nodes, "at most 370, as NumPy's weights overflow beyond")
    u, mass = (x.new_tensor(part, dtype=torch.float64) for part in np.polynomial.hermite_e.hermegauss(nodes))
    sizes = [torch.linalg.vector_norm(points, dim=1) for points in (x, z)]
    for name, size in zip("xz", sizes, strict=True):
        check.holds(name, size > 0, "points other than zero", size)
    values = [check.tensor("activation", activation(size[:, None] * u.to(x)), (len(size), nodes), like=x) for size in sizes]
    values = [value.double() * mass / math.sqrt(2 * math.pi) for value in values]
    cosine = x @ z.mT / (sizes[0][:, None] * sizes[1])
    hermite, before, coefficients = torch.ones_like(u), torch.zeros_like(u), []
    for k in range(terms):
        coefficients.append([(value @ hermite).to(x) for value in values])  # He_k grows like e^(u^2/4), beyond float32
        hermite, before = (u * hermite - math.sqrt(k) * before) / math.sqrt(k + 1), hermite
    kernel = torch.zeros_like(cosine)
    for one, other in reversed(coefficients):  # Horner's rule, in place
        kernel.mul_(cosine).addr_(one, other)
    return kernel


def gaussian_features(width: int, d: int, T: float, generator, *, embedding: int = 3, dtype=torch.float64, device=None):
    """Features whose inner weights are standard normal: on average phi . phi' is the ``arc_cosine_kernel`` of y = (x, e(t))."""
    width, d, embedding = (check.integer(k, v) for k, v in (("width", width), ("d", d), ("embedding", embedding)))
    rows = rng.normal(generator, (width, d + embedding), **check.kind(dtype, device))
    return RandomFeatures(rows[:, :d], rows[:, d:], T)


def norm_needed(flow: GradientFlow, share) -> Tensor:
    """||Theta(tau)|| when the loss first is at most ``share`` of S, shape of share in (0, 1]; infinity where it never is.

    The flow is looked at 40 times a decade for tau from 1 to 1e10.
    """
    like = check.instance("flow", flow, GradientFlow).eigenvalues
    share = check.tensor("share", share, like=like)
    check.holds("share", (share > 0) & (share <= 1), "shares in (0, 1]", share)
    tau = torch.logspace(0, 10, 401, dtype=like.dtype, device=like.device)
    reached = flow.loss(tau) <= share[..., None] * flow.statistics.S
    norm = flow.norm(tau).take(reached.int().argmax(-1))
    return torch.where(reached.any(-1), norm, torch.full_like(norm, math.inf))


class TangentFeatures:
    """Features of a linearised network in d = 1: the gradient of (1/sqrt k) sum_i c_i relu(v_i . y) in all c_i and v_i.

    ``v`` [k, 1 + e] and ``c`` [k] are the weights at the start, y = (x, e(t)) with ``cosine_embedding(t, T, e)``.  There are
    k (2 + e) features: the k derivatives in c come first.
    """

    d = 1

    def __init__(self, v: Tensor, c: Tensor, T: float):
        self.v = check.tensor("v", v, ("k", "1 + e"))
        if self.v.shape[1] < 2:
            check.fail("v", f"shape {tuple(self.v.shape)}", "a column for x, and at least one for the time")
        self.c = check.tensor("c", c, (len(self.v),), like=self.v)
        self.T = check.number("T", T, 0.0, open_low=True)

    @classmethod
    def draw(cls, neurons: int, T: float, generator, *, embedding: int = 3, dtype=torch.float64, device=None):
        """Standard normal inner weights v_i and random signs c_i; on ``dn.device()``, as problems are, without a device."""
        neurons, embedding = check.integer("neurons", neurons), check.integer("embedding", embedding)
        kind = check.kind(dtype, default_device() if device is None else device)
        v = rng.normal(generator, (neurons, 1 + embedding), **kind)
        return cls(v, torch.sign(rng.normal(generator, (neurons,), **kind)), T)

    @property
    def width(self) -> int:
        """Number of features, k (2 + e)."""
        return self.v.numel() + len(self.v)

    def __call__(self, x: Tensor, t) -> Tensor:
        """The features at x [N, 1] and t [N] or a number: [N, width]."""
        x = check.tensor("x", x, ("N", 1), like=self.v)
        t = check.times("t", t, 0.0, self.T, like=x)
        if t.ndim:
            check.tensor("t", t, (len(x),))
        y = torch.cat([x, cosine_embedding(t.expand(len(x)), self.T, self.v.shape[1] - 1)], 1)
        inner = y @ self.v.mT
        slopes = ((inner > 0) * self.c)[:, :, None] * y[:, None, :]
        return torch.cat([torch.relu(inner), slopes.flatten(1)], 1) / math.sqrt(len(self.v))
