"""The probability flow's density and the prior's price: against closed forms and quadratures spelt out."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.generation import readouts

F64 = torch.float64
SDE = dn.OU(T=3.0)
X = torch.linspace(-8, 8, 321, dtype=F64)
TWO = dn.GaussianMixture.two_modes(2.0)


@pytest.mark.parametrize("V", [0.8, 1.25])
def test_a_score_that_is_wrong_by_a_factor_generates_three_known_variances(V):
    """OU, s = -x / V, backwards in time: SDE dW/du = 2 (1 - 2/V) W + 2, flow dW/du = 2 (1 - 1/V) W, from std(T)^2; (11) V."""
    rest, start, time = V / (2 - V), -math.expm1(-6), 2.99
    by_sde = dn.generate(lambda x, t: -x / V, TWO.diffused(SDE), 0.01, steps=192, cells=3000).at(X)
    for density, exact in (
            (by_sde, rest + (start - rest) * math.exp(2 * (1 - 2 / V) * time)),
            (dn.generated_by_flow(lambda x, t: -x / V, SDE, X, 0.01), start * math.exp(2 * (1 - 1 / V) * time)),
            (dn.integrated_score_density(lambda x, t: -x / V, X, 0.01), V)):
        assert float((density * X**2).sum() * 0.05) == pytest.approx(exact, rel=3e-3)


@pytest.mark.parametrize("sde", [SDE, dn.VE(5.0), dn.VP()], ids=repr)
def test_the_true_score_generates_the_marginal(sde):
    p = TWO.diffused(sde)
    truth, prior = p.log_prob(X[:, None], 0.1).exp(), float(dn.prior_divergence(p))
    q = dn.generated_by_flow(p.score, sde, X, 0.1)
    assert float((q - truth).abs().sum() * 0.05) <= (2 * prior) ** 0.5 + 2e-3  # Pinsker, for the prior's share


def test_batches_are_those_of_their_scores_and_a_run_of_features_is_one():
    run, tau = dn.Problem(TWO, SDE, n_t=16, n_x=32, device="cpu").train(m=12, n=8, seeds=1)[0], torch.tensor([[1.0, 30.0]], dtype=F64)
    both = dn.generated_by_flow(run.score(tau), SDE, X, 0.05, steps=6)
    assert both.shape == (1, 2, 321)
    torch.testing.assert_close(both[0, 1], dn.generated_by_flow(run.score(tau[0, 1]), SDE, X, 0.05, steps=6), rtol=1e-9, atol=1e-14)


def test_the_density_of_the_sde_is_that_of_its_samples():
    """For a learned score, which is wrong: 200 Euler steps of 20,000 samples against the solver, by distribution functions."""
    problem = dn.Problem(TWO, SDE, weighting="likelihood", n_t=32, n_x=64, device="cpu")
    score = problem.train(m=32, n=16, seeds=1)[0].score(torch.tensor(100.0, dtype=F64))
    times = torch.linspace(3.0**0.5, 0.01**0.5, 201, dtype=F64).square().clamp(0.01, 3.0)
    start = dn.normal(np.random.default_rng(0), (20_000, 1)) * SDE.std(3.0)
    x = dn.reverse_sde(score, SDE, start, times, np.random.default_rng(1))[:, 0].sort().values
    found = problem.generated(score)
    below = (found.density * found.width).cumsum(0) - found.density * found.width / 2
    assert np.abs(np.interp(x, found.x, below) - np.linspace(0, 1, 20_000)).max() < 0.02


def test_the_price_of_the_prior_is_that_of_a_gaussian_and_below_its_bound():
    for sde, std in ((SDE, 0.5), (dn.VE(), 3.0), (dn.VP(), 1.0)):
        p, (r, s) = dn.GaussianMixture.normal(std).diffused(sde), (float(sde.scale(sde.T)), float(sde.std(sde.T)))
        ratio = (r * std / s) ** 2
        assert float(dn.prior_divergence(p)) == pytest.approx((ratio - math.log1p(ratio)) / 2, rel=1e-6, abs=1e-14)
    p = TWO.diffused(dn.OU(T=1.0))
    x = torch.linspace(-30, 30, 60_001, dtype=F64)[:, None]
    fine = dn.kl_grid(p.log_prob(x, 1.0).exp(), dn.GaussianMixture.normal(float(p.sde.std(1.0))).log_prob(x).exp(), 1e-3)
    assert float(dn.prior_divergence(p)) == pytest.approx(float(fine), rel=1e-8) and float(fine) < p.prior_kl()


def test_the_printed_read_out_is_the_sum_over_its_51_points_for_a_batch_of_scores():
    """Against the closed form of (11) for scores whose integral is known: -x / V and, of the true score, log p_t."""
    law, V, x = dn.GaussianMixture.two_modes(3.0), torch.tensor([0.5, 9.0], dtype=F64), torch.linspace(-10, 10, 51, dtype=F64)
    read = dn.printed_divergence(law)
    p = law.log_prob(x[:, None]).softmax(0)

    def divergence(log_q):
        return (p * (p.log() - log_q.log_softmax(-1))).sum(-1)

    torch.testing.assert_close(read(lambda x, t: -x / V[:, None, None]), divergence(-(x**2) / 2 / V[:, None]))
    marginal = law.diffused(dn.VE())
    torch.testing.assert_close(read(marginal.score), divergence(marginal.log_prob(x[:, None], 0.065)), rtol=1e-3, atol=0)
    times, points = [], []
    read(lambda x, t: (times.append(float(t)), points.append(len(x)), -x)[-1])
    dn.printed_divergence(law, 0.5, reach=8.0, points=11, between=3)(lambda x, t: (times.append(float(t)), points.append(len(x)), -x)[-1])
    assert times == [0.065, 0.5] and points == [501, 31]
    assert read(lambda x, t: x * torch.nan).isnan()


@pytest.mark.parametrize(("wrong", "name"), [
    (lambda: dn.printed_divergence(dn.GaussianMixture.two_modes(1.0, d=2)), "target"), (lambda: dn.printed_divergence(TWO, points=1), "points"),
    (lambda: dn.printed_divergence(TWO, 0.0), "t"), (lambda: dn.printed_divergence(TWO, reach=0.0), "reach"),
    (lambda: dn.generated_by_flow(lambda x, t: -x, SDE, X[:, None], 0.1), "x"), (lambda: dn.generated_by_flow(lambda x, t: -x, SDE, X, 0.0), "t"),
    (lambda: dn.generated_by_flow(lambda x, t: -x, SDE, X, 3.0), "t"), (lambda: dn.generated_by_flow(lambda x, t: -x, "OU", X, 0.1), "sde"),
    (lambda: dn.prior_divergence(dn.GaussianMixture.two_modes(1.0, d=2).diffused(SDE)), "p"), (lambda: dn.prior_divergence(TWO), "p"),
    (lambda: dn.prior_divergence(TWO.diffused(SDE), cells=2), "cells"),
])
def test_errors_name_the_argument(wrong, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        wrong()


def test_steps_and_cells_are_those_that_the_docstring_says(monkeypatch):
    """Which bug this catches: a default that chapters were stored with and that has changed since, or a grid cut off on one side."""
    p, seen = TWO.diffused(SDE), []
    same, other = (dn.generated_by_flow(p.score, SDE, X[::40], 0.1, steps=steps) for steps in (32, 31))
    assert torch.equal(dn.generated_by_flow(p.score, SDE, X[::40], 0.1), same) and not torch.equal(same, other)
    monkeypatch.setattr(readouts, "kl_grid", lambda *arguments: seen.append(arguments) or torch.zeros(()))
    dn.prior_divergence(p)
    (law, prior, spacing), reach = seen[0], float(p.half_width(torch.tensor(3.0, dtype=F64), 12.0))
    assert len(law) == len(prior) == 800 and float(spacing) == pytest.approx(2 * reach / 799)
    assert float((prior * spacing).sum()) == pytest.approx(1, abs=1e-12) and torch.allclose(law, law.flip(0))
    dn.prior_divergence(p, cells=3)
