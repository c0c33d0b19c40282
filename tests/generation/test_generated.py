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
    found = dn.generate(wrong, TWO, 0.05, steps=96, cells=1500)
    x = dn.stretched_grid(reach=150.0, n=1500, core=6.0)
    t = torch.linspace(sde.T**0.5, 0.05**0.5, 97, dtype=torch.float64).square().clamp(0.05, sde.T)
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


def test_the_share_below_a_point_is_the_distribution_function():
    """Also where the point lies inside a cell.  Which bug this catches: a cell's edge taken for its middle."""
    x = torch.linspace(-6, 6, 601, dtype=torch.float64)
    bell = torch.exp(-(x.square()) / 2)
    found = dn.Generated(x, dn.cell_widths(x), torch.stack([bell, 2 * bell.roll(50)]), bell)  # densities up to a factor
    for split in (-1.0, 0.0, 0.503):
        exact = torch.special.ndtr(torch.tensor([split, split - 1.0], dtype=torch.float64))
        torch.testing.assert_close(found.below(split), exact, rtol=0, atol=2e-5)
    assert (found.below(-7.0) == 0).all() and torch.allclose(found.below(7.0), torch.ones(2, dtype=torch.float64))


def test_what_is_driven_to_the_ends_is_refused_unless_asked_for():
    def outwards(x, t):
        return 3 * x

    with pytest.raises(ValueError, match=r"^x: .*each edge cell"):
        dn.generate(outwards, TWO, 0.1, steps=8, cells=200)
    found = dn.generate(outwards, TWO, 0.1, steps=8, cells=200, edge_mass=1.0)
    assert float((found.density * found.width)[[0, -1]].sum()) > 0.5


def test_shares_are_the_weights_between_splits():
    x = torch.linspace(-6, 6, 601, dtype=torch.float64)
    found = dn.Generated(x, dn.cell_widths(x), torch.stack([torch.exp(-(x.square()) / 2), torch.exp(-x)]), x)
    shares = found.shares([-1.0, 0.0, 2.0])
    assert shares.shape == (2, 4) and torch.allclose(shares.sum(1), torch.ones(2, dtype=torch.float64))
    normal = torch.special.ndtr(torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64))
    torch.testing.assert_close(shares[0].cumsum(0)[:3], normal, rtol=0, atol=2e-5)
    torch.testing.assert_close(shares[:, 0], found.below(-1.0))
    with pytest.raises(ValueError, match=r"^splits: .*increasing numbers"):
        found.shares([0.0, 0.0])


def test_a_plane_has_no_line():
    with pytest.raises(ValueError, match=r"^p: got a density in d = 2; allowed: d = 1"):
        dn.generate(None, dn.GaussianMixture.two_modes(1.0, d=2).diffused(dn.OU()), 0.1)


@pytest.mark.parametrize(("p", "spread"), [
    (TWO, 10**0.5), (dn.GaussianMixture.two_modes(30.0).diffused(dn.VE()), 901**0.5),
    (dn.GaussianMixture.empirical(torch.ones(1, 1, dtype=torch.float64)).diffused(dn.OU()), 1.0)], ids=["near", "far", "a point"])
def test_where_and_when_it_looks(p, spread):
    """Which bug this catches: a grid that does not follow the target or the prior, or steps other than asked."""
    seen, t_min, T = [], 0.02, p.sde.T
    sde = dn.Standardised(p.sde, spread)

    def score(x, t):
        seen.append(float(t))
        return p.score(x, t)

    found = dn.generate(score, p, t_min)
    t = torch.linspace(T**0.25, t_min**0.25, 65, dtype=torch.float64).pow(4)
    halves = torch.cat([torch.stack([t[:-1], (t[:-1] + t[1:]) / 2], 1).flatten(), t[-1:]])
    middles = torch.cat([(t[1:] + t[:-1]) / 2, (halves[1:] + halves[:-1]) / 2])
    assert seen == pytest.approx(middles.tolist(), rel=1e-12)
    end = torch.tensor(t_min, dtype=torch.float64)
    free = 8 * p.sde.std(T) / p.sde.scale(T) * p.sde.scale(end)  # where no score at all would bring the prior
    far = max(float(free), 25 * float(p.half_width(end, 3.0)))
    assert len(found.x) == 1000 and float(found.x[-1]) == pytest.approx(far, rel=1e-9)
    assert torch.allclose(found.width, dn.cell_widths(found.x))
    centre = found.x[500] - found.x[499]  # fine where the target is
    core = float(p.half_width(end, 3.0))
    assert torch.allclose(found.target, p.log_prob(found.x[:, None], t_min).exp()) and (found.density * found.width).sum() == pytest.approx(1)
    assert float(centre) == pytest.approx(2 * core * math.asinh(far / core) / 999, rel=1e-4) and float(sde.unit(end)) > 0


@pytest.mark.parametrize(("change", "name"), [
    ({"t_min": 0.0}, "t_min"), ({"t_min": 5.0}, "t_min"), ({"t_min": -0.5}, "t_min"), ({"reach": 0.0}, "reach"), ({"reach": -0.5}, "reach"),
    ({"reach": 38.5}, "reach"), ({"cells": 2}, "cells"), ({"cells": 12}, "cells"), ({"steps": 0}, "steps"), ({"power": 0.5}, "power")])
def test_errors_name_the_argument(change, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        dn.generate(TWO.score, TWO, **{"t_min": 0.1, "steps": 4, "cells": 200} | change)
    dn.generate(TWO.score, TWO, 0.1, steps=8, cells=400, reach=38.0)
    dn.generate(TWO.score, TWO, 0.1, steps=8, cells=400, reach=0.5)


def test_densities_are_read_off_to_the_very_ends_and_where_they_vanish():
    x = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    found = dn.Generated(x, dn.cell_widths(x), torch.tensor([[1.0, 2.0, 8.0], [0.0, 0.5, 0.0]]).double(), x)
    assert torch.allclose(found.at([0.0, 0.5, 1.0, 2.0, 3.0])[0], torch.tensor([1.0, 2**0.5, 2.0, 4.0, 8.0]).double())
    assert (found.at([0.0, 0.5, 2.9])[1] < 1e-100).all()
