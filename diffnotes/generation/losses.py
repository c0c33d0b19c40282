"""The denoising loss of a score, and of the best Gaussian one."""

import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng
from ..processes import LinearSDE


def denoising_loss(score, sde: LinearSDE, x0: Tensor, t, noise: Tensor) -> Tensor:
    """|std s(x(t), t) + z|^2, the loss (5) weighted with std^2, for each x0 [*b, d] with its t [*b] and noise z [*b, d]: [*b]."""
    check.instance("sde", sde, LinearSDE)
    t = check.times("t", t, 0.0, sde.T, like=check.tensor("x0", x0, (..., "d")))
    x = sde.perturb(x0, t, noise)
    value = check.tensor("score(x, t)", check.function("score", score)(x, t), tuple(x.shape), like=x)
    return (sde.std(t)[..., None] * value + noise).square().sum(-1)


def mean_denoising_loss(score, sde: LinearSDE, x: Tensor, generator, *, draws: int = 400, t_min: float = 1e-5) -> Tensor:
    """Mean of ``denoising_loss`` over data x [n, d] and times uniform on (t_min, T), from ``draws`` of both and of noise.

    One time is drawn in each of ``draws`` equal parts, the data take turns in a random order, and the score sees
    [1, draws, d].  Generators in the same state give the same times and noise for any data, so that two scores, or two
    sets of data, can be compared without the error that they share.
    """
    check.instance("sde", sde, LinearSDE)
    x, draws = check.tensor("x", x, ("n", "d")), check.integer("draws", draws)
    t_min = check.number("t_min", t_min, 0.0, sde.T, open_low=True, open_high=True)
    kind = dict(dtype=x.dtype, device=x.device)
    steps = torch.arange(draws, dtype=torch.float64, device=x.device) + rng.uniform(generator, (draws,), device=x.device)
    t = (t_min + (sde.T - t_min) / draws * steps).to(**kind)
    noise = rng.normal(generator, (draws, x.shape[1]), **kind)
    turns = rng.permutation(generator, draws, device=x.device) % len(x)
    with torch.no_grad():
        return denoising_loss(score, sde, x[turns][None], t[None], noise[None]).mean()


def gaussian_denoising_loss(sde: LinearSDE, x0: Tensor, t: Tensor) -> Tensor:
    r"""Mean denoising loss at times t [k] of the best affine score for data x0 [n, d]: [k].

    It is the score of the Gaussian with the data's mean and covariance, and its loss is the sum of
    :math:`r^2 \lambda / (r^2 \lambda + \mathrm{std}^2)` over the covariance's eigenvalues :math:`\lambda`.
    """
    check.instance("sde", sde, LinearSDE)
    x0 = check.tensor("x0", x0, ("n", "d"))
    t = check.times("t", check.tensor("t", t, ("k",), like=x0), 0.0, sde.T)
    check.holds("t", t > 0, f"SDE times in (0, {sde.T:g}]", t)
    centred = x0 - x0.mean(0)
    few = len(x0) < x0.shape[1]  # the other eigenvalues are zero, and so are their terms
    gram = (centred @ centred.mT if few else centred.mT @ centred) / len(x0)
    signal = sde.scale(t)[:, None] ** 2 * torch.linalg.eigvalsh(gram).clamp(min=0)
    return (signal / (signal + sde.std(t)[:, None] ** 2)).sum(1)
