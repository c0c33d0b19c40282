"""The likelihood of the probability flow: closed forms, convergence, every way to a divergence, and refusals."""

import math
from functools import cache

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.generation import likelihood

F64 = torch.float64
SDES = [dn.OU(T=3.0), dn.VP(), dn.VE()]
SDE = SDES[0]


MODES = [likelihood._reverse, likelihood._forward]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(4, 1), (4, 3), (2, 5, 3)])
def test_both_modes_give_the_divergence_at_any_batch(mode, shape):
    """For s = sin(x_j) + x_j sum of x: div s = sum of cos x_j + (d + 1) sum of x."""
    def score(x, t):
        return torch.sin(x) + x * x.sum(-1, keepdim=True)

    x, d = dn.normal(np.random.default_rng(0), shape), shape[-1]
    value, total = mode(score, x, 0.5, torch.eye(d, dtype=F64).reshape(-1, *[1] * (len(shape) - 1), d).expand(-1, *shape))
    torch.testing.assert_close(value, score(x, 0.5))
    torch.testing.assert_close(total, x.cos().sum(-1) + (d + 1) * x.sum(-1))
    for other in (torch.ones((), dtype=F64, requires_grad=True), torch.ones((), dtype=F64)):  # a result that knows nothing of x
        assert not mode(lambda x, t, other=other: other * torch.ones(shape, dtype=F64), x, 0.5, x[None])[1].any()


def agrees(score, x, t=0.5, factor=1.0):
    """What is said of a derivative by reverse mode times a factor."""
    def mode(score, x, t, directions):
        value, total = likelihood._reverse(score, x, t, directions)
        return value, factor * total

    return likelihood._agrees(mode, score, SDE, x, torch.tensor(t, dtype=x.dtype))


def test_a_derivative_is_right_to_a_twentieth_of_its_size_at_half_of_the_points():
    """The size is that of the denoiser's derivative, J + 1 / std^2; a share of -1 is what a denoiser that is cut off leaves.

    Which bug this catches: a tolerance in units of something else, which takes a wrong derivative that is small.
    """
    x, unit = dn.normal(np.random.default_rng(0), (2, 4, 3)), 1 / float(SDE.std(0.5)) ** 2
    for slope in (1e-3, -1e-3, 1.0, 1e3, -1e3):
        for share, right in ((0.0, True), (0.04, True), (-0.04, True), (0.06, False), (-0.06, False), (-1.0, False), (-2.0, False)):
            factor = 1 + share * (slope + unit) / slope
            assert agrees(lambda x, t, slope=slope: slope * x, x, factor=factor) is right
    x = x.flatten(0, 1)
    for n, right in ((3, False), (4, True), (8, True)):
        def some(x, t, n=n):
            return torch.cat([x[:n], x[n:].detach()])

        assert agrees(some, x) is right
    for t in (1e-4, 0.01, 3.0):  # what a score does within a standard deviation of the noise is seen
        assert agrees(lambda x, t: torch.sin(x / SDE.std(t)), x, t)


def test_directions_are_signs_of_both_kinds():
    """Which bug this catches: v = (1, 1, ...), for which a wrong sign of one entry's derivative and another's cancel."""
    seen = []

    def mode(score, x, t, directions):
        seen.append(directions)
        return likelihood._reverse(score, x, t, directions)

    assert likelihood._agrees(mode, lambda x, t: -x, SDE, torch.zeros(50, 4, dtype=F64), torch.tensor(0.5, dtype=F64))
    assert seen[0].shape == (1, 50, 4) and seen[0].unique().tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("score, where", [
    (lambda x, t: 1e5 + 1e-3 * x, 0.0), (lambda x, t: -1e5 - 1e-3 * x, 0.0), (lambda x, t: 1e4 - x, 1e4), (lambda x, t: -1e4 - x, -1e4)])
def test_rounding_of_a_difference_quotient_refuses_no_score(score, where):
    """In single precision, with a large value or at a point far away: the quotient is wrong, and the derivative is not."""
    x = where + torch.from_numpy(np.random.default_rng(0).standard_normal((40, 2))).float()
    assert agrees(score, x, 1e-3)


