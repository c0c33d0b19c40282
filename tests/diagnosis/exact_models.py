"""Data and models of which everything is known: a mixture, its denoiser, the empirical one of any records, and exact flows."""

import math
import weakref

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import diffnotes as dn

F64 = torch.float64
D, STD, LOW, HIGH = 8, 0.5, 0.05, 10.0
SDE = dn.OU(T=3.0)
SIGMA = np.geomspace(0.06, 8.0, 8)
MEANS = torch.as_tensor(2 * np.random.default_rng(5).standard_normal((4, D)))
MIX = dn.GaussianMixture.isotropic(torch.full((4,), 0.25, dtype=F64), MEANS, STD)


def records(n, seed, **kind):
    return MIX.sample(n, np.random.default_rng([seed, 77])).to(**kind)


def of(function, levels=None):
    """A denoiser from a function of y and a number."""
    low, high = (LOW, HIGH) if levels is None else (levels[0], levels[-1])
    return dn.Denoiser(lambda y, s: function(y, s[0].item()), low, high, levels=levels)


def posterior(y, sigma):
    """E[x0 | y] of the mixture, by Bayes's rule."""
    means = MEANS.to(y)
    share = torch.softmax(-torch.cdist(y, means).square() / (2 * (STD**2 + sigma**2)), 1)
    return (share @ means * sigma**2 + STD**2 * y) / (STD**2 + sigma**2)


def empirical(x):
    """The denoiser that has these records by heart."""
    def denoise(y, sigma):
        near = (y[:, None] - x.to(y)).square().sum(-1)
        return torch.softmax(-near / (2 * sigma**2), 1) @ x.to(y)
    return of(denoise)


TRUE = of(posterior)


def by_heart(x, most=0.8):
    """A function of y and a number that has these records by heart, but like a network predicts a noise of bounded mean square."""
    known = empirical(x)

    def denoise(y, sigma):
        noise = (y - known(y, min(max(sigma, LOW), HIGH))) / sigma
        return y - sigma * noise * (most / noise.square().mean(1, keepdim=True).sqrt()).clamp(max=1)
    return denoise


def flows(x, taus, seed=0, width=400, levels=SIGMA):
    """The exact gradient flow of random features on records x, at training times: a denoiser each, known at ``levels``."""
    rng = np.random.default_rng([seed, 1])
    w = dn.normal(rng, (width, D))
    phi = dn.RandomFeatures(w / w.norm(dim=1, keepdim=True), 0.5 * dn.normal(rng, (width, 1)), SDE.T)
    p, at = dn.GaussianMixture.empirical(x).diffused(SDE), {}
    for sigma in levels.tolist():
        t = SDE.time_at_log_noise(torch.tensor(math.log(sigma), dtype=F64)).item()
        at[round(sigma, 6)] = t, dn.GradientFlow(dn.denoising_statistics(phi, p, t, terms=8)).theta(torch.tensor(taus, dtype=F64))

    def model(k):
        def denoise(y, sigma):
            t, theta = at[round(sigma, 6)]
            scale, std = SDE.scale(t), SDE.std(t)
            return ((scale * y + std**2 * phi.score(theta[k])(scale * y, t)) / scale).to(y)
        return of(denoise, levels)
    return [model(k) for k in range(len(taus))]


class Peak(TorchDispatchMode):
    """How many bytes of tensors that are made within were alive at once."""

    def __init__(self):
        super().__init__()
        self.live, self.peak = 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        given = {one.untyped_storage().data_ptr() for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)}
        for one in tree_leaves(result):
            if isinstance(one, torch.Tensor) and one.untyped_storage().data_ptr() not in given:
                self.live += one.nbytes
                self.peak = max(self.peak, self.live)
                weakref.finalize(one, self._gone, one.nbytes)
        return result

    def _gone(self, size):
        self.live -= size
