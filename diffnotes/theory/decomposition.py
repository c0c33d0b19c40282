r"""The part I_3 of the paper's decomposition (15) where infinite width is exact: a law of features with M atoms.

Let rho_0 be uniform on M features, with the network :math:`\bar s = \bar\Theta\,\varphi_M` as (13) and a in its k-th atom
:math:`a_k = \sqrt M\,\bar\Theta_k`.  A network of width m draws ``index`` [m] from the M atoms, independently:
:math:`\varphi_m = \sqrt{M/m}\,\varphi_M[\mathrm{index}]`.  Both are functions of the M atoms, so that every distance is a
quadratic form in the matrix B of the atoms.  The paper splits, before its (34),

.. math:: I_3 = \|s_{\theta(\tau)} - \bar s_{\bar\theta(\tau)}\|^2 \le 3\,(I_{3,1} + I_{3,2} + I_{3,3})

at a comparison bar-theta* and theta*, its Monte Carlo estimator :math:`\Theta^*_i = a_{\mathrm{index}_i}/\sqrt m`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import checks as check
from .flow import GradientFlow, Statistics
from .monte_carlo import MonteCarlo


@dataclass(frozen=True)
class FiniteWidth:
    """I_3 and its parts as the paper names them, each of the shape of tau; ``I32`` does not depend on it.

    I31 is the distance of the infinitely wide flow from its comparison, I33 that of the flow of width m from the estimator.
    """

    I3: Tensor
    I31: Tensor
    I32: Tensor
    I33: Tensor


def drawn_statistics(statistics: Statistics, index: Tensor) -> Statistics:
    """B, C and S of the m features ``index`` [m], whole numbers, drawn from the M of ``statistics``."""
    index = _index(statistics, index)
    ratio = len(statistics.B) / len(index)
    return Statistics(ratio * statistics.B[index][:, index], math.sqrt(ratio) * statistics.C[:, index], statistics.S)


def lifted(theta: Tensor, index: Tensor, width: int) -> Tensor:
    """The weights on all M = ``width`` atoms that give the function of theta [*b, d, m] on the drawn ones: [*b, d, M]."""
    theta, width = check.tensor("theta", theta, (..., "d", "m")), check.integer("width", width)
    index = _numbers(index, width).to(theta.device)
    if theta.shape[-1] != len(index):
        check.fail("theta", f"{theta.shape[-1]} weights", f"{len(index)}, one for each drawn feature")
    whole = torch.zeros(*theta.shape[:-1], width, dtype=theta.dtype, device=theta.device)
    return whole.index_add(-1, index, theta) * math.sqrt(width / len(index))


def estimator_constants(statistics: Statistics, theta: Tensor) -> MonteCarlo:
    """Sigma^2 and M^2 of Lemma 6 for theta [d, M] on the atoms: the mean of I_{3,2} is Sigma^2 / m, exactly."""
    check.instance("statistics", statistics, Statistics)
    theta = check.tensor("theta", theta, tuple(statistics.C.shape), like=statistics.B)
    M = theta.shape[1]
    shares = M**2 * check.with_values("theta", theta.square().sum(0)) * statistics.B.diagonal()  # ||a_k sigma_k||^2
    return MonteCarlo(max(float(shares.mean() - _size(statistics, theta)), 0.0), float(shares.max()))


def finite_width(wide: GradientFlow, index: Tensor, tau, comparison: Tensor) -> FiniteWidth:
    """I_3 and its parts for the features ``index`` drawn from the atoms of ``wide``; bar-theta* is the ``comparison`` [d, M]."""
    check.instance("wide", wide, GradientFlow)
    comparison = check.tensor("comparison", comparison, tuple(wide.theta0.shape), like=wide.theta0)
    index, M = _index(wide.statistics, index), wide.theta0.shape[1]
    ratio = math.sqrt(M / len(index))
    narrow = GradientFlow(drawn_statistics(wide.statistics, index), ratio * wide.theta0[:, index])
    s_bar, s = wide.theta(tau), lifted(narrow.theta(tau), index, M)
    star = lifted(ratio * comparison[:, index], index, M)
    size = wide.statistics
    I31 = _size(size, s_bar - comparison)
    return FiniteWidth(_size(size, s - s_bar), I31, _size(size, star - comparison).expand_as(I31), _size(size, s - star))


def _size(statistics: Statistics, theta: Tensor) -> Tensor:
    """E_t lambda E_x ||Theta phi||^2 for theta [*b, d, M]: [*b]."""
    return ((theta @ statistics.B) * theta).sum((-1, -2))


def _index(statistics: Statistics, index: Tensor) -> Tensor:
    return _numbers(index, len(check.instance("statistics", statistics, Statistics).B)).to(statistics.B.device)


def _numbers(index, width: int) -> Tensor:
    if not isinstance(index, Tensor) or index.ndim != 1 or index.dtype != torch.int64 or not len(index):
        check.fail("index", repr(index)[:60], "a tensor of at least one whole number (int64)")
    check.holds("index", (index >= 0) & (index < width), f"numbers from 0 to {width - 1}", index)
    return index