@pytest.mark.parametrize("sde, t", [(dn.OU(T=3.0), 1e-3), (dn.OU(T=3.0), 1e-2), (dn.VP(), 1e-2), (dn.VE(), 0.1), (dn.VE(), 0.3)])
def test_rounding_refuses_no_score_of_a_point(sde, t):
    """A point's denoiser is constant: in single precision std^2 times the quotient, plus d, is a rounding error and nothing else.

    At the point, in the origin, it is that of products with h; at black pixels of a white image that of the score, the same in
    all coordinates; beside a point that is far from the origin along one axis that of x.

    Which bug this catches: an allowance that forgets one of them, for which a score without any fault is refused."""
    t, far = torch.tensor(t), torch.tensor([-100.0, 0.0, 0.0])
    beside = far + 0.01 * torch.from_numpy(np.random.default_rng(0).standard_normal((2, 20, 3))).float()
    for point, x in ((torch.zeros(10), torch.zeros(2, 5, 10)), (torch.ones(784), torch.zeros(2, 1, 784)), (far / sde.scale(t), beside)):
        score = dn.GaussianMixture.empirical(point[None]).diffused(sde).score
        assert likelihood._agrees(likelihood._reverse, score, sde, x, t)


def test_rounding_excuses_no_denoiser_that_is_cut_off():
    """Which bug this catches: a difference quotient that says nothing beside a large value, taken for consent."""
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((40, 2))).float()
    for value in (1e5, 1e7, -1e9):
        assert not agrees(lambda x, t, value=value: value + (x.detach() - x) / SDE.std(t) ** 2, x, 1e-3)


def test_each_of_the_three_steps_is_the_right_one_somewhere():
    """In single precision, where 0.003 std are 4 units of the last place of 0.75, and 0.03 std are 5 of those of 6.

    At 6 a smaller step is no step, and for what turns within std / 2 a larger one is too long; at 0.75 the same holds for the step
    in the middle and what turns within std / 50, and at the origin for the smallest, where rounding allows it.

    Which bug this catches: fewer steps, or steps each of which must be right for half of the points."""
    std = 4 * 2.0**-24 / 0.003
    t, turns = std**2 / 2, ((6.0, 0.5), (0.75, 0.02), (0.0, 0.001))
    assert float(SDE.std(t)) == pytest.approx(std, rel=1e-6)

    def score(x, t):
        return sum(torch.tanh((x - place) / (width * std)) for place, width in turns) / std

    points = [place + width * std * torch.linspace(-0.3, 0.3, 20)[:, None] for place, width in turns]
    for x in (*points, torch.cat(points)):
        assert agrees(score, x, t) and not agrees(score, x, t, factor=1.2)


def gaussian(d, std=0.5):
    return dn.GaussianMixture.isotropic(torch.ones(1, dtype=F64), torch.full((1, d), 0.7, dtype=F64), std)


def error(p, sde, x, t, score=None, **kwargs):
    value = dn.probability_flow_log_prob(score or p.score, sde, x, t, lambda y: p.log_prob(y, sde.T), **kwargs)
    return float((value - p.log_prob(x, t[0])).abs().max())


def test_constant_pixels_cost_no_bits():
    """Which bug this catches: a rule in t, which overestimates the log-determinant of little data noise near t_min, by nats."""
    p = gaussian(8, 1e-6).diffused(dn.VE())
    x = p.sample(3, 0.0, np.random.default_rng(0))
    errors = [error(p, dn.VE(), x, dn.VE().geometric_times(0.01, steps), divergence=p.divergence) for steps in (8, 16)]
    assert errors[0] < 5e-3 and errors[1] < 2e-4


@pytest.mark.parametrize("sde", [dn.OU(T=3.0), dn.VE()])
def test_from_time_zero_at_fourth_order_too(sde):
    """The first step, in v from v = 0, is as long as the rest: std / scale = 0, 1/k, ..., 1.

    Which bug this catches: a middle or a slope of the first step that belongs to the clock log v, hidden where that step is short."""
    p = gaussian(2).diffused(sde)
    x, end = p.sample(5, 0.0, np.random.default_rng(0)), sde.geometric_times(0.02, 1)[-1:]
    errors = []
    for k in (1, 2, 4):
        first = sde.time_at_log_noise(torch.log(torch.tensor([0.5 / k], dtype=F64)))
        rest = sde.geometric_times(float(sde.std(first)), 8 * k) if float(first) < float(end) else end
        errors.append(error(p, sde, x, torch.cat([torch.zeros(1, dtype=F64), rest]), divergence=p.divergence))
    assert errors[2] < 3e-5 and errors[0] / errors[1] > 8 and errors[1] / errors[2] > 16


def test_normalised_for_any_score():
    x = torch.linspace(-12, 12, 2001, dtype=F64)[:, None]
    value = dn.probability_flow_log_prob(lambda y, t: -y + torch.sin(y), SDE, x, SDE.geometric_times(0.3, 60), gaussian(1, 1.0).log_prob)
    assert float(torch.trapezoid(value.exp(), x[:, 0])) == pytest.approx(1.0, abs=1e-5)


