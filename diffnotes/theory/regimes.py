r"""Where Theorem 1's bracket can hold: widths m = n^kappa (chapter "Where the printed rate can hold").

With an error that falls no faster than :math:`n^{-r}` no constant saves the bracket, whose least value is of order
:math:`(mn)^{-1/5}`, from width :math:`n^{5r-1}` on, if r >= 1/3.
For slower rates :math:`m^{-1/2}` decides, and the width is :math:`n^{2r}`.
"""

import torch
from torch import Tensor

from ..base import checks as check
from .bounds import printed_bracket


def least_bracket(m, n) -> tuple[Tensor, Tensor]:
    """The training time tau >= 1 at which ``printed_bracket`` is least, and its value there; m, n >= 1 broadcast.

    For m >= n^(2/3) the time is of order (m n)^(1/5) and the value of order (m n)^(-1/5).  Bisection of the derivative
    in log tau, which is monotone: 60 halvings.
    """
    m, n = check.broadcast(1.0, m=m, n=n)
    low, high = torch.zeros_like(m), (m.log() + n.log()) / 5
    for _ in range(60):
        middle = (low + high) / 2
        rising = (5 * middle - m.log() - n.log()).exp() * 4 + (4 * middle - 2 * m.log()).exp() * 3 > 1
        low, high = torch.where(rising, low, middle), torch.where(rising, middle, high)
    tau = low.exp()
    return tau, printed_bracket(tau, m, n)


def variance_term(tau, m, n) -> Tensor:
    """(1 + tau/sqrt(n)) (tau/n) (1 + tau/m), for tau >= 0 and m, n >= 1, broadcast.

    Up to constants what n samples add to the excess loss if some rival misses nothing.  Source: proof of Corollary 2.
    """
    tau = check.training_times("tau", tau)
    m, n = check.broadcast(1.0, m=check.tensor("m", m, like=tau), n=n)
    tau, m, n = check.broadcast(0.0, tau=tau, m=m, n=n)
    return (1 + tau / n.sqrt()) * tau / n * (1 + tau / m)


def kappa_false(d: int) -> float:
    """kappa_d = (3 d + 20)/(2 d + 5): targets with bumps have r = (d + 5)/(2 d + 5), the rate of (d + 5)/2 derivatives."""
    d = check.integer("d", d)
    return (3 * d + 20) / (2 * d + 5)


def kappa_proved(d: int) -> float:
    """(3 d + 15)/(2 d + 5): noise wakes tau^((d + 1)/(d + 4)) directions of uniform features, hence r = (d + 4)/(2 d + 5)."""
    d = check.integer("d", d)
    return (3 * d + 15) / (2 * d + 5)
