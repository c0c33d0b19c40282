"""The density that the probability flow generates on a line, and the price of the prior from which generation starts.

Of one score ``generated.generate`` gives the density of the reverse SDE (3), ``generated_by_flow`` that of the probability
flow (4), and ``density.integrated_score_density`` the normalised score (11), which ``printed_divergence`` reads like the paper.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..base import checks as check
from ..processes import DiffusedMixture, GaussianMixture, LinearSDE
from .density import kl_grid, kl_on_points
from .likelihood import probability_flow_log_prob
from .scores import Score


def generated_by_flow(score, sde: LinearSDE, x: Tensor, t: float, *, steps: int = 32) -> Tensor:
    """The density at time t of what the probability flow (4) driven by ``score`` generates, at points x [N]: [*b, N].

    Along the flow by the change of variables, ``probability_flow_log_prob``, in ``steps`` steps.  For a batch of scores it is
    called with x [*b, N, 1], one set of points for each of them, as ``RandomFeatures.score`` allows.
    """
    sde, x = check.instance("sde", sde, LinearSDE), check.tensor("x", x, ("N",))
    t = check.number("t", t, 0.0, sde.T, open_low=True, open_high=True)
    batch = Score(score, batch=True)(x[:, None], t).shape[:-2]
    times = sde.geometric_times(_number(sde.std, t), steps, device=x.device, dtype=x.dtype)
    prior = GaussianMixture.normal(_number(sde.std, sde.T)).to(x.device, x.dtype)
    return probability_flow_log_prob(score, sde, x[:, None].expand(*batch, -1, 1), times, prior.log_prob).exp()


def printed_divergence(target: GaussianMixture, t: float = 0.065, *, reach: float = 10.0, points: int = 51,
                       between: int = 10) -> Callable[[Any], Tensor]:
    """The read-out of Figures 3, 4 and 8: a function from a score to D_KL(target || (11)) in nats, [*b] for a batch of scores.

    The score at time t is integrated on [-reach, reach] and read on ``points`` equidistant points, where both densities are
    normalised: ``kl_on_points``.  t and points are those of the authors' repository.  They integrate by adaptive quadrature;
    here each gap between neighbouring points has ``between`` steps of the trapezoidal rule.  The function is made once and
    called for every network, as ``Trained.read`` does.
    """
    if check.instance("target", target, GaussianMixture).d != 1:
        check.fail("target", f"a mixture in d = {target.d}", "d = 1")
    t, reach = (check.number(name, value, 0.0, 1e6, open_low=True) for name, value in (("t", t), ("reach", reach)))
    points, between = check.integer("points", points, 2), check.integer("between", between)
    x = torch.linspace(-reach, reach, (points - 1) * between + 1, dtype=target.means.dtype, device=target.means.device)
    log_p = target.log_prob(x[::between, None])
    return lambda score: kl_on_points(score, log_p, x, t, every=between)


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


def _number(function, t) -> float:
    return function(torch.tensor(t, dtype=torch.float64, device="cpu")).item()
