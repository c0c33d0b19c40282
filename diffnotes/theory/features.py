r"""The random-feature score network of the paper's (12).

.. math:: s_{t,\theta}(x) = \frac1m A\,\sigma(W x + U e(t)) = \Theta\,\varphi(x, t), \qquad
          \varphi = \frac{\sigma(Wx + Ue(t))}{\sqrt m}, \quad \Theta = \frac{A}{\sqrt m},

with sigma = ReLU and (W, U) drawn once and frozen.  Only Theta [d, m] is trained, and
:math:`\|\Theta\|_F` is the norm of s in the reproducing kernel Hilbert space of the kernel
:math:`\varphi(x,t)\cdot\varphi(x',t')`.
"""

import math
from functools import partial

import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng

_ENTRIES, _ENTRIES_CUDA = 2**19, 2**24  # features at once: more leave the cache of a CPU, fewer leave a GPU idle


def cosine_embedding(t: Tensor, T: float, size: int) -> Tensor:
    """e(t) = (1, cos(pi q), ..., cos((size - 1) pi q)) with q = sqrt(t/T): [*b, size] for t [*b], entries in [-1, 1].

    The paper asks only that e be bounded.  The square root spends resolution where scores change fastest, near t = 0.
    """
    t = check.times("t", t, 0.0, check.number("T", T, 0.0, open_low=True))
    return _embedding(t, T, check.integer("size", size))


def _embedding(t, T, size):
    frequency = torch.arange(size, dtype=t.dtype, device=t.device) * math.pi
    return torch.cos(torch.sqrt(t / T)[..., None] * frequency)


class RandomFeatures:
    """Frozen inner weights W [m, d] and U [m, e] with a time embedding e(t), the function ``embed`` [*b] -> [*b, e].

    Without one e(t) is ``cosine_embedding(t, T, e)``.
    """

    def __init__(self, W: Tensor, U: Tensor, T: float, *, embed=None):
        self.W = check.tensor("W", W, ("m", "d"))
        self.U = check.tensor("U", U, (len(self.W), "e"), like=self.W)
        self.T = check.number("T", T, 0.0, open_low=True)
        cosines = partial(_embedding, T=self.T, size=self.U.shape[1])
        self._embedded = cosines if embed is None else check.function("embed", embed)

    @classmethod
    def draw(cls, width: int, d: int, T: float, generator, *, embedding: int = 3, dtype=torch.float64, device=None):
        """Draw (w_i, u_i) uniformly on the sphere ||w||_1 + ||u||_1 = 1, as the paper's normalisation allows.

        Signed exponential variables divided by their sum are uniform on the l1 sphere.
        """
        width, d, embedding = (check.integer(k, v) for k, v in (("width", width), ("d", d), ("embedding", embedding)))
        u, side = rng.uniform(generator, (2, width, d + embedding), dtype=dtype, device=device)
        rows = torch.where(side < 0.5, torch.log1p(-u), -torch.log1p(-u))
        rows = rows / rows.abs().sum(1, keepdim=True)
        return cls(rows[:, :d], rows[:, d:], T)

    @property
    def width(self) -> int:
        """Number of features, m."""
        return self.W.shape[0]

    @property
    def d(self) -> int:
        """Dimension of x."""
        return self.W.shape[1]

    def __call__(self, x: Tensor, t) -> Tensor:
        """phi(x, t) for x [*b, d] and t [*b] or a number: [*b, m]."""
        x, t = self._points(x, t)
        return self._values(x, t)

    def gradient(self, x: Tensor, t) -> Tensor:
        """Gradient in x of each feature, w_i 1[w_i x + u_i e(t) > 0] / sqrt(m), for x [*b, d], t [*b] or a number: [*b, m, d]."""
        x, t = self._points(x, t)
        return (self._values(x, t) > 0)[..., None] * (self.W / math.sqrt(self.width))

    def score(self, theta: Tensor):
        """The ``ScoreFn`` (x, t) -> Theta phi(x, t) of a parameter theta [d, m].

        A batch of parameters [*r, d, m] gives a batch of scores [*r, N, d] at x [N, d].
        """
        theta = check.tensor("theta", theta, (..., self.d, self.width), like=self.W)

        flat = theta.reshape(-1, self.width)  # one product for the whole batch: broadcasting makes many small ones

        def score(x, t):
            x, t = self._points(x, t)
            if x.ndim != 2:
                return self._values(x, t) @ theta.mT
            rows = max(1, (_ENTRIES_CUDA if x.is_cuda else _ENTRIES) // self.width)
            parts = zip(x.split(rows), t.split(rows) if t.ndim else [t] * -(-len(x) // rows), strict=True)
            values = torch.cat([flat @ self._values(*part).mT for part in parts], 1)
            return values.view(*theta.shape[:-1], len(x)).mT

        return score

    def bias(self, t: Tensor) -> Tensor:
        """U e(t), [*b, m] for t [*b]."""
        t = check.times("t", t, 0.0, self.T, like=self.W)
        return self._embedded(t) @ self.U.mT

    def _points(self, x, t):
        x = check.tensor("x", x, (..., self.d), like=self.W)
        t = check.times("t", t, 0.0, self.T, like=x)
        if t.ndim and t.shape != x.shape[:-1]:
            check.fail("t", f"shape {tuple(t.shape)}", f"a number or shape {tuple(x.shape[:-1])}, one time for each x")
        return x, t

    def _values(self, x, t):
        """The ReLU is homogeneous, so that 1/sqrt(m) goes into the small factors; no step needs a second array of this size."""
        small = 1 / math.sqrt(self.width)
        bias = self._embedded(t) @ self.U.mT * small
        bias = bias.expand(*x.shape[:-1], self.width).reshape(-1, self.width)
        return torch.addmm(bias, x.reshape(-1, self.d), self.W.mT * small).relu_().view(*x.shape[:-1], self.width)
