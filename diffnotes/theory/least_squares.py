r"""Least squares on rows at any width: the flow on few samples in time that grows with the smaller of width and rows.

For rows phi_i with targets y_i the loss (1/N) sum_i ||Theta phi_i - y_i||^2 has B = Phi^T Phi / N and C = Y^T Phi / N.  With
f(b) = (1 - exp(-2 b tau)) / b its gradient flow from zero is, in the primal form and in the dual form,

.. math:: \Theta(\tau) = C f(B) = \tfrac1N\, Y^\top f(K)\, \Phi, \qquad K = \Phi\Phi^\top / N.

The first costs O(N m^2), the second O(m N^2): wide networks on few rows take the second.
"""

import math

import torch
from torch import Tensor

from ..base import checks as check


def least_squares_flow(phi: Tensor, y: Tensor, tau=math.inf) -> Tensor:
    """Theta(tau) of the flow from zero for rows phi [N, m], targets y [N, d], tau [*b], infinity allowed: [*b, d, m].

    At infinity it is the least-squares solution of least norm.  Directions whose eigenvalue is at most 1e-12 of the largest (in
    float32 1e-7, its rounding) are never learned.
    """
    phi = check.tensor("phi", phi, ("N", "m"))
    y = check.tensor("y", y, (len(phi), "d"), like=phi)
    tau = check.tensor("tau", tau, like=phi, finite=False)
    check.holds("tau", tau >= 0, "training times tau >= 0, or infinity", tau)
    wide = phi.shape[1] > len(phi)
    b, q = torch.linalg.eigh((phi @ phi.mT if wide else phi.mT @ phi) / len(phi))
    learned = b > max(1e-12, torch.finfo(b.dtype).eps) * b[-1]
    b = torch.where(learned, b, torch.ones_like(b))
    f = torch.where(learned, -torch.expm1(-2 * b * tau[..., None]) / b, torch.zeros_like(b))[..., None, :]
    if wide:
        return (y.mT @ q * f) @ q.mT @ phi / len(phi)
    return (y.mT @ phi @ q * f) @ q.mT / len(phi)
