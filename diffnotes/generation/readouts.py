"""The densities on a line that one score has, and the price of the prior from which generation starts.

The true score has one density at each time.  A learned one has several: that of the samples of the reverse SDE (3),
``generated.generate``; that of the probability flow (4), ``flowed`` or, at given points, ``generated_by_flow``; and the
normalised score (11), ``integrated``.  ``read_outs`` gives all three by name.  ``printed_divergence`` reads (11) as the
paper does.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..base import checks as check
from ..processes import DiffusedMixture, GaussianMixture, LinearSDE
from .density import integral, kl_grid, kl_on_points
from .fokker_planck import cell_widths
from .generated import Generated, generate, line_of, times_down
from .likelihood import probability_flow_log_prob
from .samplers import probability_flow
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


def integrated(score, p: DiffusedMixture, t: float, *, cells: int = 1001, reach: float = 10.0) -> Generated:
    """The density (11), proportional to exp of the integral of ``score`` at the one time t, beside p_t.

    On the window within which p_t lies up to ``reach`` standard deviations, by the trapezoidal rule on ``cells`` points.  It is
    normalised there, as the paper's authors do, even if the score points outwards at the ends; ``integrated_score_density``
    refuses such scores.
    """
    if check.instance("p", p, DiffusedMixture).mixture.d != 1:
        check.fail("p", f"a density in d = {p.mixture.d}", "d = 1")
    t, like = check.number("t", t, 0.0, p.sde.T, open_low=True, open_high=True), check.with_values("p", p.mixture.means)
    end = float(p.half_width(like.new_tensor(t), check.number("reach", reach, 0.0, 38.0, open_low=True)))
    x = torch.linspace(-end, end, check.integer("cells", cells, 3), dtype=like.dtype, device=like.device)
    width = cell_widths(x)
    log_density = integral(score, x, t)[1]
    density = (log_density + width.log()).softmax(-1) / width
    return Generated(x, width, density, p.log_prob(x[:, None], t).exp())


def flowed(score, p: DiffusedMixture, t_min: float, *, steps: int = 128, cells: int = 1000, reach: float = 8.0,
           power: float = 2.0) -> Generated:
    """The density at t_min of what the probability flow (4) driven by ``score`` makes of the prior, beside p_{t_min}.

    Curves of an ODE on a line do not cross.  So the mass of a cell is the prior's between the images of its faces under the
    flow from t_min up to T, which Heun's method follows.  Nothing is differentiated, and all mass is found: the outermost
    cells hold what lies beyond.  Arguments as in ``generate``; for a batch of scores the faces are [*b, N - 1, 1].
    """
    z, unit, _ = line_of(p, t_min, cells, reach)
    t, x, width = times_down(p.sde, t_min, steps, power, z).flip(0), unit * z, unit * cell_widths(z)
    faces = ((x[1:] + x[:-1]) / 2)[:, None]
    batch = Score(score, batch=True)(faces, t[0]).shape[:-2]
    images = probability_flow(score, p.sde, faces.expand(*batch, -1, 1), t)[..., 0].cummax(-1).values / p.sde.std(t[-1])
    ends = torch.full_like(images[..., :1], torch.inf)
    low, high = torch.cat([-ends, images], -1), torch.cat([images, ends], -1)
    flip = low > 0  # differences of upper tails, which are small, in place of differences of numbers near one
    mass = torch.special.ndtr(torch.where(flip, -low, high)) - torch.special.ndtr(torch.where(flip, -high, low))
    least = max(1e-300, torch.finfo(mass.dtype).tiny)  # in single precision 1e-300 is zero
    return Generated(x, width, mass.clamp(min=least) / width, p.log_prob(x[:, None], t_min).exp())


def read_outs(score, p: DiffusedMixture, t_min: float, *, t_integral: float | None = None, steps: int = 48, cells: int = 600,
              reach: float = 30.0) -> dict[str, Generated]:
    """Three densities of one score, by name: "integral", "flow" and "SDE".

    The first at t_integral, where the score is integrated (None: at t_min), the others at t_min, where generation stops.
    Cells reach far, and may hold any mass at the ends, since half-trained scores drive some of it away.  Half of ``steps`` and
    ``cells`` in a second call is a control.
    """
    check.instance("p", p, DiffusedMixture)
    steps, cells = check.integer("steps", steps), check.integer("cells", cells, 3)
    at = t_min if t_integral is None else check.number("t_integral", t_integral, 0.0, p.sde.T, open_low=True, open_high=True)
    line = dict[str, Any](cells=cells, reach=reach)
    return {"integral": integrated(score, p, at, cells=2 * cells + 1),
            "flow": flowed(score, p, t_min, steps=2 * steps, **line),
            "SDE": generate(score, p, t_min, steps=steps, power=1.0, edge_mass=1.0, **line)}


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
