r"""Two denoisers that know the records but not the model: what its losses are compared with.

*Gaussian*: the best denoiser for the mean and covariance of the records.  *Empirical*: the posterior mean over records,

.. math:: D^{-}(y) = \frac{\sum_j x_j e^{-\|y - x_j\|^2 / 2\sigma^2}}{\sum_j e^{-\|y - x_j\|^2 / 2\sigma^2}},

over all but the one that was noised, and :math:`D^+`, over that one too: what a model answers that knows its records by heart.
"""

import torch
from torch import Tensor


class Gaussian:
    """E[x0 | y] for N(mean, covariance) of records [N, d]; beyond N - 1 directions the variance is that of the least of these."""

    def __init__(self, records: Tensor):
        self.mean = records.mean(0)
        centred, (n, d) = (records - self.mean) / len(records) ** 0.5, records.shape
        rank = min(n - 1, d)
        if n > d:
            variance, axes = torch.linalg.eigh(centred.mT @ centred)
        else:  # the same eigenvalues from the smaller matrix, and the directions through the records
            variance, shares = torch.linalg.eigh(centred @ centred.mT)
            axes = centred.mT @ shares / variance.clamp(min=torch.finfo(variance.dtype).tiny).sqrt()
        self.axes, self.variance = axes.mT[-rank:], variance[-rank:].clamp(min=0)
        self.rest = self.variance[0] if rank < d else self.variance[0] * 0

    def denoise(self, y: Tensor, sigma: float) -> Tensor:
        """[b, d]."""
        centred = y - self.mean
        inner, rest = centred @ self.axes.mT, self.rest / (self.rest + sigma**2)
        return self.mean + rest * centred + (inner * (self.variance / (self.variance + sigma**2) - rest)) @ self.axes


class Empirical:
    """Records [N, d] as the prior of what was noised.

    With y = x + sigma z the exponents, less that of x itself, are -|x - x_j|^2 / 2 sigma^2 - z (x - x_j) / sigma: two products
    serve all noise levels, and nothing cancels.
    """

    def __init__(self, records: Tensor):
        self.centre = records.mean(0)
        self.moved = records - self.centre
        self.size = self.moved.square().sum(1)

    def distances(self, x: Tensor) -> Tensor:
        """|x - x_j|^2 / 2 for x [b, d]: [b, N]."""
        x = x - self.centre
        return ((x.square().sum(1)[:, None] + self.size) / 2 - x @ self.moved.mT).clamp(min=0)

    def shifts(self, x: Tensor, z: Tensor) -> Tensor:
        """z (x - x_j), [b, N]."""
        return (z * (x - self.centre)).sum(1)[:, None] - z @ self.moved.mT

    def denoise(self, x: Tensor, exponent: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior means without and with the noised records x [b, d], D^- and D^+: [b, d] each.

        ``exponent`` [b, N] is changed; ``own`` [b] is where in the records x stands, -1 where it is none of them.
        """
        row = torch.arange(len(x), device=x.device)[own >= 0]
        exponent[row, own[own >= 0]] = -torch.inf
        top = exponent.amax(1, keepdim=True)
        weight = exponent.sub_(top).exp_()
        total = weight.sum(1, keepdim=True)
        without = self.centre + weight @ self.moved / total
        return without, without + torch.sigmoid(-(top + total.log())) * (x - without)
