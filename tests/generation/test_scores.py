"""What samplers and solvers ask of a score: checks, no graph unless asked, scores that differentiate inside, vmap."""

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.generation.scores import Score

F64 = torch.float64
SDE = dn.OU(T=3.0)
P = dn.GaussianMixture.two_modes(2.0).diffused(SDE)
X = torch.linspace(-1, 2, 6, dtype=F64)[:, None]
DOWN = torch.linspace(3.0, 0.05, 9, dtype=F64)


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(-1.0, dtype=F64))

    def forward(self, x, t):
        return self.weight * x


def energy(x, t):
    """The score as people get it from an energy."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(P.log_prob(x, t).sum(), x)[0]


def generated(score, name, **kwargs):
    grid = torch.linspace(-9, 9, 61, dtype=F64)
    prior = dn.GaussianMixture.normal(1.0).log_prob(grid[:, None]).exp()
    calls = {
        "reverse_sde": lambda: dn.reverse_sde(score, SDE, X, DOWN, np.random.default_rng(0), **kwargs),
        "probability_flow": lambda: dn.probability_flow(score, SDE, X, DOWN, **kwargs),
        "denoise": lambda: dn.denoise(score, SDE, X, 1.0, **kwargs),
        "reverse_sde_density": lambda: dn.reverse_sde_density(score, SDE, grid, DOWN, prior),
        "log_prob": lambda: dn.probability_flow_log_prob(score, SDE, X, DOWN.flip(0), lambda y: -(y**2).sum(-1)),
        "integrated": lambda: dn.integrated_score_density(score, grid, 1.0),
    }
    return calls[name]()


NAMES = ["reverse_sde", "probability_flow", "denoise", "reverse_sde_density", "log_prob", "integrated"]


@pytest.mark.parametrize("name", NAMES)
def test_no_graph_unless_asked(name):
    """Which bug this catches: a network's graph through all steps, which fills the memory."""
    result = generated(Linear(), name)
    assert not result.requires_grad
    torch.testing.assert_close(result, generated(lambda x, t: -x, name))


@pytest.mark.parametrize("name", NAMES)
def test_no_graph_and_no_mark_on_the_caller_s_points(name):
    """Which bug this catches: a score that switches gradients on by itself, and one that marks the points it is given."""
    net = Linear()

    def score(x, t):
        with torch.enable_grad():
            return net(x.requires_grad_(), t)

    assert not generated(score, name).requires_grad and not X.requires_grad


@pytest.mark.parametrize("name", ["reverse_sde", "probability_flow", "denoise"])
def test_gradients_where_asked_are_difference_quotients(name):
    net = Linear()
    result = generated(net, name, gradients=True).sum()
    slope, = torch.autograd.grad(result, net.weight)
    up, down = (float(generated(lambda x, t, w=w: w * x, name).sum()) for w in (-1 + 1e-5, -1 - 1e-5))
    assert float(slope) == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "log_prob"])
def test_scores_that_differentiate_inside(name, mode):
    with mode():
        result = generated(energy, name)
    torch.testing.assert_close(result.clone(), generated(P.score, name))


def test_a_bad_score_is_named():
    for bad, what in ((lambda x, t: x[:1], "shape"), (lambda x, t: x.float(), "dtype"), (lambda x, t: x * float("nan"), "nan")):
        with pytest.raises(ValueError, match=rf"^score\(x, t\): got .*{what}.*; allowed: "):
            generated(bad, "probability_flow")


def test_a_batch_of_results_is_taken_only_where_it_has_a_place():
    """Which bug this catches: three results for one point, added to it by broadcasting, without a word."""
    def three(x, t):
        return torch.stack([-x, -x / 2, -x / 3])

    for name in ("reverse_sde", "probability_flow", "denoise", "log_prob"):
        with pytest.raises(ValueError, match=r"^score\(x, t\): got shape \(3, 6, 1\); allowed: shape \[6, 1\]"):
            generated(three, name)
    assert generated(three, "reverse_sde_density").shape == (3, 61)
    assert Score(three, batch=True)(X, 1.0).shape == (3, 6, 1) and Score(three, batch=True, gradients=True)(X, 1.0).shape == (3, 6, 1)
    with pytest.raises(ValueError, match=r"^score\(x, t\): got shape \(3, 1\)"):
        Score(lambda x, t: x[:3], batch=True)(X, 1.0)


def test_gradients_are_off_until_a_score_needs_them_and_then_it_is_called_once():
    """Which bug this catches: graphs where nobody asked for one, and a score of an energy that is computed twice in every step."""
    modes = []

    def plain(x, t):
        modes.append(torch.is_grad_enabled())
        return -x

    def differentiating(x, t):
        modes.append(torch.is_grad_enabled())
        return energy(x, t)

    for score, asked, seen in ((plain, False, [False] * 3), (differentiating, False, [False, True, True, True]), (plain, True, [True] * 3)):
        checked = Score(score, gradients=asked)
        for t in (2.0, 1.0, 0.5):
            torch.testing.assert_close(checked(X, t), score(X, t))
            modes.pop()  # of the second call here
        assert modes == seen
        modes.clear()


def test_not_finite_is_refused_unless_told_otherwise():
    def infinite(x, t):
        return x / 0.0

    with pytest.raises(ValueError, match=r"^score\(x, t\): got .*inf; allowed: finite"):
        Score(infinite)(X, 1.0)
    assert Score(infinite, finite=False)(X, 1.0).isinf().all()


def test_vmap_of_closed_form_scores():
    """Which bug this catches: a check that reads values inside ``torch.func.vmap``."""
    features = dn.RandomFeatures.draw(8, 1, SDE.T, np.random.default_rng(0))
    learned = features.score(dn.normal(np.random.default_rng(1), (1, 8)))
    t = torch.linspace(0.1, 2.0, 6, dtype=F64)
    for score in (P.score, learned, lambda x, t: SDE.drift(x, t)):
        torch.testing.assert_close(torch.func.vmap(lambda x, score=score: score(x, 0.5))(X), score(X, 0.5))
        torch.testing.assert_close(torch.func.vmap(score)(X[:, None], t[:, None])[:, 0], score(X, t))
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: P.score(x, 0.5)))(X)
    torch.testing.assert_close(jacobian[:, 0, 0], P.divergence(X, 0.5))