P = dn.GaussianMixture.two_modes(1.0, d=2).diffused(SDE)
X = P.sample(9, 0.05, np.random.default_rng(0))
T = SDE.geometric_times(0.3, 4)


def log_prob(score, **kwargs):
    return dn.probability_flow_log_prob(score, SDE, X, T, lambda y: P.log_prob(y, SDE.T), **kwargs)


@cache
def exact():
    """The same steps with the divergence in closed form."""
    value = log_prob(P.score, divergence=P.divergence)
    torch.testing.assert_close(value, P.log_prob(X, T[0]), atol=1e-3, rtol=0)
    return value


class Network(torch.nn.Module):
    def forward(self, x, t):
        return P.score(x, t)


@torch.no_grad()
def without_gradients(x, t):
    return P.score(x, t)


def energy(x, t):
    """The score of an energy, with the graph that a second derivative needs."""
    if not x.requires_grad:
        x = x.detach().requires_grad_()
    return torch.autograd.grad(P.log_prob(x, t).sum(), x, create_graph=True)[0]


def func_grad(x, t):
    return torch.func.grad(lambda y: P.log_prob(y, t).sum())(x)


def timed_energy(x, t):
    """With t in the graph, as a network's time embedding has it."""
    if not x.requires_grad:
        x = x.detach().requires_grad_()
    return torch.autograd.grad((P.log_prob(x, t.expand(x.shape[:-1])) * torch.exp(0 * t)).sum(), x, create_graph=True)[0]


def detached(x, t):
    return P.score(x.detach(), t)


def partly_detached(x, t):
    return -x + (P.score(x, t) + x).detach()


def energy_without_graph(x, t):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(P.log_prob(x, t).sum(), x)[0]


def numpy_score(x, t):
    return torch.from_numpy(np.asarray(P.score(torch.from_numpy(x.numpy()), t)))


def numpy_detached(x, t):
    return torch.from_numpy(P.score(torch.from_numpy(x.detach().numpy()), t).numpy())


@torch.inference_mode()
def inference(x, t):
    return P.score(x, t)


CUT = [detached, partly_detached, energy_without_graph, numpy_score, numpy_detached, inference]


@pytest.mark.parametrize("score", CUT)
@pytest.mark.parametrize("probes", [0, 2])
def test_a_score_whose_derivative_is_cut_off_is_refused(score, probes):
    """Which bug this catches: -5.909 instead of -0.919, without a word."""
    with pytest.raises(ValueError, match=r"^score: got one (whose derivative is cut off|that torch cannot).*; allowed: .*divergence="):
        log_prob(score, probes=probes, generator=np.random.default_rng(0))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_a_score_whose_derivative_is_cut_off_at_one_time_is_refused(k):
    """The beginning, where the score is steep, the middle and the end are looked at."""
    with pytest.raises(ValueError, match=r"^score: got one whose derivative is cut off"):
        log_prob(lambda x, t: P.score(x.detach() if t == T[k] else x, t))


@pytest.mark.parametrize("score", [P.score, *CUT])
def test_and_welcome_with_its_divergence(score):
    torch.testing.assert_close(log_prob(score, divergence=P.divergence).clone(), exact(), atol=1e-12, rtol=1e-12)


def test_a_denoiser_that_is_cut_off_is_seen_whatever_the_dimension_of_the_data():
    """Which bug this catches: -d/std^2, which every score has, hides a missing derivative of a denoiser of data of few dimensions."""
    d, sde = 60, dn.VE()
    basis = torch.linalg.qr(dn.normal(np.random.default_rng(0), (d, d)))[0][:, :2]
    p = dn.GaussianMixture(torch.ones(1, dtype=F64), torch.zeros(1, d, dtype=F64), (basis @ basis.mT + 1e-6 * torch.eye(d))[None]).diffused(sde)
    x, t = p.sample(2, 0.05, np.random.default_rng(1)), sde.geometric_times(float(sde.std(0.05)), 3)

    def likelihood(score):
        return dn.probability_flow_log_prob(score, sde, x, t, lambda y: p.log_prob(y, 1.0), probes=1, generator=np.random.default_rng(2))

    def cut(x, t):
        denoised = (x + sde.std(t) ** 2 * p.score(x, t)).detach()
        return (denoised - x) / sde.std(t) ** 2

    def frozen(x, t):
        with torch.no_grad():
            denoised = x + sde.std(t) ** 2 * p.score(x, t)
        return (denoised - x) / sde.std(t) ** 2

    with pytest.raises(ValueError, match=r"^score: got one whose derivative is cut off"):
        likelihood(cut)
    torch.testing.assert_close(likelihood(frozen), likelihood(p.score))  # forward mode sees through no_grad


