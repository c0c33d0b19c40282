"""The likelihood gap of a Gaussian model, whose density is known."""

import math

import numpy as np
import pytest
import torch
from exact_models import F64

import diffnotes as dn
from diffnotes.diagnosis.likelier import likelihood_gap

S = torch.tensor([0.3, 1.0, 2.0, 0.7], dtype=F64)


def model(y, sigma):
    s = S.to(y).view(1, 2, 2)
    return y * s**2 / (s**2 + sigma[:, None, None] ** 2)


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_the_gap_is_the_difference_of_log_densities(dtype):
    """Which bug this catches: nats for bits, held-out less train, and probes that the two sides do not share.

    The 24 steps of the solver leave 0.004 bits.
    """
    x = dn.normal(np.random.default_rng(0), (24, 4)) * S
    x[1::2] *= 1.3  # less likely
    gap = likelihood_gap(dn.Denoiser(model, 0.01, 40.0), x.to(dtype).view(24, 2, 2), 12, np.random.default_rng(0))
    log_prob = -((x**2) / (S**2 + 1e-4)).sum(1) / 2
    wanted = dn.mean_interval((log_prob[::2] - log_prob[1::2]) / (4 * math.log(2)))
    assert (gap.low, gap.mean, gap.high) == pytest.approx((wanted.low, wanted.mean, wanted.high), abs=0.005) and wanted.mean > 0.05


def test_only_the_pairs_that_were_asked_for_count():
    x = dn.normal(np.random.default_rng(0), (24, 2, 2))
    one, two = (likelihood_gap(dn.Denoiser(model, 0.01, 40.0), y, 3, np.random.default_rng(0), steps=6) for y in (x, x[:6]))
    assert one == two
