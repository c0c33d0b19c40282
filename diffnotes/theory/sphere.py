r"""What a function costs when infinitely many features are uniform on the sphere, for d = 1.

With the embedding e(t) = (1, std(t)) the features are sigma(v . y), y = (x, 1, std), v uniform on S^2.  As sigma is homogeneous,
a network is known by its values g on |y| = 1, and :math:`g(y) = E_v\,a(v)\,\sigma(v\cdot y)` multiplies the part of degree l
of :math:`a` in spherical harmonics by :math:`\mu_l = \frac12\int_0^1 s P_l(s)\,ds` (Funk and Hecke): 1/4, 1/6, 1/16, 0, ...
So a is found degree by degree, and :math:`\|g\|_H^2 = E\,a^2`.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check


def sphere_points(degree: int, *, dtype: torch.dtype = torch.float64, device=None) -> tuple[Tensor, Tensor]:
    """Points y [degree + 1, 2 degree + 2, 3] on S^2 and weights [degree + 1, 1] of their average over all of them.

    Gauss-Legendre in the last coordinate, even in longitude: products of two polynomials of that degree are averaged exactly.
    """
    kind, degree = check.kind(dtype, device), check.integer("degree", degree)
    z, weight = (torch.from_numpy(part).to(**kind) for part in np.polynomial.legendre.leggauss(degree + 1))
    angle = torch.arange(2 * degree + 2, **kind) * (math.pi / (degree + 1))
    flat = (1 - z**2).sqrt()[:, None]
    y = torch.stack([flat * angle.cos(), flat * angle.sin(), z[:, None].expand(-1, len(angle))], -1)
    return y, weight[:, None] / (4 * degree + 4)


def outer_weights(values: Tensor) -> Tensor:
    """a(v) at ``sphere_points(degree)`` for the network g with these values there, [degree + 1, 2 degree + 2] both.

    The network is even but for its part of degree one: odd degrees from three on, which no network has, are left out, and so are
    degrees above ``degree``.  Its squared norm is the weighted sum of a^2.
    """
    degree = len(check.tensor("values", values, ("degree + 1", "longitudes"))) - 1
    check.tensor("values", values, (degree + 1, 2 * degree + 2))
    z, weight = (torch.from_numpy(part).to(values)[:, None] for part in np.polynomial.legendre.leggauss(degree + 1))
    order = torch.arange(degree + 1, dtype=values.dtype, device=values.device)
    seen = torch.fft.rfft(values, dim=1)[:, :degree + 1] * weight / 2
    found, before, here = torch.zeros_like(seen), torch.zeros_like(order * z), torch.zeros_like(order * z)
    top, multiplier = torch.ones_like(z[:, 0]), [1 / 4, 1 / 6, 1 / 16]
    for k in range(degree + 1):
        # Normalised Legendre functions of degree k, all orders at once: a recurrence in k, started on the diagonal.
        a = ((4 * k**2 - 1) / (k**2 - order**2)).clamp(min=0).sqrt().where(order < k, 0) if k else torch.zeros_like(order)
        b = (((k - 1) ** 2 - order**2).clamp(min=0) / (4 * (k - 1) ** 2 - 1)).sqrt() if k > 1 else torch.zeros_like(order)
        before, here = here, a * (z * here - b * before)
        here[:, k] = top
        top = top * (1 - z[:, 0] ** 2).sqrt() * math.sqrt((2 * k + 3) / (2 * k + 2))
        if k > 2:
            multiplier.append(0.0 if k % 2 else -multiplier[k - 2] * (k - 3) / (k + 2))
        if multiplier[k]:
            found = found + here * ((here * seen).sum(0) / multiplier[k])
    return torch.fft.irfft(torch.cat([found, torch.zeros_like(found[:, :1])], 1), n=2 * degree + 2, dim=1)
