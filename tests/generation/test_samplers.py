"""Samplers and likelihoods against closed forms and convergence orders."""

import numpy as np
import pytest
import torch

import diffnotes as dn

F64 = torch.float64
SDE = dn.OU(T=3.0)
GAUSS = dn.GaussianMixture.isotropic([1.0], [[0.0]], 0.5).diffused(SDE)
MODES = dn.GaussianMixture.two_modes(2.0).diffused(SDE)


LINE = torch.linspace(-3, 3, 7, dtype=F64)[:, None]


def times(k, low=0.05, high=3.0):
    return torch.linspace(high, low, k + 1, dtype=F64)


def spread(t):
    """Standard deviation of the Gaussian marginal."""
    return float((SDE.scale(t) ** 2 * 0.25 + SDE.std(t) ** 2).sqrt())


def linear(x, t):
    """The score of GAUSS, which is called often here, without a mixture's arithmetic."""
    return -x / (SDE.scale(t) ** 2 * 0.25 + SDE.std(t) ** 2)


@pytest.mark.parametrize("sde", [dn.VE(), dn.OU(), dn.VP(0.5, 4.0, T=2.0)])
def test_reverse_sde_is_its_formula_with_the_generators_noise(sde):
    """Which bug this catches: a sign, a factor or a time of any term; noise that is used twice or divided among steps."""
    t, x, rng = [0.9 * sde.T, 0.5 * sde.T, 0.2 * sde.T], dn.normal(np.random.default_rng(5), (3, 2)), np.random.default_rng(7)
    value = dn.reverse_sde(lambda x, t: torch.sin(x) - t * x, sde, x, torch.tensor(t, dtype=F64), np.random.default_rng(7))
    for now, after in ((t[0], t[1]), (t[1], t[2])):
        f, g, h = float(sde.drift_rate(now)), float(sde.diffusion(now)), now - after
        x = x - h * f * x + h * g**2 * (torch.sin(x) - now * x) + h**0.5 * g * dn.normal(rng, (3, 2))
    torch.testing.assert_close(value, x, rtol=1e-9, atol=1e-9)


def test_the_paths_of_the_reverse_sde_pass_where_it_stops_earlier():
    x, t = dn.normal(np.random.default_rng(5), (3, 1)), times(4)
    paths = dn.reverse_sde(MODES.score, SDE, x, t, np.random.default_rng(7), paths=True)
    assert paths.shape == (5, 3, 1) and torch.equal(paths[0], x)
    for k in (1, 2, 4):
        assert torch.equal(paths[k], dn.reverse_sde(MODES.score, SDE, x, t[:k + 1], np.random.default_rng(7)))


@pytest.mark.parametrize("sde", [dn.VE(), dn.OU(), dn.VP(0.5, 4.0, T=2.0)])
@pytest.mark.parametrize("way", [1, -1])
def test_probability_flow_is_heuns_rule_both_ways(sde, way):
    t, x = [0.9 * sde.T, 0.5 * sde.T, 0.2 * sde.T][::way], dn.normal(np.random.default_rng(5), (3, 2))
    value = dn.probability_flow(lambda x, t: torch.sin(x) - t * x, sde, x, torch.tensor(t, dtype=F64))

    def velocity(x, t):
        return float(sde.drift_rate(t)) * x - 0.5 * float(sde.diffusion(t)) ** 2 * (torch.sin(x) - t * x)

    for now, after in ((t[0], t[1]), (t[1], t[2])):
        first = velocity(x, now)
        x = x + (after - now) / 2 * (first + velocity(x + (after - now) * first, after))
    torch.testing.assert_close(value, x, rtol=1e-9, atol=1e-9)


def test_batches_of_scores():
    features = dn.RandomFeatures.draw(6, 1, SDE.T, np.random.default_rng(0))
    thetas = dn.normal(np.random.default_rng(1), (3, 1, 6))
    x = torch.linspace(-1, 1, 5, dtype=F64)[:, None].expand(3, 5, 1)
    together = dn.probability_flow(features.score(thetas), SDE, x, times(20))
    for k in range(3):
        assert torch.allclose(together[k], dn.probability_flow(features.score(thetas[k]), SDE, x[k], times(20)), rtol=1e-10)


def test_denoising_with_a_time_for_each_point_is_that_of_each():
    p = dn.GaussianMixture.normal(0.5, d=2).diffused(SDE)
    x, t = dn.normal(np.random.default_rng(0), (3, 2)), torch.tensor([0.1, 1.0, 2.5], dtype=F64)
    rows = torch.stack([dn.denoise(p.score, SDE, x[k], t[k]) for k in range(3)])
    torch.testing.assert_close(dn.denoise(p.score, SDE, x, t), rows)
    shrink = 0.25 * SDE.scale(t) / (SDE.scale(t) ** 2 * 0.25 + SDE.std(t) ** 2)  # the regression of x(0) on x(t)
    torch.testing.assert_close(rows, shrink[:, None] * x)
    with pytest.raises(ValueError, match=r"^t: got shape \(2,\)"):
        dn.denoise(p.score, SDE, x, t[:2])


X = torch.zeros(2, 1, dtype=F64)