def test_trained_features_with_many_kinks_and_points_on_boundaries():
    """Which bug this catches: a difference quotient across the kinks of a network that is refused for it."""
    sde = dn.VE()
    p = dn.GaussianMixture.two_modes(2.0).diffused(sde)
    phi = dn.RandomFeatures.draw(100, 1, sde.T, np.random.default_rng(0))
    flow = dn.GradientFlow(dn.statistics(phi, dn.line_grid(p, sde.std, 0.01, n_t=32, n_x=64).weighted(p)))
    x, up = torch.linspace(-3, 3, 11, dtype=F64)[:, None], sde.geometric_times(0.1, 8)
    for tau in (1e2, 1e4, 1e8):
        assert dn.probability_flow_log_prob(phi.score(flow.theta(tau)), sde, x, up, p.mixture.log_prob).isfinite().all()
    two = dn.GaussianMixture.empirical(torch.tensor([[-1.0], [1.0]], dtype=F64)).diffused(sde)
    assert dn.probability_flow_log_prob(two.score, sde, torch.zeros(1, 1, dtype=F64), up, p.mixture.log_prob).isfinite()


def test_single_precision_near_the_end_empty_batches_and_few_times():
    for end in (0.1, 0.3, 0.7, 1.1):
        sde, x = dn.OU(T=end), torch.zeros(2, 1)
        q = dn.GaussianMixture.normal(1.0, dtype=torch.float32)
        value = dn.probability_flow_log_prob(q.diffused(sde).score, sde, x, sde.geometric_times(0.1, 8, dtype=torch.float32), q.log_prob)
        torch.testing.assert_close(value, q.log_prob(x), atol=1e-4, rtol=0)
    assert dn.probability_flow_log_prob(P.score, SDE, X[:0], T, lambda y: P.log_prob(y, SDE.T)).shape == (0,)
    two = [dn.probability_flow_log_prob(P.score, SDE, X, T[:2], lambda y: P.log_prob(y, SDE.T), **way) for way in ({}, dict(divergence=P.divergence))]
    torch.testing.assert_close(*two)
    with pytest.raises(ValueError, match=r"^t: got 1 time; allowed: at least 2"):
        dn.probability_flow_log_prob(P.score, SDE, X, T[:1], lambda y: P.log_prob(y, SDE.T))


def test_a_mistake_inside_a_score_is_shown_as_it_is():
    with pytest.raises(RuntimeError, match="must match the size"):
        dn.probability_flow_log_prob(lambda x, t: x + torch.ones(7, dtype=F64), SDE, X, T, lambda y: y[:, 0])


