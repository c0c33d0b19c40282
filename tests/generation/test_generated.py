"""What a score generates: closed forms, the two coordinates, and what is read off."""

import math

import pytest
import torch

import diffnotes as dn

TWO = dn.GaussianMixture.two_modes(3.0).diffused(dn.OU())


def test_no_score_at_all_gives_the_gaussian_of_its_equation():
    """Backwards in t the drift of OU is +x, so the variance obeys V' = 2 V + 2 from V = std(T)^2."""
    p = dn.GaussianMixture.normal(1.0).diffused(dn.OU(T=2.0))
    found = dn.generate(lambda x, t: torch.zeros_like(x), p, 0.01, steps=256, cells=3000)
    variance = (1 - math.exp(-4.0) + 1) * math.exp(2 * 1.99) - 1
    assert (found.density * found.width).sum() == pytest.approx(1, abs=1e-12)
    assert (found.density * found.x**2 * found.width).sum() == pytest.approx(variance, rel=1e-2)


@pytest.mark.parametrize("sde", [dn.OU(), dn.VE(), dn.VP()], ids=repr)
def test_the_true_score_generates_the_target(sde):
    p = dn.GaussianMixture.two_modes(3.0).diffused(sde)
    found = dn.generate(p.score, p, 0.01)
    assert (found.target * found.width).sum() == pytest.approx(1, abs=1e-4)
    assert 0 <= found.divergence() <= p.prior_kl() + 1e-5 and (found.density - found.target).abs().max() < 2e-3


def test_it_is_what_the_equation_in_x_gives():
    """Which bug this catches: a factor r(t) forgotten in the change of coordinates, or the wrong end of time."""
    wrong, sde = lambda x, t: 0.8 * TWO.score(x, t), TWO.sde
    found = dn.generate(wrong, TWO, 0.05, steps=192, cells=3000)
    x = dn.stretched_grid(reach=150.0, n=3000, core=6.0)
    t = torch.linspace(sde.T**0.5, 0.05**0.5, 193, dtype=torch.float64).square().clamp(0.05, sde.T)
    prior = dn.GaussianMixture.normal(sde.std(sde.T)).log_prob(x[:, None]).exp()
    direct = dn.reverse_sde_density(wrong, sde, x, t, prior)
    points = torch.linspace(-8, 8, 81, dtype=torch.float64)
    there = dn.Generated(x, dn.cell_widths(x), direct, direct).at(points)
    assert torch.allclose(found.at(points), there, rtol=2e-3, atol=2e-5)


def test_densities_are_read_off_between_cells_and_nowhere_else():
    x = torch.linspace(-5, 5, 41, dtype=torch.float64)
    bell = torch.exp(-(x.square())) / math.pi**0.5
    found = dn.Generated(x, dn.cell_widths(x), torch.stack([bell, torch.exp(-x)]), bell)
    assert torch.equal(found.at(x)[0], bell) or torch.allclose(found.at(x)[0], bell, rtol=1e-12)
    points = torch.tensor([-4.9, 0.1, 4.99], dtype=torch.float64)
    assert torch.allclose(found.at(points)[1], torch.exp(-points), rtol=1e-12)  # exponentials are lines in the logarithm
    with pytest.raises(ValueError, match=r"^points: "):
        found.at([5.1])


def test_a_plane_has_no_line():
    with pytest.raises(ValueError, match=r"^p: got a density in d = 2; allowed: d = 1"):
        dn.generate(None, dn.GaussianMixture.two_modes(1.0, d=2).diffused(dn.OU()), 0.1)
