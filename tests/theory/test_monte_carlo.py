"""Lemma 6's constants against the average over very many features; the weights against their definition."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn

F64 = torch.float64
SDE = dn.OU(T=5.0)


def nodes(d=1, mu=3.0, n=60):
    p = dn.GaussianMixture.two_modes(mu, d=d).diffused(SDE)
    return dn.sampled_nodes(p, SDE.std, 0.01, n, np.random.default_rng(d))


@pytest.mark.parametrize("d, embedding", [(1, 3), (3, 2)])
def test_sampled_weights_of_minus_x_give_minus_x(d, embedding):
    phi = dn.RandomFeatures.draw(400_000, d, SDE.T, np.random.default_rng(0), embedding=embedding)
    theta = dn.sampled_weights(phi, dn.minus_x)
    x = dn.normal(np.random.default_rng(1), (5, d))
    assert (phi.score(theta)(x, 1.0) + x).abs().max() < 0.05
    D = d + embedding
    torch.testing.assert_close(theta, -D * (D + 1) * phi.W.mT / 400_000**0.5)
    assert math.isclose(theta.norm() ** 2, 2 * d * D * (D + 1), rel_tol=0.02)  # E ||a||^2


@pytest.mark.parametrize("d, embedding", [(1, 3), (2, 2)])
def test_the_variance_of_minus_x_is_that_of_one_feature(d, embedding):
    some = nodes(d)
    phi = dn.RandomFeatures.draw(400_000, d, SDE.T, np.random.default_rng(2), embedding=embedding)
    shares = phi(some.x, some.t).square() * phi.width  # sigma^2, [N, m]
    each = (some.weight @ shares) * dn.minus_x(phi.W, phi.U).square().sum(1)
    exact = dn.minus_x_constants(some, SDE.T, embedding=embedding)
    error = float(each.std()) / 400_000**0.5
    assert abs(exact.variance - float(each.mean() - some.weight @ some.x.square().sum(1))) < 4 * error
    assert float(each.max()) <= exact.largest * (1 + 1e-12)


def test_the_largest_share_is_attained_at_a_corner():
    some = nodes(2)
    rows = torch.cat([torch.eye(5, dtype=F64), -torch.eye(5, dtype=F64)])
    phi = dn.RandomFeatures(rows[:, :2], rows[:, 2:], SDE.T)
    each = (some.weight @ phi(some.x, some.t).square()) * 10 * dn.minus_x(phi.W, phi.U).square().sum(1)
    assert math.isclose(dn.minus_x_constants(some, SDE.T).largest, float(each.max()), rel_tol=1e-12)


def test_where_time_counts_most_the_largest_share_is_still_bounded():
    """x so small that B > 2 A: no corner is largest.  Which bug this catches: A taken there too."""
    some = nodes(1)
    some = dn.Nodes(some.x * 0.05, some.t, some.weight, some.score)
    w = torch.linspace(0, 1, 401, dtype=F64)
    phi = dn.RandomFeatures(w[:, None], torch.stack([1 - w, 0 * w, 0 * w], 1), SDE.T)
    each = (some.weight @ phi(some.x, some.t).square()) * 401 * dn.minus_x(phi.W, phi.U).square().sum(1)
    largest = dn.minus_x_constants(some, SDE.T).largest
    assert each[-1] < each.max() <= largest < 1.2 * each.max()


def test_mean_and_bound_are_their_formulas():
    exact = dn.MonteCarlo(variance=4.0, largest=9.0)
    assert exact.mean(8) == 0.5 and math.isclose(exact.bound(4, math.exp(-2)), (2 + 3 * 2) ** 2 / 4) and exact.bound(4, 1.0) == 1.0


def test_the_mean_error_is_the_variance_over_m():
    some = nodes(1, n=40)
    draws = [dn.RandomFeatures.draw(32, 1, SDE.T, np.random.default_rng(k)) for k in range(2000)]
    errors = torch.stack([dn.squared_error(phi.score(dn.sampled_weights(phi, dn.minus_x)), some, -some.x) for phi in draws])
    exact = dn.minus_x_constants(some, SDE.T)
    assert abs(float(errors.mean()) - exact.mean(32)) < 4 * float(errors.std()) / 2000**0.5
    assert float((errors > exact.bound(32, 0.1)).double().mean()) <= 0.1


def test_squared_error_is_the_loss_by_its_definition():
    some, phi = nodes(2), dn.RandomFeatures.draw(5, 2, SDE.T, np.random.default_rng(0))
    theta = dn.normal(np.random.default_rng(1), (2, 5))
    exact = dn.statistics(phi, some).loss(theta)
    torch.testing.assert_close(dn.squared_error(phi.score(theta), some), exact)
    torch.testing.assert_close(dn.squared_error(phi.score(theta), some, some.score), exact)
    both = torch.stack([theta, 0 * theta])
    torch.testing.assert_close(dn.squared_error(phi.score(both), some), dn.statistics(phi, some).loss(both))


def one_node(x, weight=1.0, t=0.0):
    x, t, weight = (torch.tensor([value], dtype=F64) for value in (x, t, weight))
    return dn.Nodes(x[:, None], t, weight, 0 * x[:, None])


def test_the_largest_share_at_a_node_by_hand():
    """At t = 0 the embedding is (1, 1, 1), so B = 2 with the weight 4, and M = D (D + 1) max_s s (s A + (1 - s) B), D (D + 1) = 20."""
    s = torch.linspace(0, 1, 240_001, dtype=F64)
    for a in (2.0, 0.5, 0.4, 0.1):
        exact = dn.minus_x_constants(one_node(-a, 4.0), 5.0)
        assert math.isclose(exact.largest, (20 * float((s * (s * 2 * a + (1 - s) * 2)).max())) ** 2, rel_tol=1e-9)
        fourth = (20 * a**2 + 4 * (a**2 + 3)) / (4 * 5 * 6 * 7)
        assert math.isclose(exact.variance, 4 * (200 * fourth - a**2), rel_tol=1e-12)


def test_the_ends_of_what_is_allowed():
    """A constant score has variance zero, weights may vanish, and nodes may lie at T, which may be below one."""
    assert dn.MonteCarlo(0, 0).bound(3, 0.5) == 0 and math.isclose(dn.MonteCarlo(0.25, 0.25).bound(1, math.exp(-0.5)), 1)
    assert dn.minus_x_constants(one_node(1.0, t=0.5), 0.5).variance > 0 == dn.minus_x_constants(one_node(1.0, 0.0), 0.5).variance


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda: dn.MonteCarlo(-0.5, 1.0), r"variance: got -0.5; allowed: a finite number in \[0, inf\]"),
    (lambda: dn.MonteCarlo(1.0, -0.5), r"largest: got -0.5; allowed: a finite number in \[0, inf\]"),
    *((lambda delta=delta: dn.MonteCarlo(1.0, 1.0).bound(3, delta), rf"delta: got {delta}; allowed: a finite number in \(0, 1\]") for delta in (0.0, -0.5, 1.5)),
    *((lambda T=T: dn.minus_x_constants(one_node(1.0), T), rf"T: got {T}; allowed: a finite number in \(0, inf\]") for T in (0.0, -0.5)),
    (lambda: dn.minus_x_constants(one_node(1.0, -0.5), 1.0), "nodes.weight: got -0.5; allowed: weights >= 0"),
    (lambda: dn.minus_x_constants(nodes(), 4.0), "T: got 4; allowed: the end of the nodes' times")])
def test_errors_say_what_is_allowed(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        wrong()