@pytest.mark.parametrize("call, name", [
    (lambda: dn.reverse_sde(MODES.score, SDE, X, times(3), 0), "generator"), (lambda: dn.reverse_sde(MODES.score, SDE, X[0, 0], times(3), 0), "x"),
    (lambda: dn.reverse_sde(MODES.score, SDE, X, times(3).flip(0), np.random.default_rng(0)), "t"),
    (lambda: dn.probability_flow(lambda x, t: x[:1], SDE, X, times(3)), r"score\(x, t\)"),
    (lambda: dn.probability_flow(MODES.score, SDE, X, torch.tensor([1.0, 2.0, 1.5], dtype=F64)), "t"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


@pytest.mark.parametrize("sde", [dn.VE(), dn.OU(), dn.VP()])
def test_denoise_is_the_posterior_mean(sde):
    """Gaussian data N(m, c): E[x(0) | x(t)] = m + r c (x - r m) / (r^2 c + std^2)."""
    m, c, t = 1.5, 0.8, 0.4
    data = dn.GaussianMixture.isotropic(torch.ones(1, dtype=torch.float64), torch.full((1, 2), m, dtype=torch.float64), c**0.5)
    x = dn.normal(np.random.default_rng(0), (5, 2))
    r, std = sde.scale(t).double(), sde.std(t).double()
    denoised = dn.denoise(data.diffused(sde).score, sde, x, t)
    assert torch.allclose(denoised, m + r * c * (x - r * m) / (r**2 * c + std**2), rtol=1e-5)
    with pytest.raises(ValueError, match=r"^t: got"):
        dn.denoise(data.diffused(sde).score, sde, x, 2 * sde.T)


def test_probability_flow_of_a_gaussian_is_a_known_linear_map_at_second_order():
    x = torch.linspace(-2, 2, 9, dtype=F64)[:, None]
    errors = [float((dn.probability_flow(GAUSS.score, SDE, x, times(k)) - x * spread(0.05) / spread(3.0)).abs().max()) for k in (40, 80)]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.15) and errors[1] < 2e-3


def test_reverse_sde_has_the_right_law_for_two_modes():
    """Against the distribution function: 20,000 exact draws are 0.01 from it, 100 steps shift it by about as much."""
    def score(x, t):  # of MODES, whose components have variance one at all times
        mean = 2 * SDE.scale(t)
        return -x + mean * torch.tanh(mean * x)

    torch.testing.assert_close(score(LINE, torch.tensor(0.3, dtype=F64)), MODES.score(LINE, 0.3))
    x = dn.reverse_sde(score, SDE, MODES.sample(20_000, 3.0, np.random.default_rng(0)), times(100), np.random.default_rng(1))
    mean = 2 * float(SDE.scale(0.05))
    below = sum(torch.special.ndtr(x.sort(0).values[:, 0] - side * mean) / 2 for side in (1, -1))
    assert float((below - torch.linspace(0, 1, 20_000, dtype=F64)).abs().max()) < 0.025


def test_no_graph_unless_asked_and_equal_times_are_refused():
    weight, x, t = torch.tensor(-1.0, dtype=F64, requires_grad=True), torch.ones(2, 1, dtype=F64), torch.tensor([2.0, 1.0, 1.0], dtype=F64)
    for call in (lambda t, **kw: dn.reverse_sde(lambda x, t: weight * x, SDE, x, t, np.random.default_rng(0), **kw),
                 lambda t, **kw: dn.probability_flow(lambda x, t: weight * x, SDE, x, t, **kw),
                 lambda t, **kw: dn.denoise(lambda x, t: weight * x, SDE, x, t[0], **kw)):
        assert not call(t[:2]).requires_grad and call(t[:2], gradients=True).requires_grad
    for bad, way in ((t, "decreasing"), (t.flip(0), "increasing"), (t[1:], "decreasing")):
        with pytest.raises(ValueError, match=rf"^t: got 1; allowed: {way} times"):
            dn.probability_flow(linear, SDE, x, bad)
    for bad in (t, t.flip(0)):
        with pytest.raises(ValueError, match=r"^t: got [12]; allowed: decreasing times"):
            dn.reverse_sde(linear, SDE, x, bad, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^t: got -0\.5; allowed: SDE times in \[0, 3\]"):
        dn.probability_flow(linear, SDE, x, torch.tensor([1.0, -0.5], dtype=F64))


def test_probability_flow_there_and_back():
    errors = []  # of third order: what the rule errs in second order on the way up it takes back on the way down
    for k in (40, 80):
        back = dn.probability_flow(MODES.score, SDE, dn.probability_flow(MODES.score, SDE, LINE, times(k).flip(0)), times(k))
        errors.append(float((back - LINE).abs().max()))
    assert errors[0] / errors[1] > 7 and errors[1] < 1e-4


def test_reverse_sde_converges_at_first_order():
    start = GAUSS.sample(100_000, 3.0, np.random.default_rng(0))
    errors = [float(dn.reverse_sde(linear, SDE, start, times(k), np.random.default_rng(k)).var()) - spread(0.05) ** 2 for k in (10, 20)]
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.35)
