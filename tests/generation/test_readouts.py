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
            (dn.flowed(lambda x, t: -x / V, TWO.diffused(SDE), 0.01, steps=192).at(X), start * math.exp(2 * (1 - 1 / V) * time)),
            (dn.integrated(lambda x, t: -x / V, TWO.diffused(SDE), 0.01, reach=9.0).at(X), V),
            (dn.integrated_score_density(lambda x, t: -x / V, X, 0.01), V)):
        assert float((density * X**2).sum() * 0.05) == pytest.approx(exact, rel=3e-3)


@pytest.mark.parametrize("sde", [SDE, dn.VE(5.0), dn.VP()], ids=repr)
def test_the_true_score_generates_the_marginal(sde):
    p = TWO.diffused(sde)
    truth, prior = p.log_prob(X[:, None], 0.1).exp(), float(dn.prior_divergence(p))
    q = dn.generated_by_flow(p.score, sde, X, 0.1)
    assert float((q - truth).abs().sum() * 0.05) <= (2 * prior) ** 0.5 + 2e-3  # Pinsker, for the prior's share


@pytest.mark.parametrize("mu", [3.0, 15.0])
def test_the_flow_of_the_true_score_keeps_what_the_prior_was_wrong_by(mu):
    """A map that can be undone keeps a divergence; so this one is the prior's, near and far."""
    p = dn.GaussianMixture.two_modes(mu).diffused(dn.VE())
    found = dn.read_outs(p.score, p, 1e-3)
    assert list(found) == ["integral", "flow", "SDE"]
    price = float(dn.prior_divergence(p))
    assert float(dn.flowed(p.score, p, 1e-3, cells=3000).divergence()) == pytest.approx(price, rel=2e-3, abs=5e-5)
    assert float(found["flow"].divergence()) == pytest.approx(price, rel=2e-2, abs=3e-4)
    assert -1e-9 < float(found["integral"].divergence()) < 1e-5 and float(found["SDE"].divergence()) < 0.01 * max(price, 5e-3)


def test_the_bump_that_only_the_integral_hears():
    """At +-15 a bump between the modes at small times: (11) has the log-odds sqrt(2 pi), what is generated both modes."""
    p = dn.GaussianMixture.two_modes(15.0).diffused(dn.VE())
    found = dn.read_outs(lambda x, t: p.score(x, t) + (t < 0.1) * torch.exp(-(x**2) / 2), p, 1e-3, t_integral=0.065)
    weights = {way: float(made.below(0.0)) for way, made in found.items()}
    assert weights["integral"] == pytest.approx(1 / (1 + math.exp((2 * math.pi) ** 0.5)), rel=1e-3)
    assert weights["flow"] == pytest.approx(0.5, abs=1e-3) and weights["SDE"] == pytest.approx(0.5, abs=1e-3)


def test_the_flow_holds_all_mass_and_lets_no_cell_be_empty():
    """For a batch of scores, also where upper tails are smaller than the rounding of one, and for curves driven far away."""
    p = TWO.diffused(SDE)

    def two(x, t):
        own = x[0] if x.ndim == 3 else x
        return torch.stack([p.score(own, t), torch.full_like(own, -20.0)])

    both = dn.flowed(two, p, 0.05)
    assert both.density.shape == (2, 1000) and (both.density > 0).all()
    torch.testing.assert_close((both.density * both.width).sum(-1), torch.ones(2, dtype=F64), rtol=1e-9, atol=0)
    assert float(both.below(float(both.x[1]))[1]) > 0.999  # a pull to the left: all of it in the first cell
    torch.testing.assert_close(both.density[0], both.density[0].flip(0), rtol=1e-6, atol=0)


def test_the_flow_lets_no_cell_be_empty_in_single_precision_either():
    """Which bug this catches: a least mass that is zero in float32, and a divergence that is infinite there."""
    p = TWO.to("cpu", torch.float32).diffused(SDE)
    found = dn.flowed(lambda x, t: torch.full_like(x, -20.0), p, 0.05)
    assert found.density.dtype == torch.float32 and (found.density > 0).all() and 10 < found.divergence() < 100
    assert dn.flowed(p.score, p, 0.05).divergence().item() == pytest.approx(dn.prior_divergence(TWO.diffused(SDE)).item(), abs=2e-4)


def test_a_density_is_normalised_on_its_window_whatever_the_score():
    p = TWO.diffused(SDE)
    found = dn.integrated(lambda x, t: torch.ones_like(x), p, 0.5, cells=801, reach=4.0)
    end = float(p.half_width(torch.tensor(0.5, dtype=F64), 4.0))
    assert len(found.x) == 801 and float(found.x[-1]) == pytest.approx(end) == -float(found.x[0])
    assert float((found.density * found.width).sum()) == pytest.approx(1) and float(found.density[500] / found.density[400]) == pytest.approx(
        math.exp(end / 4), rel=1e-6)
    torch.testing.assert_close(found.target, p.log_prob(found.x[:, None], 0.5).exp())


def test_read_outs_look_when_and_where_they_are_told():
    p, seen = TWO.diffused(SDE), []
    found = dn.read_outs(lambda x, t: (seen.append((float(t), x.shape[-2])), p.score(x, t))[-1], p, 0.01, t_integral=0.2, steps=4, cells=200)
    assert seen[0] == (0.2, 401) and min(t for t, _ in seen) == pytest.approx(0.01)
    assert [len(made.x) for made in found.values()] == [401, 200, 200]
    flow = [t for t, n in seen[1:] if n == 199][:17]  # one call for the shape, then two a step on 8 steps
    assert flow[1::2] == pytest.approx((np.linspace(0.1, 3**0.5, 9) ** 2)[:-1].tolist(), rel=1e-9)
    sde = sorted({t for t, n in seen if n == 199} - set(flow))[-2:]
    assert sde == pytest.approx([3 - 2.99 / 8, 3 - 2.99 / 16], rel=1e-6)  # middles of even steps, whole and halved
    assert float(found["SDE"].x[-1]) == float(found["flow"].x[-1]) == pytest.approx(30 * math.sqrt(math.expm1(6)) * math.exp(-0.01), rel=0.1)


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
    (lambda: dn.flowed(TWO.score, TWO, 0.1), "p"), (lambda: dn.flowed(None, TWO.diffused(SDE), 0.1), "score"),
    (lambda: dn.flowed(lambda x, t: -x, TWO.diffused(SDE), 3.0), "t_min"), (lambda: dn.flowed(lambda x, t: -x, TWO.diffused(SDE), 0.1, power=0.5), "power"),
    (lambda: dn.integrated(lambda x, t: -x, dn.GaussianMixture.two_modes(1.0, d=2).diffused(SDE), 0.1), "p"),
    (lambda: dn.integrated(lambda x, t: -x, TWO.diffused(SDE), 0.0), "t"), (lambda: dn.integrated(lambda x, t: -x, TWO.diffused(SDE), 0.1, cells=2), "cells"),
    (lambda: dn.read_outs(lambda x, t: -x, TWO.diffused(SDE), 0.1, t_integral=3.0), "t_integral"),
    (lambda: dn.read_outs(lambda x, t: -x, TWO.diffused(SDE), 0.1, steps=0), "steps"),
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