def test_divergence_and_probes_exclude_each_other():
    with pytest.raises(ValueError, match=r"^divergence: got a function, and probes; allowed: either of them"):
        dn.probability_flow_log_prob(P.score, SDE, X, T, lambda y: y[:, 0], divergence=P.divergence, probes=1, generator=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^divergence\(x, t\): got shape"):
        dn.probability_flow_log_prob(P.score, SDE, X, T, lambda y: y[:, 0], divergence=lambda x, t: x)


P1 = dn.GaussianMixture.two_modes(2.0).diffused(SDE)
UP = SDE.geometric_times(0.3, 12)


def test_expanded_points_are_welcome():
    x = torch.linspace(-1, 1, 5, dtype=F64)[:, None]
    once = dn.probability_flow_log_prob(P1.score, SDE, x, UP, lambda y: -(y**2).sum(-1))
    for way in ({}, dict(divergence=P1.divergence)):
        both = dn.probability_flow_log_prob(P1.score, SDE, x.expand(2, 5, 1), UP, lambda y: -(y**2).sum(-1), **way)
        torch.testing.assert_close(both, once.expand(2, 5))


@pytest.mark.parametrize("d, probes", [(2, 1), (2, 3), (3, 1)])
def test_trace_estimate_is_the_exact_one_and_products_of_signs(d, probes):
    """v^T J v = tr J + sum of J_ij v_i v_j over i != j: exact for a diagonal J, and otherwise off by products of random signs.

    Which bug this catches: probes of another size, other than signs, shared between points, or drawn again at every step."""
    n, t = 400, SDE.geometric_times(0.3, 3)
    point = torch.tensor([0.3, -1.0, 0.5], dtype=F64)[:d]
    round_law = dn.GaussianMixture.isotropic([1.0], torch.zeros(1, d, dtype=F64), 0.5)
    other = torch.zeros(d, d, dtype=F64)
    other[0, 1] = other[1, 0] = 0.7
    long_law = dn.GaussianMixture([1.0], torch.zeros(1, d, dtype=F64), (torch.eye(d, dtype=F64) + other)[None])

    def values(law, x, **kwargs):
        return dn.probability_flow_log_prob(law.diffused(SDE).score, SDE, x, t, lambda z: -z.square().sum(-1), **kwargs)

    x, draws = point.expand(n, d), dict(probes=probes, generator=np.random.default_rng(0))
    torch.testing.assert_close(values(round_law, x, **draws), values(round_law, x))
    off = values(long_law, x, **draws) - values(long_law, point[None])  # off_12 times the mean of v_1 v_2 over the probes
    size = off.abs().max()
    assert size > 0.1
    steps = (off / size + 1) * probes / 2  # the number of probes with v_1 = v_2
    torch.testing.assert_close(steps, steps.round(), atol=1e-9, rtol=0)
    share = torch.bincount(steps.round().long(), minlength=probes + 1) / n
    binomial = torch.tensor([math.comb(probes, k) / 2**probes for k in range(probes + 1)])
    assert ((share - binomial).abs() < 4 * (binomial * (1 - binomial) / n).sqrt()).all()


def test_probes_need_a_generator_and_a_number():
    x, t = torch.zeros(1, 1, dtype=F64), UP
    with pytest.raises(ValueError, match=r"^generator: got NoneType; allowed: "):
        dn.probability_flow_log_prob(P1.score, SDE, x, t, lambda z: z[:, 0], probes=1)
    with pytest.raises(ValueError, match=r"^probes: got -1; allowed: "):
        dn.probability_flow_log_prob(P1.score, SDE, x, t, lambda z: z[:, 0], probes=-1)


def test_bad_input_names_the_argument():
    for call, name in ((lambda: dn.probability_flow_log_prob(P1.score, SDE, X[:, :1], UP.flip(0), lambda y: y), "t"),
                       (lambda: dn.probability_flow_log_prob(P1.score, SDE, X[:, :1], UP, lambda y: y), r"prior_log_prob\(x\)")):
        with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
            call()


def test_scores_that_look_cut_off_and_are_not():
    """A constant score, one with kinks, one that turns between far modes, single precision, and a batch of parameters."""
    far = dn.GaussianMixture.two_modes(15.0).diffused(dn.VE())
    x, up = torch.linspace(-20, 20, 41, dtype=F64)[:, None], dn.VE().geometric_times(0.05, 12)
    features = dn.RandomFeatures.draw(6, 1, 1.0, np.random.default_rng(0))
    theta = dn.normal(np.random.default_rng(1), (3, 1, 6))
    for score, points in ((lambda x, t: torch.ones_like(x), x), (far.score, x), (features.score(theta[0]), x),
                          (features.score(theta), x.expand(3, -1, 1))):
        assert dn.probability_flow_log_prob(score, dn.VE(), points, up, dn.GaussianMixture.normal(8.0).log_prob).shape == points.shape[:-1]
    single = dn.GaussianMixture.two_modes(15.0, dtype=torch.float32).diffused(dn.VE())
    value = dn.probability_flow_log_prob(single.score, dn.VE(), x.float(), up.float(), lambda y: single.log_prob(y, 1.0))
    double = dn.probability_flow_log_prob(far.score, dn.VE(), x, up, lambda y: far.log_prob(y, 1.0))
    assert (value - double).abs().median() < 1e-4


@pytest.mark.parametrize("score", [P.score, Network(), without_gradients, energy, func_grad, timed_energy, lambda x, t: P.score(x.clone(), t)])
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_every_way_to_a_derivative(score, mode):
    with mode():
        value = log_prob(score)
    assert not value.requires_grad
    torch.testing.assert_close(value.clone(), exact(), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("sde", SDES)
@pytest.mark.parametrize("d", [1, 3])
def test_the_true_scores_likelihood_is_the_marginal_at_fourth_order(sde, d):
    p = dn.GaussianMixture.two_modes(2.0, d=d).diffused(sde)
    x = p.sample(20, 0.05, np.random.default_rng(0))
    errors = [error(p, sde, x, sde.geometric_times(float(sde.std(0.05)), k), divergence=p.divergence) for k in (12, 24)]
    assert errors[1] < 2e-5 and 15 < errors[0] / errors[1] < 21
