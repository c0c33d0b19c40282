"""The density that the probability flow generates on a line, and the price of the prior from which generation starts.

Of one score ``generated.generate`` gives the density of the reverse SDE (3), ``generated_by_flow`` that of the probability
flow (4), and ``density.integrated_score_density`` the normalised score (11).
"""

import torch
from torch import Tensor

from ..base import checks as check
from ..processes import DiffusedMixture, GaussianMixture, LinearSDE
from .density import kl_grid
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
