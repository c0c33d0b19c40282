"""Frames: the same process in other coordinates.  ``test_sde`` holds them to what every process must do."""

import pytest
import torch

import diffnotes as dn

SDES = [dn.OU(T=2.0), dn.VE(), dn.VP(0.5, 4.0, T=2.0)]


@pytest.mark.parametrize("sde", SDES, ids=repr)
def test_a_frame_is_the_process_divided_by_a_number(sde):
    """Ito's formula for x / c(t): drift f - c'/c, diffusion g / c; c' by differences."""
    frame, t, h = dn.Standardised(sde, 3.0), torch.linspace(0.1, 0.9, 9, dtype=torch.float64), 1e-5
    c, slope = frame.unit(t), (frame.unit(t + h) - frame.unit(t - h)) / (2 * h)
    assert torch.allclose(frame.drift_rate(t), sde.drift_rate(t) - slope / c, rtol=1e-6, atol=1e-8)
    assert torch.allclose(frame.diffusion(t), sde.diffusion(t) / c) and torch.allclose(frame.std(t), sde.std(t) / c)
    assert torch.allclose(frame.scale(t), sde.scale(t) / c)


@pytest.mark.parametrize("sde", SDES, ids=repr)
def test_standardised_data_keep_their_variance(sde):
    p = dn.GaussianMixture.two_modes(2.0).diffused(dn.Standardised(sde, 5.0**0.5))  # 1 + 2^2
    for t in (0.01, 0.3, 1.0):
        scale, std = p.sde.scale(t), p.sde.std(t)
        assert float(scale**2 * p.mixture.covariance() + std**2) == pytest.approx(5.0)


def test_scores_go_over_into_the_frame():
    law, sde, x, t = dn.GaussianMixture.two_modes(2.0), dn.OU(), torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None], 0.4
    frame = dn.Standardised(sde, 2.0)
    c = frame.unit(torch.tensor(t).double())
    assert torch.allclose(law.diffused(frame).score(x, t), c * law.diffused(sde).score(c * x, t))
    assert repr(frame) == "Standardised(OU(rate=1, T=5), spread=2)"


def test_a_spread_is_a_positive_number():
    assert dn.Standardised(dn.OU(), 0.5).spread == 0.5
    for spread in (0.0, -0.5, float("nan"), "1"):
        with pytest.raises(ValueError, match=r"^spread: "):
            dn.Standardised(dn.OU(), spread)
    with pytest.raises(ValueError, match=r"^inner: got .*; allowed: "):
        dn.Standardised("OU", 1.0)
