r"""How far the empirical gradient is from the population's: the terms J_1, J_2 and J_3 in the proof of Theorem 1.

The proof follows the loss with the *true* score at the noised samples.  With :math:`\hat B = \frac1n\sum_j B_j`,
:math:`\hat C = \frac1n\sum_j C_j`, :math:`D = \hat B - B`, :math:`E = \hat C - C` and :math:`\Delta = \hat\Theta - \Theta`,
half of the difference of the gradients is

.. math:: (\Theta D - E) + \Delta\hat B, \qquad \|\Theta D - E\| \le J_1 + J_2, \qquad J_3 = \|\Delta\hat B\|.

J_1 and J_2 are forms of this book, linear in the norm R = ||Theta||, where the printed J_1 is quadratic in its bound:
:math:`J_1 = 2E_\varepsilon[R\,\|\frac1n\sum\varepsilon_jB_j\|_{op} + \|\frac1n\sum\varepsilon_jC_j\|_F]` with random signs, and
:math:`J_2 = \max_j(R\,\|B_j\|_{op} + \|C_j\|_F)\sqrt{2\log(1/\delta)/n}`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng
from ..processes import DiffusedMixture, Grid
from .features import RandomFeatures
from .flow import GradientFlow, Statistics


@dataclass(frozen=True)
class GradientGap:
    """The terms at the training times tau, each of its shape; ``fluctuation`` is ||Theta D - E||, ``by_norms`` bounds J3."""

    J1: Tensor
    J2: Tensor
    J3: Tensor
    fluctuation: Tensor
    by_norms: Tensor


def sample_statistics(features: RandomFeatures, grid: Grid, p: DiffusedMixture, data: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """B_j [n, m, m], C_j [n, 1, m] and S_j [n] of each sample of data [n, 1], with the true score of p as the target; d = 1."""
    check.instance("features", features, RandomFeatures)
    check.instance("grid", grid, Grid)
    score = grid.weighted(p).score[:, 0]
    data = check.tensor("data", data, ("n", 1), like=grid.x)
    phi, scale, std = features(grid.x, grid.t), p.sde.scale(grid.t), p.sde.std(grid.t)
    z = (grid.x[:, 0] - scale * data) / std  # [n, N]
    weight = grid.volume * torch.exp(-(z**2) / 2) / (std * math.sqrt(2 * math.pi))
    B = torch.stack([(phi.mT * each) @ phi for each in weight])
    return (B + B.mT) / 2, ((weight * score) @ phi)[:, None], weight @ score**2


def gradient_gap(flow: GradientFlow, B: Tensor, C: Tensor, S: Tensor, tau, generator, *, signs: int = 32,
                 delta: float = 0.05) -> GradientGap:
    """The three J of the samples B [n, m, m], C [n, d, m], S [n] along the population's ``flow``.

    ``signs`` draws of the random signs stand for their average.
    """
    m, d = check.instance("flow", flow, GradientFlow).theta0.shape[1], flow.theta0.shape[0]
    B = check.tensor("B", B, ("n", m, m), like=flow.theta0)
    n = len(B)
    C, S = check.tensor("C", C, (n, d, m), like=B), check.tensor("S", S, (n,), like=B)
    delta = check.number("delta", delta, 0.0, 1.0, open_low=True, open_high=True)
    flips = rng.uniform(generator, (check.integer("signs", signs), n), dtype=B.dtype, device=B.device)
    flips = torch.where(flips < 0.5, -1.0, 1.0).to(B) / n
    trained = GradientFlow(Statistics(B.mean(0), C.mean(0), S.mean()), flow.theta0)
    theta, R, size = flow.theta(tau), flow.norm(tau), torch.linalg.matrix_norm
    D, E = B.mean(0) - flow.statistics.B, C.mean(0) - flow.statistics.C
    by_sign = [(size(torch.tensordot(e, B, 1), 2), size(torch.tensordot(e, C, 1))) for e in flips]
    rough, free = (torch.stack(each).mean() for each in zip(*by_sign, strict=True))
    return GradientGap(
        J1=2 * (R * rough + free),
        J2=(R[..., None] * size(B, 2) + size(C)).amax(-1) * math.sqrt(2 * math.log(1 / delta) / n),
        J3=size((trained.theta(tau) - theta) @ B.mean(0)),
        fluctuation=size(theta @ D - E),
        by_norms=size(B.mean(0), 2) * (R + trained.norm(tau)))
