r"""The denoising loss of random features at one SDE time with its average over noise in closed form, in any dimension.

For data x(0) and x = r x(0) + s z the loss of the paper's (5) at time t with the weight s^2 is

.. math:: E\|s\,\Theta\varphi(x) + z\|^2 = \mathrm{tr}(\Theta B\Theta^\top) - 2\,\mathrm{tr}(\Theta C^\top) + d,
          \qquad B = s^2 E\varphi\varphi^\top, \quad C = -s\,E z\varphi^\top,

which is quadratic, so that ``GradientFlow`` solves it.  Given x(0) the inputs of two features are jointly Gaussian, with
correlation g_ij = cos(w_i, w_j).  Expanding each ReLU in Hermite polynomials (Mehler's formula) gives

.. math:: E[\sigma_i\sigma_j] = \sum_k \alpha_k(i)\,\alpha_k(j)\,g_{ij}^k, \qquad
          \alpha_k = \frac{b}{\sqrt{k!}}\, \frac{d^k}{du^k}\,[u\Phi(u) + \phi(u)],

with b the standard deviation of the input and u its mean over b; Stein's identity gives C.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check
from ..processes import DiffusedMixture, LinearSDE
from .features import RandomFeatures
from .flow import Statistics

_ENTRIES, _ENTRIES_CUDA = 2**22, 2**26  # of the coefficients that are held at once, terms x data x features


def denoising_statistics(features: RandomFeatures, p: DiffusedMixture, t: float, *, terms: int = 20) -> Statistics:
    """B, C and S = d of the denoising loss at time t > 0 with weight std(t)^2, for isotropic Gaussian mixtures or a data set.

    For a data set x [n, d] take ``p = GaussianMixture.empirical(x).diffused(sde)``: an average over all noise, not over draws.

    Args:
        features: those of a score network in d dimensions; rows w_i must not be zero.
        p: the marginals of an isotropic mixture.
        terms: Hermite terms of the off-diagonal entries of B.  Their error, relative to b_i b_j, is below
            |g_ij|^terms / (5 terms (terms - 1) (1 - |g_ij|)) by Cramer's inequality; the diagonal is exact, and B is
            positive semi-definite for any number of terms.
    """
    check.instance("features", features, RandomFeatures)
    if not isinstance(p, DiffusedMixture) or p.mixture.basis is not None:
        check.fail("p", type(p).__name__, "the DiffusedMixture of isotropic components")
    check.tensor("p.mixture.means", p.mixture.means, ("k", features.d), like=features.W)
    time = features.W.new_tensor(check.number("t", t, 0.0, min(p.sde.T, features.T), open_low=True))
    size = torch.linalg.vector_norm(features.W, dim=1)
    check.holds("features", size > 0, "rows w_i other than zero", size)
    scale, std = p.sde.scale(time), p.sde.std(time)
    b = torch.sqrt(scale**2 * p.mixture.variances[:, :1] + std**2) * size  # [k or 1, m]
    u = (scale * p.mixture.means @ features.W.mT + features.bias(time)) / b  # [k, m]
    active, density = torch.special.ndtr(u), torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
    unit = features.W / size[:, None]
    B = _mehler(b * p.mixture.weights.sqrt()[:, None], u, active, density, unit @ unit.mT, check.integer("terms", terms, 2))
    C = -features.W.mT * (p.mixture.weights @ active)
    return Statistics(std**2 / features.width * B, std**2 / math.sqrt(features.width) * C, torch.full_like(size[0], features.d))


def smooth_statistics(activation, W: Tensor, x: Tensor, sde: LinearSDE, t: float, *,
                      terms: int = 8, nodes: int = 24) -> Statistics:
    """B, C and S = d of the denoising loss on a data set for features sigma(w . x) / sqrt(m), sigma smooth, such as tanh.

    The same series, with coefficients from Gauss-Hermite quadrature; the diagonal of B is not expanded.

    Args:
        activation: a smooth function of a tensor.
        W: inner weights [m, d]; rows must not be zero.
        x: data [n, d].
        terms: Hermite terms of the off-diagonal entries, which fall like |g_ij|^terms.
        nodes: of the quadrature, at least terms.
    """
    sigma, W = check.function("activation", activation), check.tensor("W", W, ("m", "d"))
    x = check.tensor("x", x, ("n", W.shape[1]), like=W)
    time = W.new_tensor(check.number("t", t, 0.0, check.instance("sde", sde, LinearSDE).T, open_low=True))
    terms = check.integer("terms", terms, 2)
    size, (m, d), std = torch.linalg.vector_norm(W, dim=1), W.shape, sde.std(time)
    check.holds("W", size > 0, "rows other than zero", size)
    mean, square = sde.scale(time) * x @ W.mT, torch.zeros_like(size)
    alpha = W.new_zeros(terms, len(x), m)
    for z, weight in zip(*np.polynomial.hermite_e.hermegauss(check.integer("nodes", nodes, terms)), strict=True):
        value = check.tensor("activation", sigma(mean + std * z * size), tuple(mean.shape), like=mean)
        share, before, hermite = weight / math.sqrt(2 * math.pi), 0.0, 1.0
        square = square + share * value.square().mean(0)
        for k in range(terms):  # hermite is He_k(z) / sqrt(k!)
            alpha[k] += share * hermite * value
            before, hermite = hermite, (z * hermite - math.sqrt(k) * before) / math.sqrt(k + 1)
    unit, B = W / size[:, None], W.new_zeros(m, m)
    g = unit @ unit.mT
    for a in alpha.flip(0):
        B = B * g + a.mT @ a / len(x)
    B = (B + B.mT) / 2
    B = std**2 / m * (B - torch.diag(B.diagonal() - square))
    return Statistics(B, -std / math.sqrt(m) * unit.mT * alpha[1].mean(0), torch.full_like(size[0], d))


def _mehler(b, u, active, density, g, terms: int):
    """sum_k g^k times alpha_k^T alpha_k by Horner's rule in g, with the diagonal E relu(input)^2 in closed form: [m, m]."""
    B = torch.zeros_like(g)
    rows = max(1, (_ENTRIES_CUDA if g.is_cuda else _ENTRIES) // (terms * g.shape[0]))
    parts = (a.expand_as(u).split(rows) for a in (b, u, active, density))
    for one in zip(*parts, strict=True):
        alpha = list(_coefficients(terms, *one))
        inner = alpha[-1].mT @ alpha[-1]
        for a in reversed(alpha[:-1]):
            inner.mul_(g).addmm_(a.mT, a)
        B += inner
    square = (b**2 * ((1 + u**2) * active + u * density).clamp(min=0)).sum(0)  # rounding, for features that are never active
    return (B + B.mT) / 2 - torch.diag(B.diagonal() - square)


def _coefficients(terms: int, b, u, active, density):
    """alpha_0, alpha_1, ..., of the same shape as u; a sign (-1)^k, which drops out of the products, is left away."""
    yield b * (u * active + density)
    yield b * active
    hermite, before = b * density, torch.zeros_like(u)
    for k in range(2, terms):  # hermite is b phi He_{k-2}(u) / sqrt((k-2)!)
        yield hermite / math.sqrt(k * (k - 1))
        hermite, before = (u * hermite - math.sqrt(k - 2) * before) / math.sqrt(k - 1), hermite
