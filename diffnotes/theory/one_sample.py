r"""Two targets that one sample cannot tell apart, and four features that hold both of their scores.

The targets are N(c, 1) and N(-c, 1).  Under the Ornstein-Uhlenbeck process dx = -x dt + sqrt(2) dW they stay normal with variance
one, with scores -x +- c e^{-t}.  Let rho_0 be uniform on the four atoms (w; u) = (1; 0, 0), (-1; 0, 0), (0; 0, 1), (0; 0, -1),
with e(t) = (1, e^{-t}): then

.. math:: -x + c\,e^{-t} = -\sigma(x) + \sigma(-x) + c\,\sigma(e^{-t}), \qquad \|s\|_H^2 = 8 + 4 c^2,

so that both scores lie in the RKHS, and widths above four only repeat the same features.
"""

import math

import torch
from torch import Tensor

from ..base import checks as check
from .features import RandomFeatures


def four_atoms(T: float = 3.0, *, dtype: torch.dtype = torch.float64, device=None) -> RandomFeatures:
    """The features of rho_0 uniform on (w; u) = (+-1; 0, 0), (0; 0, +-1), with e(t) = (1, e^{-t}), which is width four.

    Their gradient flow is that of infinite width, and of every width m with a quarter of the features on each atom.
    """
    kind = check.kind(dtype, device)
    W = torch.tensor([[1.0], [-1.0], [0.0], [0.0]], **kind)
    U = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, -1.0]], **kind)
    return RandomFeatures(W, U, T, embed=lambda t: torch.stack([torch.ones_like(t), torch.exp(-t)], -1))


def four_atom_weights(c) -> Tensor:
    """The theta of ``four_atoms`` whose score is that of N(c, 1) at every time: (-2, 2, 2c, 0), [*b, 1, 4] for c [*b].

    Its norm is sqrt(8 + 4 c^2), the smallest of any theta with this score.  For c < 0 too: sigma is linear in its outer weight.
    """
    c = check.tensor("c", c)
    two = torch.full_like(c, 2.0)
    return torch.stack([-two, two, 2 * c, torch.zeros_like(c)], -1)[..., None, :]


def jensen_shannon(c, n_nodes: int = 401) -> Tensor:
    """JS of N(-c, 1) and N(c, 1) in nats, E log(2 / (1 + e^{-2 c x})) under x ~ N(c, 1), shape of c >= 0.

    It is c^2/2 - O(c^4) for small c, and log 2 for large ones.  The trapezoidal rule on 12 standard deviations; halve ``n_nodes``
    for its error.
    """
    c = check.tensor("c", c)
    check.holds("c", c >= 0, "c >= 0, half the distance of the two means", c)
    z = torch.linspace(-12, 12, check.integer("n_nodes", n_nodes, 3), dtype=c.dtype, device=c.device)
    mass = torch.exp(-(z**2) / 2)
    log_ratio = torch.nn.functional.softplus(-2 * c[..., None] * (z + c[..., None]))
    return math.log(2) - (mass * log_ratio).sum(-1) / mass.sum()


def two_point_chance(c, n: int) -> Tensor:
    """(1 - TV)/2 = Phi(-c sqrt(n)) for n samples of N(c, 1) or N(-c, 1), shape of c >= 0.

    For any rule that turns n samples into a density, under one of the two the divergence is at least ``jensen_shannon(c)`` with
    this probability (Le Cam's two points); its mean is at least twice their product.
    """
    c = check.tensor("c", c)
    check.holds("c", c >= 0, "c >= 0, half the distance of the two means", c)
    return torch.special.ndtr(-c * math.sqrt(check.integer("n", n)))
