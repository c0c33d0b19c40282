"""Linear SDEs against their defining integrals and differential equations."""

import math

import numpy as np
import pytest
import scipy.integrate
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffnotes as dn

SDES = [dn.VE(25.0), dn.VE(1.5, T=3.0), dn.Karras(3.0), dn.OU(), dn.OU(rate=0.3, T=2.0), dn.VP(), dn.VP(0.5, 4.0, T=2.0),
        dn.Standardised(dn.OU(), 3.0), dn.Standardised(dn.VE(), 0.5)]


def test_the_papers_ve_formula():
    t = torch.tensor([1e-5, 0.3, 1.0], dtype=torch.float64)
    expected = np.sqrt((25.0 ** (2 * t.numpy()) - 1) / (2 * np.log(25.0)))
    assert dn.VE().std(t).numpy() == pytest.approx(expected, rel=1e-9)
    assert float(dn.VE().diffusion(0.5)) == pytest.approx(5.0)


def test_the_noise_of_karras_is_its_time():
    t = torch.tensor([0.0, 0.002, 1.0, 80.0], dtype=torch.float64)
    sde = dn.Karras()
    assert torch.equal(sde.std(t), t) and (sde.scale(t) == 1).all() and (sde.drift_rate(t) == 0).all()
    torch.testing.assert_close(sde.diffusion(t) ** 2, 2 * t)


@pytest.mark.parametrize("sde", SDES, ids=repr)
def test_growth_is_the_maximum_over_a_fine_grid(sde):
    t = torch.linspace(0, sde.T, 2001, dtype=torch.float64)
    assert sde.growth() == pytest.approx(max(float(sde.scale(t).max()), float(sde.std(t).max())), rel=1e-12)


@pytest.mark.parametrize("sde", SDES, ids=repr)
def test_kernel_score_is_the_gradient_of_a_normal_log_density(sde):
    x0, x = (dn.normal(np.random.default_rng(k), (4, 3)) for k in (0, 1))
    t = torch.linspace(0.1, 1, 4, dtype=torch.float64) * sde.T
    x.requires_grad_()
    law = torch.distributions.Normal(sde.scale(t)[:, None] * x0, sde.std(t)[:, None])
    gradient, = torch.autograd.grad(law.log_prob(x).sum(), x)
    assert torch.allclose(sde.kernel_score(x.detach(), x0, t), gradient, rtol=1e-12)


def test_perturb_has_the_moments_of_the_kernel():
    sde, n = dn.VP(), 200_000
    x0 = torch.full((n, 1), 1.7, dtype=torch.float64)
    x = sde.perturb(x0, 0.4, dn.normal(np.random.default_rng(0), (n, 1)))
    scale, std = float(sde.scale(0.4)), float(sde.std(0.4))
    assert float(x.mean()) == pytest.approx(1.7 * scale, abs=4 * std / n**0.5)
    assert float(x.std()) == pytest.approx(std, rel=4 / (2 * n) ** 0.5)


def test_drift_and_perturbation_are_their_formulas_at_each_points_own_time():
    """Signs that the moments cannot see: the noise that goes in is the noise that the denoising loss asks for."""
    x, z = dn.normal(np.random.default_rng(0), (2, 4, 3))
    t = torch.tensor([0.0, 0.1, 0.4, 1.0], dtype=torch.float64)
    for sde in SDES:
        f, r, s = ([float(g(u)) for u in t] for g in (sde.drift_rate, sde.scale, sde.std))
        for k in range(4):
            torch.testing.assert_close(sde.drift(x, t)[k], f[k] * x[k])
            torch.testing.assert_close(sde.perturb(x, t, z)[k], r[k] * x[k] + s[k] * z[k])


