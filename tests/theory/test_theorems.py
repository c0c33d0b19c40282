"""Both theorems' terms against their formulas by adaptive quadrature, and against trained and untrained networks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import diffnotes as dn

F64 = torch.float64
SDE = dn.OU(T=3.0)
DELTA, N = 0.1, 50


def features(seed=0, m=12, sde=SDE):
    return dn.RandomFeatures.draw(m, 1, sde.T, np.random.default_rng(seed))


def averaged(sde, t_min, size):
    """E_t g^2 size(r, std^2) over [t_min, T]."""
    def integrand(t):
        t = torch.tensor(t, dtype=F64)
        return float(sde.diffusion(t)) ** 2 * size(float(sde.scale(t)), float(sde.std(t)) ** 2)

    return quad(integrand, t_min, sde.T, limit=400, points=[sde.T / 4, sde.T / 2])[0] / (sde.T - t_min)


@pytest.mark.parametrize("sde", [SDE, dn.VP(), dn.VE(sigma=3.0)], ids=["OU", "VP", "VE"])
@pytest.mark.parametrize("t_min", [0.0, 0.2])
def test_theorem_1_is_its_formula(sde, t_min):
    phi = features(sde=sde)
    c = dn.theorem_1(phi, sde, radius=2.0, n=N, delta=DELTA, loss=0.3, norm=5.0, largest=9.0, second=1.5, m=400, t_min=t_min)
    K = averaged(sde, t_min, lambda r, s2: max(2 * r, 1.0) ** 2 + s2)
    Lambda, omega2 = averaged(sde, t_min, lambda r, s2: 1.0), float((phi.W**2).sum()) / 12
    log = math.log(4 / DELTA)
    q, v2 = 1 + math.sqrt(log / 2), float((sde.std(sde.T) / sde.scale(sde.T)) ** 2)
    D = math.sqrt(0.3) + math.sqrt(K / 400) * (5.0 + 9.0 * math.sqrt(2 * log))
    R2 = 25.0 + 81.0 * math.sqrt(log / 800)
    bound = (sde.T - t_min) / 2 * (6.125 * (D**2 + K * q * R2 / N**0.5) + Lambda**2 * omega2 * q / (K * N**0.5)) + 1.5 / (2 * v2)
    found = (c.K, c.q, c.tau, c.distance, c.norm_squared, c.learned, c.noise, c.prior, c.divergence, c.beta, c.gamma)
    wanted = (K, q, N**0.5 / (4 * K * q), D, R2, 6.125 * (D**2 + K * q * R2 / N**0.5), Lambda**2 * omega2 * q / (K * N**0.5), 1.5 / (2 * v2), bound, K * q / N**0.5, Lambda * omega2**0.5 * q / N**0.5)
    assert found == pytest.approx(wanted, rel=2e-3)


@pytest.mark.parametrize("sde", [SDE, dn.VP()], ids=["OU", "VP"])
@pytest.mark.parametrize("mu, t_min", [(0.0, 0.0), (5.0, 0.2)])
def test_theorem_2_is_its_formula(sde, mu, t_min):
    phi = features(sde=sde)
    c = dn.theorem_2(phi, sde, mu=mu, n=N, delta=DELTA, t_min=t_min)
    K0, slope, Lambda = (averaged(sde, t_min, size) for size in (lambda r, s2: 1 + s2, lambda r, s2: r**2, lambda r, s2: 1.0))
    omega, K = math.sqrt(float((phi.W**2).sum()) / 12), K0 + slope * (mu**2 + 1)
    xi = 1 + math.sqrt(2 * math.log(6 / DELTA) / N)
    labels = K * math.sqrt(0.5 * math.log(12 / DELTA))
    within = 2 * omega * math.sqrt(slope) * (2 * math.sqrt(K) + math.sqrt(2 * math.log(6 / DELTA) * (K0 + slope * (mu + xi) ** 2)))
    gamma = Lambda * omega * (0.5 + math.sqrt(0.5 * math.log(2 / DELTA)))
    moment = quad(lambda x: (K0 + slope * x**2) ** 2 * math.exp(-((x - mu) ** 2) / 2) / math.sqrt(2 * math.pi), mu - 12, mu + 12)[0]
    assert (c.K, c.labels * N**0.5, c.within * N**0.5, c.gamma * N**0.5) == pytest.approx((K, labels, within, gamma), rel=2e-3)
    assert c.beta == pytest.approx(c.labels + c.within) and 4 * c.beta * c.tau == pytest.approx(1.0) and c.q * c.K == pytest.approx(c.beta * N**0.5)
    assert (c.factor, c.prior) == pytest.approx(((sde.T - t_min) / 2, (mu**2 + 1) / 2 * float((sde.scale(sde.T) / sde.std(sde.T)) ** 2)))
    assert c.chebyshev == pytest.approx(math.sqrt(2 * moment / (N * DELTA)), rel=2e-3)
    if t_min:
        grid = dn.line_grid(dn.GaussianMixture.two_modes(mu).diffused(sde), 1.0, t_min, n_t=8, n_x=48)
        flow = dn.GradientFlow(dn.statistics(phi, grid.weighted(dn.GaussianMixture.two_modes(mu).diffused(sde))))
        rho = float(dn.bounds.ridge_excess(flow, c.tau))
        loss = float(flow.minimum()) + (1.75 * math.sqrt(rho) + gamma / math.sqrt(2 * (labels + within)) / N**0.25) ** 2
        assert float(c.loss(flow)) == pytest.approx(loss, rel=5e-3)
        v2 = float((sde.std(sde.T) / sde.scale(sde.T)) ** 2)
        assert float(c.divergence(flow)) == pytest.approx((sde.T - t_min) / 2 * loss + (mu**2 + 1) / (2 * v2), rel=5e-3)


def test_zero_is_the_limit_of_small_t_min():
    for theorem, rest in ((dn.theorem_1, dict(radius=2.0, loss=0.3, norm=5.0, largest=9.0, second=1.5)), (dn.theorem_2, dict(mu=3.0))):
        here, near = (theorem(features(), SDE, n=N, delta=DELTA, t_min=t, **rest) for t in (0.0, 1e-7))
        assert here.K == pytest.approx(near.K, rel=1e-6) and here.tau == pytest.approx(near.tau, rel=1e-6)


@pytest.mark.parametrize("mu", [1.0, 6.0])
def test_theorem_2_holds_for_data_sets(mu):
    """Beta, gamma and the loss of ten trainings, and no bound that lacks its power of mu by much."""
    problem = dn.Problem(dn.GaussianMixture.two_modes(mu), SDE, t_min=0.05, weighting="likelihood", n_t=12, n_x=160)
    runs = problem.train(m=12, n=N, seeds=10)
    for run in runs:
        promise = dn.theorem_2(run.features, SDE, mu=mu, n=N, delta=DELTA, t_min=0.05)
        c, flow = run.certificate(promise.tau), dn.GradientFlow(run.population)
        assert c.beta <= promise.beta and c.beta <= promise.chebyshev and c.gamma <= promise.gamma
        assert c.loss <= promise.loss(flow)


def test_theorem_1_holds_for_sampled_networks():
    """The width step: -x sampled with m features, at most D and R^2; the trained loss within the bound."""
    atoms = torch.linspace(-2, 2, 41, dtype=F64)[:, None]
    problem = dn.Problem(dn.GaussianMixture.empirical(atoms), SDE, t_min=0.05, weighting="likelihood", n_t=12, n_x=200)
    exact = float(dn.squared_error(lambda x, t: -x, problem.population))
    for run in problem.train(m=64, n=N, seeds=10):
        c = dn.theorem_1(run.features, SDE, radius=2.0, n=N, delta=DELTA, loss=exact, norm=40**0.5, largest=20.0, second=1.4, t_min=0.05)
        sampled, found = dn.sampled_weights(run.features, dn.minus_x), run.certificate(c.tau)
        assert run.population.loss(sampled).sqrt() <= c.distance and sampled.square().sum() <= c.norm_squared
        assert found.beta <= c.beta and found.gamma <= c.gamma
        assert found.loss <= c.loss(dn.GradientFlow(run.population)) <= c.learned + c.noise


def far_nodes(mu, t_min=0.05):
    """Nodes round each mode, in half a dozen times."""
    p, (t, dt) = dn.GaussianMixture.two_modes(mu).diffused(SDE), dn.time_nodes(t_min, SDE.T, 6)
    y = torch.linspace(-6, 6, 49, dtype=F64)
    x = torch.cat([SDE.scale(t)[:, None] * c + y for c in (-mu, mu)], 1)
    mass = (torch.exp(-(y**2) / 2) / (2 * math.pi) ** 0.5 * (y[1] - y[0]) / 2).repeat(2)
    weight = (SDE.diffusion(t) ** 2 * dt / (SDE.T - t_min))[:, None] * mass
    x, time = x.reshape(-1, 1), t[:, None].expand_as(x).reshape(-1)
    return dn.Nodes(x, time, weight.reshape(-1), p.score(x, time))


FAR = {mu: dn.statistics(features(1, 64), far_nodes(mu)) for mu in (12.0, 60.0)}


@given(st.sampled_from(sorted(FAR)), st.floats(-3, 6), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_no_network_of_small_norm_is_below_the_intercept_bound(mu, log_penalty, seed):
    """The best networks there are for their norm: ridge fits, a little disturbed."""
    statistics = FAR[mu]
    penalty = 10.0**-log_penalty * torch.eye(64, dtype=F64)
    theta = torch.linalg.solve(statistics.B + penalty, statistics.C.mT).mT
    theta = theta * (1 + 0.1 * dn.normal(np.random.default_rng(seed), (1, 64)))
    assert statistics.loss(theta) >= dn.intercept_bound(SDE, mu, theta.norm(), t_min=0.05)


def test_the_intercept_bound_in_closed_form():
    """For OU r mu >= y until t = log(mu / y), and g^2 = 2."""
    norm = torch.tensor([0.0, 0.5, 1.0, 3.0, 50.0], dtype=F64)
    share = [min(SDE.T, max(0.0, math.log(20.0 / max(4.0, 8.0 * y)))) / SDE.T for y in norm.tolist()]
    torch.testing.assert_close(dn.intercept_bound(SDE, 20.0, norm), 0.14 * torch.tensor(share, dtype=F64), rtol=0, atol=1e-4)
    assert dn.intercept_bound(SDE, 20.0, 0.0).shape == () and dn.intercept_bound(SDE, 3.9, 0.0) == 0


def test_the_steps_that_the_intercept_bound_takes():
    """Far enough means r mu >= 4 and r mu >= 8 norm, both with equality; without any time that is far enough it is zero."""
    assert dn.intercept_bound(SDE, 0.0, 0.0) == 0
    frozen = dn.VP(beta_min=1e-9, beta_max=1e-9, T=2.0)  # r = 1 and g^2 = 1e-9 at all times
    for mu, norm, far in ((4.0 + 1e-6, 0.0, 1), (4.0 - 1e-6, 0.0, 0), (8.0 + 1e-6, 1.0, 1), (8.0 - 1e-6, 1.0, 0), (4.0 + 1e-6, 0.5, 1)):
        assert dn.intercept_bound(frozen, mu, norm).item() == pytest.approx(0.07e-9 * far, rel=1e-6)
    assert dn.intercept_bound(SDE, 30.0, torch.zeros(2, 3)).shape == (2, 3)


def test_without_a_width_it_is_that_of_the_features():
    rest = dict(radius=2.0, n=N, delta=DELTA, loss=0.3, norm=5.0, largest=9.0, second=1.5)
    assert dn.theorem_1(features(), SDE, **rest) == dn.theorem_1(features(), SDE, m=12, **rest)


def test_over_short_times_the_prior_is_most_of_the_bound():
    """OU up to T = 0.1: v^2 = e^{0.2} - 1.  Which bug this catches: a prior that is taken off, which at long times nobody sees."""
    brief, v2 = dn.OU(T=0.1), math.expm1(0.2)
    one = dn.theorem_1(features(sde=brief), brief, radius=2.0, n=10**8, delta=DELTA, loss=0.0, norm=0.0, largest=0.0, second=70.0)
    assert one.prior == pytest.approx(70 / (2 * v2)) and one.prior > 100 * one.noise
    assert one.divergence == pytest.approx(0.05 * (one.learned + one.noise) + 35 / v2)
    two = dn.theorem_2(features(sde=brief), brief, mu=3.0, n=N, delta=DELTA)
    assert two.prior == pytest.approx(10 / (2 * v2)) and two == dn.theorem_2(features(sde=brief), brief, mu=3.0, n=N, delta=DELTA, t_min=0.0)


RIGHT = {"theorem_1": dict(radius=2.0, n=N, delta=DELTA, loss=0.3, norm=5.0, largest=9.0, second=1.5), "theorem_2": dict(mu=3.0, n=N, delta=DELTA)}


@pytest.mark.parametrize(("name", "change", "said"), [
    ("theorem_1", dict(loss=-0.5), r"loss: got -0.5; allowed: a finite number in \[0, inf\]"), ("theorem_1", dict(norm=-0.5), r"norm: got -0.5; allowed: a finite number in \[0, inf\]"),
    ("theorem_1", dict(largest=4.5), r"largest: got 4.5; allowed: a finite number in \[5, inf\]"), ("theorem_1", dict(second=-0.5), r"second: got -0.5; allowed: a finite number in \[0, inf\]"),
    ("theorem_1", dict(m=0), "m: got 0; allowed: an integer of at least 1"),
    *(("theorem_1", dict(delta=delta), rf"delta: got {delta}; allowed: a finite number in \(0, 1\)") for delta in (0.0, 1.0, -0.5, 1.5)),
    *((name, dict(t_min=t_min), rf"t_min: got {t_min}; allowed: a finite number in \[0, 3\)") for name in RIGHT for t_min in (-0.5, 3.0)),
    ("theorem_2", dict(mu=-0.5), r"mu: got -0.5; allowed: a finite number in \[0, 1e\+09\]")])
def test_errors_say_what_is_allowed(name, change, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        getattr(dn, name)(features(), SDE, **RIGHT[name] | change)


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda: dn.theorem_2(dn.RandomFeatures.draw(3, 2, 3.0, np.random.default_rng(0)), SDE, mu=1.0, n=N, delta=DELTA), "features: got d = 2; allowed: d = 1"),
    (lambda: dn.intercept_bound(SDE, -0.5, 1.0), r"mu: got -0.5; allowed: a finite number in \[0, inf\]"), (lambda: dn.intercept_bound(SDE, 1.0, -0.5), "norm: got -0.5"),
    (lambda: dn.intercept_bound(dn.VE(sigma=3.0), 1.0, 1.0), "sde: got .*; allowed: a process that keeps the variance one")])
def test_errors_name_what_is_wrong(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        wrong()


def test_the_ends_of_what_is_allowed():
    free = dict(radius=0.0, n=1, delta=0.5, loss=0.0, norm=0.0, largest=0.0, second=0.0, m=1)
    found = dn.theorem_1(features(), SDE, **free)
    assert found.distance == found.norm_squared == found.learned == found.prior == 0 < found.divergence == pytest.approx(1.5 * found.noise)
    assert dn.theorem_2(features(), SDE, mu=0.0, n=1, delta=0.5).beta > 0
