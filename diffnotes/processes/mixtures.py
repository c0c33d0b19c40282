r"""Gaussian mixtures, closed form at every time of a linear SDE.

If :math:`p_0 = \sum_k w_k N(\mu_k, \Sigma_k)` and the perturbation kernel is
:math:`N(r x_0, s^2 I)` with s = r v, then

.. math:: p_t = \sum_k w_k\, N(r\mu_k,\; r^2 \Sigma_k + s^2 I),

so density, score and divergence of the score are exact for every t.  The eigenvectors of
:math:`r^2 \Sigma_k + s^2 I` do not depend on t: one eigendecomposition per component serves all times.

A data set is the mixture with weights 1/n and zero covariances (``GaussianMixture.empirical``); its
marginals p_t^(n) are what the empirical loss of the paper's (9) sees.
"""

import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng
from .posterior import Products, Pulls
from .sde import LinearSDE

# Entries of the largest temporary: on a CPU more leave the cache, on a GPU fewer leave it idle.
_CHUNK, _CHUNK_PRODUCTS, _CHUNK_CUDA = 2**16, 2**19, 2**24


class GaussianMixture:
    """Weights [k], means [k, d] and covariances [k, d, d] (or [1, d, d], shared by all components).

    ``variances`` [k or 1, d] are the eigenvalues of the covariances; the columns of ``basis`` [k or 1, d, d] their eigenvectors,
    or it is None for multiples of the identity.

    Raises ``ValueError`` unless the weights are positive and sum to one and the covariances are symmetric
    and positive semi-definite.
    """

    def __init__(self, weights, means, covariances):
        self.means = check.tensor("means", means, ("k", "d"))
        k, d = self.means.shape
        self.weights = _weights(weights, k, self.means)
        covariances = check.tensor("covariances", covariances, ("k", d, d), like=self.means)
        if len(covariances) not in (1, k):
            check.fail("covariances", f"{len(covariances)} matrices", f"1 or {k}, one for each mean")
        asymmetry = (covariances - covariances.mT).abs().amax((-1, -2))
        size = covariances.abs().amax((-1, -2))
        check.holds("covariances", asymmetry <= 1e-6 * size, "symmetric matrices")
        variances, self.basis = torch.linalg.eigh(covariances)
        largest, rounding = variances.abs().amax(-1, keepdim=True), d * torch.finfo(variances.dtype).eps
        check.holds("covariances", variances >= -max(1e-6, rounding) * largest, "positive semi-definite matrices", variances)
        self.variances = torch.where(variances > rounding * largest, variances, torch.zeros_like(variances))

    @classmethod
    def isotropic(cls, weights, means, std) -> "GaussianMixture":
        """Components N(mean_k, std^2 I) with one std >= 0 for all, or one for each component [k]."""
        self = cls.__new__(cls)
        self.means = check.tensor("means", means, ("k", "d"))
        k, d = self.means.shape
        self.weights = _weights(weights, k, self.means)
        std = check.tensor("std", std, like=self.means)
        if std.shape not in ((), (k,)):
            check.fail("std", f"shape {tuple(std.shape)}", f"a number or shape ({k},)")
        check.holds("std", std >= 0, "standard deviations >= 0", std)
        self.variances = (std**2).reshape(-1, 1).expand(-1, d)
        self.basis = None
        return self

    @classmethod
    def two_modes(cls, mu: float, weight: float = 0.5, d: int = 1, *, dtype=torch.float64, device=None) -> "GaussianMixture":
        """weight N(-mu e, I) + (1 - weight) N(mu e, I) with e the first unit vector: the target of Theorem 2 in d = 1."""
        mu = check.number("mu", mu, 0.0, 1e15)
        weight = check.number("weight", weight, 0.0, 1.0, open_low=True, open_high=True)
        kind = check.kind(dtype, device)
        means = torch.zeros(2, check.integer("d", d), **kind)
        means[:, 0] = torch.tensor([-mu, mu], **kind)
        return cls.isotropic(torch.tensor([weight, 1 - weight], **kind), means, 1.0)

    @classmethod
    def normal(cls, std, d: int = 1, *, dtype=torch.float64, device=None) -> "GaussianMixture":
        """N(0, std^2 I), such as the prior N(0, r^2 v^2 I) with std = ``sde.std(sde.T)``."""
        means = torch.zeros(1, check.integer("d", d), **check.kind(dtype, device))
        return cls.isotropic([1.0], means, check.number("std", std, 0.0))

    @classmethod
    def empirical(cls, x: Tensor) -> "GaussianMixture":
        """The empirical distribution of a data set x [n, d]; it has a density at times t > 0 only."""
        x = check.tensor("x", x, ("n", "d"))
        return cls.isotropic(torch.full((len(x),), 1 / len(x), dtype=x.dtype, device=x.device), x, 0.0)

    @property
    def d(self) -> int:
        """Dimension of x."""
        return self.means.shape[1]

    def to(self, device=None, dtype=None) -> "GaussianMixture":
        """The same mixture elsewhere or in another precision."""
        moved = type(self).__new__(type(self))
        for name, value in vars(self).items():
            setattr(moved, name, value.to(device=device, dtype=dtype) if isinstance(value, Tensor) else value)
        return moved

    def mean(self) -> Tensor:
        """E x, [d]."""
        return self.weights @ self.means

    def covariance(self) -> Tensor:
        """Cov x, [d, d]."""
        centred = self.means - self.mean()
        shares = self.weights[:, None] * self.variances  # [k, d]
        if self.basis is None:
            within = torch.diag(shares.sum(0))
        else:
            shares = shares if len(self.basis) > 1 else shares.sum(0, keepdim=True)
            within = torch.einsum("kij,kj,klj->il", self.basis, shares, self.basis)
        return within + centred.mT @ (self.weights[:, None] * centred)

    def sample(self, n: int, generator) -> Tensor:
        """n draws, [n, d]."""
        n = check.integer("n", n)
        kind = dict(dtype=self.means.dtype, device=self.means.device)
        u = rng.uniform(generator, (n,), **kind)
        k = torch.searchsorted(self.weights.cumsum(0), u).clamp(max=len(self.weights) - 1)
        z = rng.normal(generator, (n, self.d), **kind) * self.variances.sqrt().expand_as(self.means)[k]
        if self.basis is not None and len(self.basis) == 1:
            z = z @ self.basis[0].mT
        elif self.basis is not None:
            z = torch.einsum("kij,nj->nki", self.basis, z)[torch.arange(n, device=k.device), k]
        return self.means[k] + z

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) for x [*b, d]: [*b]."""
        return self._read(x, 1.0, 0.0, lambda part: part.log_prob)

    def score(self, x: Tensor) -> Tensor:
        """grad log p(x) for x [*b, d]: [*b, d]."""
        return self._read(x, 1.0, 0.0, lambda part: part.score())

    def cdf(self, x: Tensor) -> Tensor:
        """The distribution function P(X <= x) for x [*b, 1], in d = 1: [*b]."""
        return self._cdf(x, 1.0, 0.0)

    def diffused(self, sde: LinearSDE) -> "DiffusedMixture":
        """The marginals p_t of this mixture under a linear SDE."""
        return DiffusedMixture(self, sde)

    def _cdf(self, x, scale, std):
        if self.d != 1:
            check.fail("mixture", f"a density in d = {self.d}", "d = 1: a distribution function is one of a line")
        x = check.tensor("x", x, (..., 1), like=self.means)
        scale, std = (torch.as_tensor(c, dtype=x.dtype, device=x.device)[..., None] for c in (scale, std))
        away, width = x - scale * self.means[:, 0], torch.sqrt(scale**2 * self.variances[:, 0] + std**2)
        below = torch.where(width > 0, torch.special.ndtr(away / width), (away >= 0).to(x))  # data points are steps at t = 0
        return (self.weights * below).sum(-1)

    def _read(self, x: Tensor, scale, std, what):
        """``what(part)`` at the points x [*b, d] for the law of scale * X + std * Z; scale and std are numbers or [*b].

        ``part`` is a ``posterior.Pulls`` or ``Products`` of some of the points; ``what`` gives a tensor or a tuple of them.
        """
        x = check.tensor("x", x, (..., self.d), like=self.means)
        scale, std = (torch.as_tensor(c, dtype=x.dtype, device=x.device).expand(x.shape[:-1]).reshape(-1) for c in (scale, std))
        dense = (std > 0) | (self.variances.min() > 0)
        check.holds("t", dense, "t > 0: a component without variance has no density at t = 0", std)
        x_, scale, std = x.reshape(-1, self.d).double(), scale.double(), std.double()
        frame = Products.frame(self) if self.basis is None and len(self.variances) == 1 and self.d > 1 else None
        products = frame is not None and Products.fits(self, frame, x_, scale, std)
        size = len(self.means) if products else self.means.numel()
        rows = max(1, (_CHUNK_CUDA if x.is_cuda else _CHUNK_PRODUCTS if products else _CHUNK) // size)
        pieces = zip(*(a.split(rows) for a in (x_, scale, std)), strict=True)
        parts = [what(Products(self, at, r, s, frame) if products else Pulls(self, at, r, s)) for at, r, s in pieces]
        if isinstance(parts[0], Tensor):
            return _joined(parts, x)
        return tuple(_joined(one, x) for one in zip(*parts, strict=True))


class DiffusedMixture:
    """The marginals p_t of a mixture under a linear SDE; t is a number or one time for each point."""

    def __init__(self, mixture: GaussianMixture, sde: LinearSDE):
        self.mixture = check.instance("mixture", mixture, GaussianMixture)
        self.sde = check.instance("sde", sde, LinearSDE)

    def log_prob(self, x: Tensor, t) -> Tensor:
        """log p_t(x) for x [*b, d], t [*b] or a number: [*b]."""
        return self._read(x, t, lambda part: part.log_prob)

    def score(self, x: Tensor, t) -> Tensor:
        """grad log p_t(x) for x [*b, d], t [*b] or a number: [*b, d].  A ``ScoreFn``."""
        return self._read(x, t, lambda part: part.score())

    def log_prob_and_score(self, x: Tensor, t) -> tuple[Tensor, Tensor]:
        """Both of the above in one pass, [*b] and [*b, d]; for large data sets this is the cost that counts."""
        return self._read(x, t, lambda part: (part.log_prob, part.score()))

    def divergence(self, x: Tensor, t) -> Tensor:
        """div grad log p_t(x), the Laplacian of log p_t: [*b]."""
        return self._read(x, t, lambda part: part.divergence())

    def cdf(self, x: Tensor, t) -> Tensor:
        """The distribution function P(x(t) <= x) for x [*b, 1], t [*b] or a number, in d = 1: [*b]."""
        x = check.tensor("x", x, (..., self.mixture.d), like=self.mixture.means)
        t = self.sde.times_of(x, t)
        return self.mixture._cdf(x, self.sde.scale(t), self.sde.std(t))

    def sample(self, n: int, t: float, generator) -> Tensor:
        """n draws from p_t, [n, d]."""
        x0 = self.mixture.sample(n, generator)
        noise = rng.normal(generator, tuple(x0.shape), dtype=x0.dtype, device=x0.device)
        return self.sde.perturb(x0, t, noise)

    def half_width(self, t, deviations: float = 7.0) -> Tensor:
        """A radius R(t), shape of t: every component of p_t lies in [-R, R]^d up to ``deviations`` standard deviations."""
        deviations = check.number("deviations", deviations, 0.0, 38.0, open_low=True)  # beyond, a float64 density is zero
        t = check.times("t", t, 0.0, self.sde.T, like=self.mixture.means)
        scale, std = self.sde.scale(t)[..., None], self.sde.std(t)[..., None]
        reach = self.mixture.means.abs().amax(-1)
        spread = torch.sqrt(scale**2 * self.mixture.variances.amax(-1) + std**2)
        return (scale * reach + deviations * spread).amax(-1)

    def prior_kl(self) -> float:
        """KL(p_T || N(0, std(T)^2 I)), or a bound of it for several components: their mean, by convexity.  In nats, in any d."""
        like = check.with_values("mixture", self.mixture.means)
        scale, std = (part(like.new_tensor(self.sde.T)) for part in (self.sde.scale, self.sde.std))
        ratio = (scale / std) ** 2 * self.mixture.variances
        each = (ratio - torch.log1p(ratio)).sum(-1) + (scale / std) ** 2 * like.square().sum(-1)
        return (self.mixture.weights * each.expand(len(like))).sum().item() / 2

    def _read(self, x, t, what):
        x = check.tensor("x", x, (..., self.mixture.d), like=self.mixture.means)
        t = self.sde.times_of(x, t)
        return self.mixture._read(x, self.sde.scale(t), self.sde.std(t), what)


def _joined(parts, x: Tensor) -> Tensor:
    out = torch.cat(parts).to(x.dtype)
    return out.reshape(x.shape[:-1] + out.shape[1:])


def _weights(weights, k: int, like: Tensor) -> Tensor:
    weights = check.tensor("weights", weights, (k,), like=like)
    check.holds("weights", weights > 0, "positive weights", weights)
    total = weights.double().sum()
    check.holds("weights", (total - 1).abs() <= 1e-6, "weights whose sum is one to 1e-6, as float32 rounds", total)
    return weights / total.to(weights.dtype)
