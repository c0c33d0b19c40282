r"""The densities that one learned score generates in one dimension, and the price of the prior from which they start.

``generated_by_sde`` and ``generated_by_flow`` are the laws at time t of the paper's (3) and (4), started at T from the
prior N(0, std(T)^2); ``density.integrated_score_density`` is (11), the third density of the same score.  All are [*b, N]
on points x [N]:

    run = dn.Problem(target, sde).train(m=128, n=64, seeds=1)[0]
    dn.generated_by_sde(run.score(tau), sde, x, 0.01)
"""

import torch
from torch import Tensor

from ..base import checks as check
from ..processes import DiffusedMixture, Driftless, GaussianMixture, LinearSDE
from .density import kl_grid
from .fokker_planck import cell_widths, reverse_sde_density, stretched_grid
from .likelihood import probability_flow_log_prob
from .scores import Score


def generated_by_sde(score, sde: LinearSDE, x: Tensor, t: float, *, steps: int = 48, cells: int = 1000, reach: float = 8.0,
                     core: float = 6.0) -> Tensor:
    """The density at time t of what the reverse SDE (3) driven by ``score`` generates, at increasing points x [N]: [*b, N].

    The Fokker-Planck equation is solved in y = x / scale(t), where modes stand still, on ``cells`` cells that are even up to
    ``core`` and wider beyond, out to ``reach`` standard deviations of the prior, in ``steps`` steps even in sqrt(t).  Between
    the cells' centres the density is interpolated linearly.  For the error halve steps and cells.
    """
    sde, x, t = _arguments(sde, x, t)
    score, still, core = Score(score, batch=True), Driftless(sde), check.number("core", core, 0.0, open_low=True)
    spread = _number(still.std, sde.T)
    wide = max(check.number("reach", reach, 0.0, 38.0, open_low=True) * spread, 25 * core)
    y = stretched_grid(wide, check.integer("cells", cells, 3), core, dtype=x.dtype, device=x.device)
    end = _number(sde.scale, t)
    check.holds("x", (x.abs() <= end * wide), "points on the solver's grid: a larger core, or reach", x)
    clock = torch.linspace(sde.T**0.5, t**0.5, check.integer("steps", steps) + 1, dtype=torch.float64).square()
    prior = GaussianMixture.normal(spread).to(y.device, y.dtype).log_prob(y[:, None]).exp()
    mass = (prior * cell_widths(y)).sum()
    check.holds("cells", (mass - 1).abs() <= 1e-3, "cells so many, and a reach so far, that they hold the prior's mass", mass)
    density = reverse_sde_density(
        lambda z, s: sde.scale(s) * score(sde.scale(s) * z, s), still, y, clock.to(y).clamp(t, sde.T), prior)
    right = torch.searchsorted(y * end, x.contiguous()).clamp(1, len(y) - 1)
    share = (x / end - y[right - 1]) / (y[right] - y[right - 1])
    return ((1 - share) * density[..., right - 1] + share * density[..., right]) / end


def generated_by_flow(score, sde: LinearSDE, x: Tensor, t: float, *, steps: int = 32) -> Tensor:
    """The density at time t of what the probability flow (4) driven by ``score`` generates, at increasing points x [N]: [*b, N].

    Along the flow by the change of variables, ``probability_flow_log_prob``, in ``steps`` steps.  For a batch of scores it is
    called with x [*b, N, 1], one set of points for each of them, as ``RandomFeatures.score`` allows.
    """
    sde, x, t = _arguments(sde, x, t)
    batch = Score(score, batch=True)(x[:, None], t).shape[:-2]
    times = sde.geometric_times(_number(sde.std, t), steps, device=x.device, dtype=x.dtype)
    prior = GaussianMixture.normal(_number(sde.std, sde.T)).to(x.device, x.dtype)
    return probability_flow_log_prob(score, sde, x[:, None].expand(*batch, -1, 1), times, prior.log_prob).exp()


def prior_divergence(p: DiffusedMixture, cells: int = 800) -> Tensor:
    """KL(p_T || N(0, std(T)^2)) in nats, the last term of Lemma 2: by quadrature, for d = 1.

    ``p.prior_kl()`` bounds it in any d.
    """
    like = check.instance("p", p, DiffusedMixture).mixture.means
    if p.mixture.d != 1:
        check.fail("p", f"a density in d = {p.mixture.d}", "d = 1")
    T = torch.full((), p.sde.T, dtype=like.dtype, device=like.device)
    unit = torch.linspace(-1, 1, check.integer("cells", cells, 3), dtype=like.dtype, device=like.device)
    reach = p.half_width(T, 12.0)
    x, prior = (reach * unit)[:, None], GaussianMixture.normal(_number(p.sde.std, p.sde.T)).to(like.device, like.dtype)
    return kl_grid(p.log_prob(x, p.sde.T).exp(), prior.log_prob(x).exp(), reach * (unit[1] - unit[0]))


def _arguments(sde, x, t):
    sde, x = check.instance("sde", sde, LinearSDE), check.tensor("x", x, ("N",))
    check.holds("x", x.diff() > 0, "increasing points", x[1:])
    return sde, x, check.number("t", t, 0.0, sde.T, open_low=True, open_high=True)


def _number(function, t) -> float:
    return function(torch.tensor(t, dtype=torch.float64, device="cpu")).item()
