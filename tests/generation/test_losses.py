"""The denoising loss, against closed forms and against what training minimises."""

import numpy as np
import pytest
import torch

import diffnotes as dn


@pytest.mark.parametrize("sde", [dn.VE(), dn.OU()])
def test_denoising_loss_of_the_best_gaussian(sde):
    """For N(0, diag(c)) the true score's loss at t is the sum of r^2 c / (r^2 c + std^2)."""
    c, t, rng = torch.tensor([0.5, 4.0], dtype=torch.float64), 0.3, np.random.default_rng(0)
    data = dn.GaussianMixture([1.0], torch.zeros(1, 2, dtype=torch.float64), torch.diag(c)[None]).diffused(sde)
    x0, noise = c.sqrt() * dn.normal(rng, (100_000, 2)), dn.normal(rng, (100_000, 2))
    loss = dn.denoising_loss(data.score, sde, x0, t, noise)
    r, std = sde.scale(torch.tensor(t, dtype=c.dtype)), sde.std(torch.tensor(t, dtype=c.dtype))
    assert loss.shape == (100_000,)
    assert loss.mean().item() == pytest.approx((r**2 * c / (r**2 * c + std**2)).sum().item(), rel=0.02)


def test_denoising_loss_is_what_training_minimises():
    net = dn.SwishNet.draw(4, dn.VE(), [np.random.default_rng(0)], dtype=torch.float64)
    rng = np.random.default_rng(1)
    x0, t, noise = dn.normal(rng, (1, 6)), 0.1 + 0.8 * dn.uniform(rng, (1, 6)), dn.normal(rng, (1, 6))
    trained = net.gradient(net.inputs(x0 + net.sde.std(t) * noise, t), noise)[0]
    assert torch.allclose(dn.denoising_loss(net.score, net.sde, x0[..., None], t, noise[..., None]).mean(1), trained, rtol=1e-12)


@pytest.mark.parametrize("sde", [dn.VE(), dn.OU()])
def test_the_best_gaussians_loss_is_its_scores(sde):
    """The formula against the score of the Gaussian with the data's mean and covariance, on the data and fresh noise."""
    rng = np.random.default_rng(2)
    x0 = dn.normal(rng, (40, 3)) @ torch.tensor([[2.0, 0, 0], [1, 1, 0], [0, 0, 0.3]], dtype=torch.float64) + 1
    fitted = dn.GaussianMixture([1.0], x0.mean(0)[None], x0.T.cov(correction=0)[None]).diffused(sde)
    many = x0.repeat(4000, 1)
    for t in (0.1, 0.7):
        sampled = dn.denoising_loss(fitted.score, sde, many, t, dn.normal(rng, tuple(many.shape))).mean().item()
        assert dn.gaussian_denoising_loss(sde, x0, torch.tensor([t], dtype=x0.dtype)).item() == pytest.approx(sampled, rel=0.01)


def test_the_mean_loss_is_that_of_the_draws():
    """Against a loop over the same stream: one time in each part, images in turn, fresh noise."""
    sde, draws = dn.VE(), 7
    x0 = dn.normal(np.random.default_rng(0), (3, 2))
    p = dn.GaussianMixture.empirical(x0).diffused(sde)
    rng, expected = np.random.default_rng(1), []
    u, z = rng.random(draws), rng.standard_normal((draws, 2))
    turns = rng.permutation(draws) % 3
    for k in range(draws):
        t = 0.1 + (sde.T - 0.1) * (k + u[k]) / draws
        std = sde.std(torch.tensor(t, dtype=x0.dtype))
        noise = torch.from_numpy(z[k])
        expected.append((std * p.score((x0[turns[k]] + std * noise)[None], t)[0] + noise).square().sum().item())
    found = dn.mean_denoising_loss(p.score, sde, x0, np.random.default_rng(1), draws=draws, t_min=0.1)
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-9)


def test_the_mean_loss_tends_to_the_best_gaussians():
    sde, c = dn.VE(), torch.tensor([0.5, 4.0], dtype=torch.float64)
    data = dn.GaussianMixture([1.0], torch.zeros(1, 2, dtype=torch.float64), torch.diag(c)[None]).diffused(sde)
    x0 = c.sqrt() * dn.normal(np.random.default_rng(2), (5000, 2))
    t = (torch.arange(400, dtype=x0.dtype) + 0.5) / 400
    found = dn.mean_denoising_loss(data.score, sde, x0, np.random.default_rng(3), draws=20_000)
    assert found.item() == pytest.approx(dn.gaussian_denoising_loss(sde, x0, t).mean().item(), rel=0.02)


@pytest.mark.parametrize(("name", "call"), [
    ("t", lambda: dn.gaussian_denoising_loss(dn.VE(), torch.zeros(3, 2), torch.zeros(1))), ("x0", lambda: dn.gaussian_denoising_loss(dn.VE(), torch.zeros(3), torch.ones(1))),
    ("t", lambda: dn.denoising_loss(lambda x, t: x, dn.VE(), torch.zeros(3, 2), 2.0, torch.zeros(3, 2))), ("noise", lambda: dn.denoising_loss(lambda x, t: x, dn.VE(), torch.zeros(3, 2), 0.5, torch.zeros(3, 1))),
    (r"score\(x, t\)", lambda: dn.denoising_loss(lambda x, t: x[:, :1], dn.VE(), torch.zeros(3, 2), 0.5, torch.zeros(3, 2)))])
def test_bad_input(name, call):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        call()


def test_data_on_a_line_has_a_loss_between_zero_and_its_dimension():
    """Which bug this catches: an eigenvalue that is zero up to rounding and comes out negative, so that a share of the signal
    below zero or far above one enters the sum."""
    direction = torch.linspace(1, 2, 10, dtype=torch.float64)
    x0 = 1e6 * dn.normal(np.random.default_rng(0), (30, 1)) * direction
    t = torch.logspace(-9, 0, 40, dtype=torch.float64)
    loss = dn.gaussian_denoising_loss(dn.OU(T=2.0), x0, t)
    assert (loss > 0).all() and (loss < 10).all() and float(loss[-1]) == pytest.approx(1, abs=1e-3)
    assert (torch.linalg.eigvalsh((x0 - x0.mean(0)).T.cov(correction=0)) < 0).any()  # there is such an eigenvalue
