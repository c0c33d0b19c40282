"""Four features that hold the scores of N(c, 1) and N(-c, 1), and how well one sample tells these two apart."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn

F64 = torch.float64
SDE = dn.OU(T=3.0)
C = torch.tensor([-1.5, 0.0, 0.7], dtype=F64)


def test_four_atoms_hold_the_score_of_every_unit_normal_at_every_time():
    x, atoms = torch.linspace(-5, 5, 9, dtype=F64)[:, None], dn.four_atoms()
    for t in (0.0, 0.4, 3.0):
        found = atoms.score(dn.four_atom_weights(C))(x, t)
        for c, score in zip(C, found, strict=True):
            p = dn.GaussianMixture.isotropic([1.0], c.reshape(1, 1), 1.0).diffused(SDE)
            torch.testing.assert_close(score, p.score(x, t), rtol=0, atol=1e-13)


def test_no_cheaper_weights_have_this_score():
    atoms, weights = dn.four_atoms(), dn.four_atom_weights(C)
    assert torch.allclose(weights.norm(dim=(1, 2)), (8 + 4 * C**2).sqrt())
    x, t = torch.linspace(-5, 5, 40, dtype=F64)[:, None], torch.linspace(0, 3, 40, dtype=F64)
    phi = atoms(x, t)
    cheapest = torch.linalg.pinv(phi) @ (C[:, None] * torch.exp(-t) - x[:, 0]).mT  # least norm among exact fits
    torch.testing.assert_close(weights[:, 0], cheapest.mT)


def test_width_m_on_four_atoms_is_the_flow_of_width_four():
    atoms, times = dn.four_atoms(), torch.tensor([0.5, 20.0], dtype=F64)
    repeated = dn.RandomFeatures(atoms.W.repeat(3, 1), atoms.U.repeat(3, 1), 3.0, embed=lambda t: torch.stack([torch.ones_like(t), torch.exp(-t)], -1))
    nodes = dn.kernel_nodes(dn.GaussianMixture.empirical(torch.tensor([[0.3]], dtype=F64)).diffused(SDE), 2.0, 1e-4, 24, 49)
    x = torch.linspace(-3, 3, 7, dtype=F64)[:, None]
    narrow, wide = (phi.score(dn.GradientFlow(dn.statistics(phi, nodes)).theta(times))(x, 0.2) for phi in (atoms, repeated))
    torch.testing.assert_close(narrow, wide)


def test_jensen_shannon_is_its_definition_and_has_its_limits():
    x = torch.linspace(-14, 14, 40_001, dtype=F64)
    for c in (0.2, 1.0, 2.5):
        p, q = (torch.exp(-((x - side) ** 2) / 2) / (2 * math.pi) ** 0.5 for side in (c, -c))
        by_hand = sum((f * (2 * f / (p + q)).log()).sum() for f in (p, q)) / 2 * (x[1] - x[0])
        assert dn.jensen_shannon(c).item() == pytest.approx(by_hand.item(), rel=1e-9)
    assert dn.jensen_shannon(0.01).item() == pytest.approx(0.01**2 / 2, rel=1e-3)
    assert dn.jensen_shannon(9.0).item() == pytest.approx(math.log(2), rel=1e-9)


@pytest.mark.parametrize("n", [1, 4])
def test_the_chance_is_that_of_the_best_test_to_be_wrong(n):
    # With equal odds the likelihood-ratio test, the sign of the mean, errs with probability (1 - TV)/2; no test errs less.
    draws = 0.8 + np.random.default_rng(0).standard_normal((40_000, n)).mean(1)
    assert dn.two_point_chance(0.8, n).item() == pytest.approx((draws < 0).mean(), abs=0.008)


def test_the_four_atoms_and_their_features():
    """rho_0 lies on +-e_1 and +-e_3 of R^3, and the features are (relu(x), relu(-x), e^{-t}, 0)/2 up to T = 3."""
    atoms, x, t = dn.four_atoms(), torch.tensor([[-2.0], [0.5], [3.0]], dtype=F64), torch.tensor([0.0, 1.0, 3.0], dtype=F64)
    rows, axes = torch.cat([atoms.W, atoms.U], 1).tolist(), torch.eye(3)[[0, 2]]
    assert sorted(rows) == sorted(torch.cat([axes, -axes]).tolist()) and atoms.T == 3
    torch.testing.assert_close(2 * atoms(x, t), torch.stack([x[:, 0].relu(), (-x[:, 0]).relu(), torch.exp(-t), 0 * t], 1))


def test_many_means_at_once_have_the_shape_that_is_said():
    c = torch.tensor([[0.0, 0.5, 1.0], [1.5, 2.0, 9.0]], dtype=F64)
    assert dn.four_atom_weights(c).shape == (2, 3, 1, 4) and dn.four_atom_weights(0.5).shape == (1, 4)
    for function in (dn.jensen_shannon, lambda c: dn.two_point_chance(c, 3), lambda c: dn.four_atom_weights(c)[..., 0, 2]):
        assert function(c).shape == (2, 3) and function(c[1, 1]).shape == ()
        torch.testing.assert_close(function(c)[1, 1], function(c[1, 1]))


def test_equal_laws_cannot_be_told_apart_and_the_distance_is_not_negative():
    assert abs(dn.jensen_shannon(0.0)) < 1e-15 and dn.two_point_chance(0.0, 7) == 0.5
    for function in (dn.jensen_shannon, lambda c: dn.two_point_chance(c, 1)):
        with pytest.raises(ValueError, match=r"^c: got -0.5; allowed: c >= 0, half the distance of the two means"):
            function(-0.5)


def test_the_rule_is_trapezoidal_on_a_window_round_the_mean():
    """With three nodes only the one at the mean itself, c, has a mass."""
    for c in (0.3, 1.0):
        assert dn.jensen_shannon(c, 3).item() == pytest.approx(math.log(2) - math.log1p(math.exp(-2 * c**2)), rel=1e-12)
    with pytest.raises(ValueError, match=r"^n_nodes: got 2; allowed: an integer of at least 3"):
        dn.jensen_shannon(1.0, 2)
