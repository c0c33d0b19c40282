r"""The same process in other coordinates, in which a numerical scheme has less to carry.

In a frame z = x / c(t) a score s of x becomes c s(c z, t), and a density p(x) becomes c p(c z).
"""

import torch
from torch import Tensor

from ..base import checks as check
from .sde import LinearSDE


class Standardised(LinearSDE):
    r"""The process z(t) = x(t) / c(t) with c^2 = r^2 + std^2 / spread^2: data of that spread keep it for all times, as in VP.

    Far modes move while they are wide and stand still when they are narrow, and the prior is no wider than the data.
    """

    def __init__(self, inner: LinearSDE, spread: float):
        self.inner = check.instance("inner", inner, LinearSDE)
        self.spread = check.number("spread", spread, 0.0, open_low=True)
        self.T = inner.T

    def unit(self, t) -> Tensor:
        """c(t), shape of t."""
        return torch.sqrt(self.inner.scale(t) ** 2 + (self.inner.std(t) / self.spread) ** 2)

    def _drift_rate(self, t):
        return -((self._diffusion(t) / self.spread) ** 2) / 2

    def _diffusion(self, t):
        return self.inner.diffusion(t) / self.unit(t)

    def _scale(self, t):
        return self.inner.scale(t) / self.unit(t)

    def _std(self, t):
        return self.inner.std(t) / self.unit(t)

    def __repr__(self):
        return f"Standardised({self.inner!r}, spread={self.spread:g})"