@pytest.mark.parametrize("call, name", [
    (lambda: dn.VE(sigma=1.0), "sigma"), (lambda: dn.OU(rate=0), "rate"), (lambda: dn.VP(beta_max=0.01), "beta_max"),
    (lambda: dn.OU(T=float("nan")), "T"), (lambda: dn.OU().std(5.1), "t"), (lambda: dn.OU().std(-0.1), "t"),
    (lambda: dn.OU().std("soon"), "t"), (lambda: dn.OU().std(float("nan")), "t"),
    (lambda: dn.OU().drift(torch.zeros(3, 2), torch.zeros(2)), "t"),
    (lambda: dn.OU().perturb(torch.zeros(3, 2), 0.5, torch.zeros(3, 1)), "noise"),
    (lambda: dn.OU().perturb(torch.zeros(3, 2), 0.5, torch.zeros(3, 2, dtype=torch.float64)), "noise"),
    (lambda: dn.OU().kernel_score(torch.zeros(3, 2), torch.zeros(3, 2), 0.0), "t"),
    (lambda: dn.normal(0, (3,)), "generator"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_a_time_for_each_point_or_one_for_all():
    with pytest.raises(ValueError, match=r"^t: got shape \(2,\); allowed: a number or shape \(3,\), one time for each x$"):
        dn.OU().drift(torch.zeros(3, 2), torch.zeros(2))
    with pytest.raises(ValueError, match=r"^t: got shape \(4,\); allowed: a number or shape \(4, 3\)"):
        dn.OU().drift(torch.zeros(4, 3, 2), torch.zeros(4))
    assert dn.OU().drift(torch.ones(4, 3, 2), torch.zeros(4, 3)).shape == (4, 3, 2)
    assert dn.OU().times_of(torch.full((3, 2), math.inf), [0.1, 0.2, 0.3]).dtype == torch.float32  # points are the caller's to judge
    for bad in (-0.5, 5.1):
        with pytest.raises(ValueError, match=r"^t: got .*; allowed: SDE times in \[0, 5\]"):
            dn.OU().times_of(torch.ones(3, 2), bad)


@pytest.mark.parametrize("sde", [dn.VE(), dn.Karras(), dn.OU(), dn.VP(), dn.Standardised(dn.OU(), 0.5)])
def test_geometric_times(sde):
    t = sde.geometric_times(0.05, 8)
    noise = sde.std(t) / sde.scale(t)
    assert t[-1] == sde.T and sde.std(t[0]) == pytest.approx(0.05, rel=1e-9)
    assert float(sde.std(sde.geometric_times(1e-12, 3)[0])) == pytest.approx(1e-12, rel=1e-9)
    torch.testing.assert_close(noise[1:] / noise[:-1], ((noise[-1] / noise[0]) ** (1 / 8)).expand(8), rtol=1e-6, atol=0)
    torch.testing.assert_close(sde.time_at_log_noise(noise.log()), t)
    torch.testing.assert_close(sde.log_noise(t), noise.log())
    for bad in (0.0, float(sde.std(sde.T)), 1e6):
        with pytest.raises(ValueError, match=r"^std_min: got"):
            sde.geometric_times(bad, 8)


def test_defaults_and_limits_of_the_arguments():
    """The defaults are those of the sources; each limit is where it is said to be."""
    assert float(dn.VP().diffusion(0.0)) ** 2 == pytest.approx(0.1) and float(dn.VP().diffusion(1.0)) ** 2 == pytest.approx(20)
    assert float(dn.OU().drift_rate(0.0)) == -1 and dn.OU().T == 5 and dn.VP().T == dn.VE().T == 1 and dn.Karras().T == 80
    for make in (dn.VE, dn.Karras, dn.OU, dn.VP):
        assert make(T=1e-3).T == 1e-3
        with pytest.raises(ValueError, match=r"^T: got 0"):
            make(T=0.0)
    assert dn.VE(1.001).sigma == 1.001 and dn.OU(1e-3).rate == 1e-3 and dn.VP(1e-3, 1e-3).beta_max == 1e-3
    for make, name in ((lambda: dn.VE(1.0), "sigma"), (lambda: dn.OU(0.0), "rate"), (lambda: dn.VP(0.0), "beta_min"), (lambda: dn.VP(2.0, 1.0), "beta_max")):
        with pytest.raises(ValueError, match=rf"^{name}: got "):
            make()


def test_times_that_rounding_put_beyond_an_end_are_at_the_end():
    """Which bug this catches: adaptive solvers, which probe T + 1 ulp, and float32 times with float64 points are refused."""
    for sde in (dn.OU(T=0.1), dn.VE(T=0.1), dn.Karras(T=0.1), dn.VP(T=0.1)):
        beyond = np.nextafter(np.nextafter(0.1, 1), 1)
        assert sde.std(beyond) == sde.std(0.1) and sde.scale(-1e-17) == 1 and sde.drift_rate(beyond) == sde.drift_rate(0.1)
        for t in (torch.tensor(0.1, dtype=torch.float32), torch.tensor([0.1, 0.05], dtype=torch.float32)):
            x = torch.ones(2, 1, dtype=torch.float64)
            assert sde.drift(x, t).dtype == torch.float64 and sde.perturb(x, t, x).dtype == torch.float64
            assert dn.GaussianMixture.normal(1.0).diffused(sde).score(x, t).dtype == torch.float64
        for bad in (0.1001, -1e-6, math.nan, math.inf):
            with pytest.raises(ValueError, match=r"^t: got .*; allowed: "):
                sde.std(bad)


def test_times_where_nothing_is_left_of_the_data_are_refused():
    """Which bug this catches: NaN or infinity where the scale underflows."""
    sde, x = dn.OU(T=110.0), torch.ones(1, 1)
    p = dn.GaussianMixture.normal(1.0, dtype=torch.float32).diffused(sde)
    assert p.score(x, 110.0).isfinite().all()
    for call in (lambda: dn.denoise(p.score, sde, x, 110.0), lambda: sde.resolved(torch.tensor(110.0)),
                 lambda: dn.forward_paths(sde, x, [0.0, 110.0], np.random.default_rng(0)), lambda: dn.OU(T=800.0).log_noise(800.0),
                 lambda: sde.kernel_score(x, x, torch.tensor(1e-40)), lambda: dn.generate(p.score, p, 0.1)):
        with pytest.raises(ValueError, match=r"^t: got .*; allowed: SDE times with"):
            call()
    with pytest.raises(ValueError, match=r"^t: got 0; allowed: SDE times in \(0, 110\]: the kernel has no density at t = 0"):
        sde.kernel_score(x, x, 0.0)
    least = 0.5 * math.log(torch.finfo(torch.float32).tiny)  # below exp of it the square of the scale underflows
    assert sde.log_noise(torch.tensor(-least - 0.1)).isfinite()
    with pytest.raises(ValueError, match=r"^t: got 43\.7\d*; allowed: SDE times with scale\(t\) of at least 1e-19 \(in torch\.float32\)"):
        sde.log_noise(torch.tensor(-least + 0.1))
    torch.testing.assert_close(dn.denoise(p.score, sde, x, 5.0), x * torch.exp(torch.tensor(-5.0)), rtol=2e-3, atol=0)


@pytest.mark.parametrize("sde", SDES, ids=repr)
@pytest.mark.parametrize("fraction", [0.05, 0.5, 1.0])
def test_scale_and_std_are_the_integrals_of_drift_and_diffusion(sde, fraction):
    t = fraction * sde.T
    log_r = scipy.integrate.quad(lambda s: float(sde.drift_rate(s)), 0, t, epsabs=1e-13)[0]
    assert float(sde.scale(t)) == pytest.approx(math.exp(log_r), rel=1e-10)

    def integrand(s):
        return (float(sde.diffusion(s)) / math.exp(scipy.integrate.quad(lambda u: float(sde.drift_rate(u)), 0, s)[0])) ** 2

    v2 = scipy.integrate.quad(integrand, 0, t, epsrel=1e-10)[0]
    assert float(sde.std(t)) == pytest.approx(math.exp(log_r) * math.sqrt(v2), rel=1e-8)


def test_geometric_times_resolve_the_noisy_end():
    """Which bug this catches: equal factors of the std, which saturates at one for OU and VP: one step for half of the way."""
    for sde in (dn.OU(), dn.VP()):
        t = sde.geometric_times(0.02, 12)
        assert t.diff().max() < 0.2 * sde.T
        p = dn.GaussianMixture.two_modes(2.0).diffused(sde)
        start = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
        coarse, fine = (dn.probability_flow(p.score, sde, start, sde.geometric_times(0.02, k).flip(0)) for k in (12, 96))
        assert (coarse - fine).abs().max() < 0.1


@given(st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_vp_preserves_variance(fraction):
    sde = dn.VP()
    assert float(sde.scale(fraction) ** 2 + sde.std(fraction) ** 2) == pytest.approx(1.0, abs=1e-12)
