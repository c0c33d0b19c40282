"""Paths of a linear SDE: their law at every time and between two, and the SDE itself, taken in small steps."""

import numpy as np
import pytest
import torch

import diffnotes as dn

F64 = torch.float64
SDES = [dn.VE(), dn.VE(1.01), dn.OU(T=3.0), dn.VP(0.5, 4.0, T=2.0), dn.Standardised(dn.OU(T=2.0), 0.5)]


@pytest.mark.parametrize("sde", SDES, ids=repr)
def test_from_time_zero_one_step_is_the_kernel(sde):
    x, t = dn.normal(np.random.default_rng(1), (4, 2)), [0.0, 0.6 * sde.T]
    paths = dn.forward_paths(sde, x, t, np.random.default_rng(2))
    torch.testing.assert_close(paths, torch.stack([x, sde.perturb(x, t[1], dn.normal(np.random.default_rng(2), (4, 2)))]))


@pytest.mark.parametrize("sde", SDES, ids=repr)
def test_many_steps_have_the_moments_of_the_kernel_and_the_covariance_of_the_process(sde):
    """Which bug this catches: variances that do not add up over the steps; increments that depend on each other."""
    t, n = np.linspace(0, sde.T, 8), 40_000
    paths = dn.forward_paths(sde, torch.ones(n, 1, dtype=F64), t, np.random.default_rng(3))[..., 0]
    scale, std = sde.scale(t), sde.std(t)
    assert ((paths.mean(1) - scale).abs() <= 4.5 * std / n**0.5 + 1e-12).all()
    assert ((paths.var(1) / std**2)[1:] - 1).abs().max() < 4.5 * (2 / n) ** 0.5
    for early, late in ((1, 4), (3, 7), (5, 6)):
        expected = scale[late] / scale[early] * std[early] / std[late]  # Cov(x(s), x(t)) = r(t) / r(s) Var x(s)
        assert float(torch.corrcoef(paths[[early, late]])[0, 1]) == pytest.approx(float(expected), abs=4.5 / n**0.5)


@pytest.mark.parametrize("sde", SDES, ids=repr)
def test_euler_maruyama_steps_come_to_the_kernels_variance_at_first_order(sde):
    """One step of the SDE (2) multiplies the variance by (1 + f dt)^2 and adds g^2 dt: no random numbers are needed."""
    errors = []
    for steps in (1000, 2000, 4000):
        dt, variance = sde.T / steps, 0.0
        t = torch.arange(steps, dtype=F64) * dt
        for f, g in zip(sde.drift_rate(t).tolist(), sde.diffusion(t).tolist(), strict=True):
            variance = variance * (1 + f * dt) ** 2 + g**2 * dt
        errors.append(abs(variance / sde.std(sde.T).item() ** 2 - 1))
    assert [errors[k] / errors[k + 1] for k in (0, 1)] == pytest.approx([2, 2], abs=0.1)


@pytest.mark.parametrize("t", [[0.0, 0.0], [0.5, 0.2], [0.0, 3.1], [-0.1, 1.0], "soon"])
def test_times_increase_inside_the_process(t):
    with pytest.raises(ValueError, match=r"^t: got .*; allowed: "):
        dn.forward_paths(dn.OU(T=3.0), torch.ones(2, 1, dtype=F64), t, np.random.default_rng(0))


def test_times_out_of_range_are_told_the_range():
    with pytest.raises(ValueError, match=r"^t: got -2; allowed: SDE times in \[0, 3\]"):
        dn.forward_paths(dn.OU(T=3.0), torch.ones(2, 1, dtype=F64), [-2.0, 1.0], np.random.default_rng(0))


class Growing(dn.LinearSDE):
    """dx = x dt + sqrt(2) dW: r = e^t, std^2 = e^{2t} - 1."""

    T = 2.0

    def _scale(self, t):
        return torch.exp(t)

    def _std(self, t):
        return torch.expm1(2 * t).sqrt()


def test_steps_of_one_unit_in_the_last_place_are_numbers():
    """Which bug this catches: the root of a variance that rounding has put below zero, as it may where the scale grows."""
    start = np.linspace(0.5, 1.9, 50)
    times = np.stack([start, np.nextafter(start, 2)], 1).flatten()
    paths = dn.forward_paths(Growing(), torch.ones(3, 1, dtype=F64), times, np.random.default_rng(0))
    assert paths.shape == (100, 3, 1) and paths.isfinite().all()
