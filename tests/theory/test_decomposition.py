"""I_3 and its parts against the networks' values at the nodes; the estimator's constants against many draws."""

import numpy as np
import pytest
import torch

import diffnotes as dn

SDE = dn.OU(T=5.0)
P = dn.GaussianMixture.two_modes(3.0).diffused(SDE)
NODES = dn.line_grid(P, SDE.std, 0.01, n_t=12, n_x=24).weighted(P)
ATOMS = dn.RandomFeatures.draw(30, 1, SDE.T, np.random.default_rng(0))
WIDE = dn.GradientFlow(dn.statistics(ATOMS, NODES), torch.full((1, 30), 0.1, dtype=torch.float64))
INDEX = torch.tensor([4, 0, 29, 4, 7, 12, 4, 9])
TAU = torch.tensor([0.0, 1.0, 300.0], dtype=torch.float64)


def narrow():
    return dn.RandomFeatures(ATOMS.W[INDEX], ATOMS.U[INDEX], SDE.T)


def test_drawn_statistics_are_those_of_the_drawn_features():
    drawn, exact = dn.drawn_statistics(WIDE.statistics, INDEX), dn.statistics(narrow(), NODES)
    for name in "BCS":
        torch.testing.assert_close(getattr(drawn, name), getattr(exact, name))


def test_lifted_weights_give_the_same_function():
    theta = dn.normal(np.random.default_rng(1), (2, 1, len(INDEX)))
    few, all_atoms = narrow().score(theta), ATOMS.score(dn.lifted(theta, INDEX, 30))
    torch.testing.assert_close(few(NODES.x, NODES.t), all_atoms(NODES.x, NODES.t))


def test_the_parts_are_the_printed_distances():
    """Each from values at the nodes.  Which bug this catches: I31 and I33 swapped, a factor M/m, a start that is not drawn."""
    comparison = WIDE.theta(50.0)
    found = dn.finite_width(WIDE, INDEX, TAU, comparison)
    a = 30**0.5 * comparison[:, INDEX]
    phi, start = narrow(), (30 / len(INDEX)) ** 0.5 * WIDE.theta0[:, INDEX]
    s = phi.score(dn.GradientFlow(dn.statistics(phi, NODES), start).theta(TAU))(NODES.x, NODES.t)
    star = phi.score(a / len(INDEX) ** 0.5)(NODES.x, NODES.t)
    s_bar, bar_star = (ATOMS.score(theta)(NODES.x, NODES.t) for theta in (WIDE.theta(TAU), comparison))
    for name, one, other in (("I3", s, s_bar), ("I31", s_bar, bar_star), ("I32", star, bar_star), ("I33", s, star)):
        exact = (one - other).square().sum(-1) @ NODES.weight
        torch.testing.assert_close(getattr(found, name), exact.expand(3), rtol=1e-8, atol=1e-12)
    assert (found.I3 <= 3 * (found.I31 + found.I32 + found.I33)).all()


def test_the_estimator_s_mean_error_is_its_variance_over_m():
    comparison, rng = WIDE.theta(50.0), np.random.default_rng(2)
    exact = dn.estimator_constants(WIDE.statistics, comparison)
    draws = [torch.from_numpy(rng.integers(0, 30, 5)) for _ in range(1500)]
    stars = torch.stack([dn.lifted(6**0.5 * comparison[:, index], index, 30) for index in draws]) - comparison
    errors = ((stars @ WIDE.statistics.B) * stars).sum((-1, -2))
    assert abs(float(errors.mean()) - exact.mean(5)) < 4 * float(errors.std()) / 1500**0.5
    assert float((errors > exact.bound(5, 0.1)).double().mean()) <= 0.1
    one = dn.RandomFeatures(ATOMS.W[:1], ATOMS.U[:1], SDE.T)
    assert dn.estimator_constants(dn.statistics(one, NODES), torch.ones(1, 1, dtype=torch.float64)).variance == 0


def test_the_estimator_s_constants_are_those_of_one_feature_s_share_also_in_the_plane():
    """a_k sigma_k at the nodes, atom by atom, in d = 2.  Which bug this catches: a mean over the coordinates for their sum."""
    p = dn.GaussianMixture.two_modes(2.0, d=2).diffused(SDE)
    nodes, phi = dn.sampled_nodes(p, SDE.std, 0.01, 50, np.random.default_rng(0)), dn.RandomFeatures.draw(6, 2, SDE.T, np.random.default_rng(1))
    theta = dn.normal(np.random.default_rng(2), (2, 6))
    shares = [6 * phi.score(theta * (torch.arange(6) == k))(nodes.x, nodes.t) for k in range(6)]
    size, found = lambda value: float(value.square().sum(-1) @ nodes.weight), dn.estimator_constants(dn.statistics(phi, nodes), theta)
    assert found.variance == pytest.approx(np.mean([size(share) for share in shares]) - size(sum(shares) / 6), rel=1e-9)
    assert found.largest == pytest.approx(max(size(share) for share in shares), rel=1e-9)


def test_equal_atoms_have_no_variance_whatever_the_rounding():
    theta = torch.full((1, 7), 0.1, dtype=torch.float64)
    for k in range(30):
        same = dn.RandomFeatures(ATOMS.W[[k] * 7], ATOMS.U[[k] * 7], SDE.T)
        assert 0 <= dn.estimator_constants(dn.statistics(same, NODES), theta).variance < 1e-15


@pytest.mark.parametrize(("index", "said"), [
    ([0, 1], "index: got .0, 1.; allowed: a tensor of at least one whole number"),
    (torch.tensor([[0, 1]]), "index: got tensor.*; allowed: a tensor of at least one whole number"),
    (torch.tensor([0, 30]), "index: got 30; allowed: numbers from 0 to 29"),
    (torch.tensor([-1]), "index: got -1; allowed: numbers from 0 to 29"),
    (torch.tensor([0.0]), "index: got tensor.*; allowed: a tensor of at least one whole number"),
    (torch.tensor([], dtype=torch.int64), "index: got tensor.*; allowed: a tensor of at least one whole number")])
def test_bad_indices_say_what_is_allowed(index, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        dn.finite_width(WIDE, index, 1.0, WIDE.theta(1.0))


def test_theta_must_fit_the_index():
    with pytest.raises(ValueError, match=r"^theta: got 2 weights; allowed: 8, one for each drawn feature"):
        dn.lifted(torch.zeros(1, 2, dtype=torch.float64), INDEX, 30)
