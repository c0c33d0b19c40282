r"""Which component of a mixture a point comes from, and what follows: density, score and divergence of the score.

For a law :math:`\sum_k w_k N(m_k, V_k)` the shares are :math:`p(k | x) \propto w_k N(x; m_k, V_k)`, the score is the mean of the
pulls :math:`V_k^{-1}(m_k - x)` under them, and its divergence their variance less the mean of :math:`\mathrm{tr} V_k^{-1}`.

All in float64, whatever the points are: far from all modes the exponents are so large that float32 has no digit left for their
differences, which are what decides.
"""

import math

import torch
from torch import Tensor

from ..base import checks as check


def shares(exponent: Tensor, log_weight: Tensor) -> tuple[Tensor, Tensor]:
    """p(k | x) and log sum_k exp(exponent_k + log_weight_k), for both arguments [b, k] or such that fit: [b, k], [b].

    The largest exponent is taken off before the weights are added, which would be lost beside it.
    """
    top = exponent.amax(1, keepdim=True).detach()
    terms = exponent - top + log_weight
    share, best = terms.softmax(1), terms.argmax(1, keepdim=True)
    log_sum = top + terms.gather(1, best) - share.gather(1, best).log()  # one exponential for each term, not two
    return share, log_sum.squeeze(1)


class Pulls:
    """Components with any covariances, in the axes of each: temporaries of points x components x d."""

    def __init__(self, mixture, x: Tensor, scale: Tensor, std: Tensor):
        self.basis = None if mixture.basis is None else mixture.basis.double()
        self.variance = scale[:, None, None] ** 2 * mixture.variances.double() + std[:, None, None] ** 2  # [b, k or 1, d]
        offset = x[:, None, :] - scale[:, None, None] * mixture.means.double()  # [b, k, d]
        if self.basis is not None:
            offset = torch.einsum("kji,bkj->bki", self.basis, offset)
        pull = offset / -self.variance
        normaliser = 0.5 * torch.log(2 * math.pi * self.variance).sum(-1)
        self.share, self.log_prob = shares(0.5 * (offset * pull).sum(-1), mixture.weights.double().log() - normaliser)
        self.pull = pull if self.basis is None else torch.einsum("kij,bkj->bki", self.basis, pull)

    def score(self) -> Tensor:
        """[b, d]."""
        return torch.einsum("bk,bkd->bd", self.share, self.pull)

    def divergence(self) -> Tensor:
        """[b]."""
        spread = (self.pull - self.score()[:, None]).square().sum(-1)
        return (self.share * (spread - (1 / self.variance).sum(-1))).sum(1)


class Products:
    """Components that share one variance in all directions, such as a data set: temporaries of points x components.

    Distances come from products, |x|^2 - 2 x m + |m|^2, which costs digits where they are small beside |x| and |m|.
    """

    @staticmethod
    def frame(mixture) -> tuple[Tensor, Tensor, Tensor]:
        """The mean of the means, which is taken off so that less cancels, the means less it, and their squared norms."""
        centre = mixture.means.double().mean(0)
        means = mixture.means.double() - centre
        return centre, means, means.square().sum(1)

    @staticmethod
    def variances(mixture, scale: Tensor, std: Tensor) -> Tensor:
        """The variance in any direction, [b]."""
        return scale**2 * mixture.variances[0, 0].double() + std**2

    @staticmethod
    def fits(mixture, frame, x: Tensor, scale: Tensor, std: Tensor) -> bool:
        """Whether exponents are right to 1e-7."""
        centre, _, norm = frame
        size = (x - scale[:, None] * centre).square().sum(1) + scale**2 * norm.amax()
        lost = torch.finfo(torch.float64).eps * size / Products.variances(mixture, scale, std)
        return check.readable(lost <= 1e-7) is not False

    def __init__(self, mixture, x: Tensor, scale: Tensor, std: Tensor, frame):
        centre, self.means, self.size = frame
        self.x, self.scale = x - scale[:, None] * centre, scale
        self.variance = self.variances(mixture, scale, std)
        near = (self.x * (scale / self.variance)[:, None]) @ self.means.mT
        exponent = near.sub_((scale**2 / (2 * self.variance))[:, None] * self.size)  # less |x|^2 / (2 variance), which all have
        self.share, log_sum = shares(exponent, mixture.weights.double().log())
        d = x.shape[1]
        self.log_prob = log_sum - self.x.square().sum(1) / (2 * self.variance) - d / 2 * torch.log(2 * math.pi * self.variance)

    def score(self) -> Tensor:
        """[b, d]."""
        return (self.scale[:, None] * (self.share @ self.means) - self.x) / self.variance[:, None]

    def divergence(self) -> Tensor:
        """[b]."""
        spread = (self.share @ self.size - (self.share @ self.means).square().sum(1)).clamp(min=0)
        return (self.scale / self.variance) ** 2 * spread - self.x.shape[1] / self.variance
