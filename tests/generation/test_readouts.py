"""What a score generates: against closed forms, samples, and the quadratures that chapters used to spell out."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn

F64 = torch.float64
SDE = dn.OU(T=3.0)
X = torch.linspace(-8, 8, 321, dtype=F64)
TWO = dn.GaussianMixture.two_modes(2.0)


def variance(density):
    return float((density * X**2).sum() * 0.05)


@pytest.mark.parametrize("V", [0.8, 1.25])
def test_a_score_that_is_wrong_by_a_factor_generates_three_known_variances(V):
    """For OU from N(0, 1) and s = -x / V, backwards in time: SDE dW/du = 2 (1 - 2/V) W + 2, flow dW/du = 2 (1 - 1/V) W, (11) V."""
    rest, time = V / (2 - V), 3.0 - 1e-9
    by_sde = dn.generated_by_sde(lambda x, t: -x / V, SDE, X, 1e-9, steps=192, cells=4000)
    by_flow = dn.generated_by_flow(lambda x, t: -x / V, SDE, X, 1e-9)
    # The prior N(0, std(T)^2) has the variance 1 - e^-6.
    start = -math.expm1(-6)
    assert variance(by_sde) == pytest.approx(rest + (start - rest) * math.exp(2 * (1 - 2 / V) * time), rel=2e-3)
    assert variance(by_flow) == pytest.approx(start * math.exp(2 * (1 - 1 / V) * time), rel=2e-3)
    assert variance(dn.integrated_score_density(lambda x, t: -x / V, X, 1e-9)) == pytest.approx(V, rel=1e-3)


@pytest.mark.parametrize("sde", [SDE, dn.VE(5.0), dn.VP()], ids=repr)
def test_the_true_score_generates_the_marginal(sde):
    p = TWO.diffused(sde)
    truth, prior = p.log_prob(X[:, None], 0.1).exp(), float(dn.prior_divergence(p))
    for q in (dn.generated_by_sde(p.score, sde, X, 0.1, steps=96, cells=2000), dn.generated_by_flow(p.score, sde, X, 0.1)):
        assert float((q - truth).abs().sum() * 0.05) <= (2 * prior) ** 0.5 + 2e-3  # Pinsker, for the prior's share


def test_batches_are_those_of_their_scores_and_a_run_of_features_is_one():
    run, tau = dn.Problem(TWO, SDE, n_t=16, n_x=32, device="cpu").train(m=12, n=8, seeds=1)[0], torch.tensor([[1.0, 30.0]], dtype=F64)
    for read in (lambda s: dn.generated_by_sde(s, SDE, X, 0.05, steps=12, cells=300), lambda s: dn.generated_by_flow(s, SDE, X, 0.05, steps=6)):
        both = read(run.score(tau))
        assert both.shape == (1, 2, 321)
        torch.testing.assert_close(both[0, 1], read(run.score(torch.tensor(30.0, dtype=F64))), rtol=1e-9, atol=1e-14)


def test_the_density_of_the_sde_is_that_of_its_samples():
    """For a learned score, which is wrong: 200 Euler steps of 20,000 samples against the Fokker-Planck density, by distribution functions."""
    run = dn.Problem(TWO, SDE, weighting="likelihood", n_t=32, n_x=64, device="cpu").train(m=32, n=16, seeds=1)[0]
    score, fine = run.score(torch.tensor(100.0, dtype=F64)), torch.linspace(-40, 40, 8001, dtype=F64)
    times = torch.linspace(3.0**0.5, 0.01**0.5, 201, dtype=F64).square().clamp(0.01, 3.0)
    start = dn.normal(np.random.default_rng(0), (20_000, 1)) * SDE.std(3.0)
    x = dn.reverse_sde(score, SDE, start, times, np.random.default_rng(1))[:, 0].sort().values
    below = dn.generated_by_sde(score, SDE, fine, 0.01).cumsum(0) * 0.01
    assert np.abs(np.interp(x, fine, below) - np.linspace(0, 1, 20_000)).max() < 0.02


def test_the_solver_is_that_of_the_problem():
    problem = dn.Problem(TWO, SDE, n_t=16, n_x=32, device="cpu")
    score = problem.train(m=12, n=64, seeds=1)[0].score(torch.tensor(100.0, dtype=F64))
    q, p = dn.generated_by_sde(score, SDE, X, 0.01), problem.marginals.log_prob(X[:, None], 0.01).exp()
    assert float((p * (p / q).log()).sum() * 0.05) == pytest.approx(float(problem.divergence(score)), rel=2e-3)


def test_the_price_of_the_prior_is_that_of_a_gaussian_and_below_its_bound():
    for sde, std in ((SDE, 0.5), (dn.VE(), 3.0), (dn.VP(), 1.0)):
        p, (r, s) = dn.GaussianMixture.normal(std).diffused(sde), (float(sde.scale(sde.T)), float(sde.std(sde.T)))
        ratio = (r * std / s) ** 2
        assert float(dn.prior_divergence(p)) == pytest.approx((ratio - math.log1p(ratio)) / 2, rel=1e-6, abs=1e-14)
    p = TWO.diffused(dn.OU(T=1.0))
    x = torch.linspace(-30, 30, 60_001, dtype=F64)[:, None]
    fine = dn.kl_grid(p.log_prob(x, 1.0).exp(), dn.GaussianMixture.normal(float(p.sde.std(1.0))).log_prob(x).exp(), 1e-3)
    assert float(dn.prior_divergence(p)) == pytest.approx(float(fine), rel=1e-8) and float(fine) < p.prior_kl()


def test_where_eleven_does_not_exist_the_divergence_from_it_is_infinite():
    slopes = torch.tensor([1.0, -1.0], dtype=F64)[:, None, None]
    q = dn.integrated_score_density(lambda x, t: -slopes * x, X, 0.1, improper=True)
    p = dn.GaussianMixture.normal(1.0).log_prob(X[:, None]).exp()
    kl = (p * (p / q).log()).sum(-1) * 0.05
    assert (q[1] == 0).all() and kl[1] == math.inf and abs(float(kl[0])) < 1e-4


@pytest.mark.parametrize(("wrong", "name"), [
    (lambda: dn.generated_by_sde(lambda x, t: -x, SDE, X.flip(0), 0.1), "x"), (lambda: dn.generated_by_sde(lambda x, t: -x, SDE, 1e4 * X, 0.1), "x"),
    (lambda: dn.generated_by_sde(lambda x, t: -x, SDE, X, 3.0), "t"), (lambda: dn.generated_by_flow(lambda x, t: -x, SDE, X, 0.0), "t"),
    (lambda: dn.generated_by_flow(lambda x, t: -x, "OU", X, 0.1), "sde"), (lambda: dn.prior_divergence(dn.GaussianMixture.two_modes(1.0, d=2).diffused(SDE)), "p"),
    (lambda: dn.generated_by_sde(lambda x, t: -x, SDE, X, 0.1, core=0.0), "core"), (lambda: dn.generated_by_sde(lambda x, t: -x, SDE, X, 0.1, cells=2), "cells"),
])
def test_errors_name_the_argument(wrong, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        wrong()
