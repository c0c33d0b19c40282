"""The two denoisers that know the records: against sums over records and against the conditional mean of a Gaussian."""

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.diagnosis.smooth import Empirical, Gaussian

F64 = torch.float64
SIGMAS = [1e-3, 0.03, 0.5, 2.0, 40.0, 1e3]


def slow(records, x, z, sigma, without, fully):
    """Posterior means over records, one noisy record at a time, in long doubles; ``without`` of them one is left out."""
    rows = []
    for a, b, left, more in zip(x.numpy(), z.numpy(), without, fully, strict=True):
        pool = [one for j, one in enumerate(records.numpy()) if j != left] + ([a] if more else [])
        pool = np.array(pool, dtype=np.longdouble)
        far = ((a + sigma * np.longdouble(b) - pool) ** 2).sum(1) / (2 * np.longdouble(sigma) ** 2)
        weight = np.exp(far.min() - far)
        rows.append((weight / weight.sum()) @ pool)
    return torch.as_tensor(np.array(rows, dtype=np.float64))


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("d", [3, 60])  # and more numbers than records
def test_posterior_means_against_sums_over_records(sigma, d):
    """Which bug this catches: exponents that cancel where the noise is small, and the record's own weight lost or taken twice."""
    rng = np.random.default_rng(0)
    records = 50 + dn.normal(rng, (20, d))
    x, z = torch.cat([records[:6], 50 + dn.normal(rng, (4, d))]), dn.normal(rng, (10, d))
    own = torch.tensor([0, 1, 2, 3, 4, 5, -1, -1, -1, -1])
    smooth = Empirical(records)
    exponent = -(smooth.distances(x) / sigma**2 + smooth.shifts(x, z) / sigma)
    without, fully = smooth.denoise(x, exponent, own)
    assert torch.allclose(without, slow(records, x, z, sigma, own.tolist(), [False] * 10), atol=1e-7)
    wanted = slow(records, x, z, sigma, [-2] * 6 + [-1] * 4, [False] * 6 + [True] * 4)
    assert torch.allclose(fully, wanted, atol=1e-7)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_gaussian_denoises_as_the_conditional_mean_does(sigma):
    rng = np.random.default_rng(1)
    x = dn.normal(rng, (60, 5)) @ dn.normal(rng, (5, 5)) + 3
    covariance, mean, y = x.T.cov(correction=0), x.mean(0), 4 * dn.normal(rng, (7, 5))
    wanted = mean + (y - mean) @ torch.linalg.solve(covariance + sigma**2 * torch.eye(5, dtype=F64), covariance)
    assert torch.allclose(Gaussian(x).denoise(y, sigma), wanted, atol=1e-9)


def test_beyond_the_directions_of_the_records_the_variance_is_the_least_of_these():
    """Which bug this catches: the direction of the mean, of variance zero, counted among those that have one."""
    rng, sigma = np.random.default_rng(2), 0.5
    x = dn.normal(rng, (10, 40))
    one, values = Gaussian(x), torch.linalg.eigvalsh(x.T.cov(correction=0))[-9:]
    axes = torch.linalg.svd(x - x.mean(0), full_matrices=True)[2]
    for axis, variance in ((axes[0], values[-1]), (axes[8], values[0]), (axes[9], values[0]), (axes[30], values[0])):
        y = (one.mean + axis)[None]
        assert torch.allclose(one.denoise(y, sigma) - one.mean, variance / (variance + sigma**2) * axis)
    flat = torch.cat([dn.normal(rng, (30, 2)), torch.ones(30, 1, dtype=F64)], 1)  # a pixel that is always one
    assert torch.allclose(Gaussian(flat).denoise(torch.full((1, 3), 2.0, dtype=F64), 0.1)[:, 2], torch.ones(1, dtype=F64))


def test_the_order_of_the_records_does_not_count():
    x, y = dn.normal(np.random.default_rng(3), (12, 20)), dn.normal(np.random.default_rng(4), (5, 20))
    assert torch.allclose(Gaussian(x).denoise(y, 0.3), Gaussian(x.flip(0)).denoise(y, 0.3), atol=1e-12)
