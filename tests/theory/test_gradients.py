"""The three J against gradients computed on the samples' own nodes, and against their definitions."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn

SDE = dn.OU(T=5.0)
TARGET = dn.GaussianMixture.two_modes(3.0)
P = TARGET.diffused(SDE)
GRID = dn.line_grid(P, SDE.std, 0.01, n_t=12, n_x=24)
PHI = dn.RandomFeatures.draw(7, 1, SDE.T, np.random.default_rng(0))
DATA = TARGET.sample(6, np.random.default_rng(1))
FLOW = dn.GradientFlow(dn.statistics(PHI, GRID.weighted(P)))
TAU = torch.tensor([0.0, 5.0, 500.0], dtype=torch.float64)


def test_the_samples_average_to_the_data_set_with_the_true_score():
    """Which bug this catches: the empirical score as the target, which is the denoising loss."""
    B, C, S = dn.sample_statistics(PHI, GRID, P, DATA)
    nodes = GRID.weighted(dn.GaussianMixture.empirical(DATA).diffused(SDE))
    exact = dn.statistics(PHI, dn.Nodes(nodes.x, nodes.t, nodes.weight, GRID.weighted(P).score))
    for found, wanted in ((B, exact.B), (C, exact.C), (S, exact.S)):
        torch.testing.assert_close(found.mean(0), wanted)


def test_fluctuation_and_J3_add_up_to_half_of_the_difference_of_gradients():
    B, C, S = dn.sample_statistics(PHI, GRID, P, DATA)
    sample = dn.Statistics(B.mean(0), C.mean(0), S.mean())
    gap = dn.gradient_gap(FLOW, B, C, S, TAU, np.random.default_rng(2))
    theta, trained = FLOW.theta(TAU), dn.GradientFlow(sample).theta(TAU)
    same = (sample.gradient(theta) - FLOW.statistics.gradient(theta)) / 2
    rest = (sample.gradient(trained) - sample.gradient(theta)) / 2
    torch.testing.assert_close(gap.fluctuation, same.norm(dim=(-1, -2)))
    torch.testing.assert_close(gap.J3, rest.norm(dim=(-1, -2)))
    assert (gap.fluctuation <= gap.J1 + gap.J2).all() and (gap.J3 <= gap.by_norms).all()


def test_J1_and_J2_are_their_definitions():
    """One sample: the signs drop out of the norms."""
    B, C, S = dn.sample_statistics(PHI, GRID, P, DATA[:1])
    gap = dn.gradient_gap(FLOW, B, C, S, TAU, np.random.default_rng(0), delta=math.exp(-2))
    size = FLOW.norm(TAU) * torch.linalg.matrix_norm(B[0], 2) + C.norm()
    torch.testing.assert_close(gap.J1, 2 * size)
    torch.testing.assert_close(gap.J2, 2 * size)
    both = dn.gradient_gap(FLOW, B.expand(2, 7, 7), C.expand(2, 1, 7), S.expand(2), TAU, np.random.default_rng(0), signs=400)
    torch.testing.assert_close(both.J1, size, rtol=0.2, atol=0)  # the signs agree in every second draw


def test_random_signs_shrink_like_the_root_of_n():
    B, C, S = dn.sample_statistics(PHI, GRID, P, TARGET.sample(400, np.random.default_rng(3)))
    few, many = (dn.gradient_gap(FLOW, B[:n], C[:n], S[:n], TAU, np.random.default_rng(4)).J1 for n in (25, 400))
    assert (2.5 < few / many).all() and (few / many < 6).all()


def test_all_terms_are_their_definitions_for_samples_that_differ_and_several_outputs():
    """Spelt out in loops, d = 2, with times in a matrix.  Which bug this catches: the largest B and the largest C of two samples
    added up, a norm other than the spectral one, a root of n on the wrong side."""
    draws, n, d, m, tau = np.random.default_rng(5), 4, 2, 3, torch.tensor([[0.1, 0.5], [2.0, 9.0]], dtype=torch.float64)
    roots, C, S = dn.normal(draws, (n, m, 4)), dn.normal(draws, (n, d, m)), torch.full((n,), 30.0, dtype=torch.float64)
    B = roots @ roots.mT
    C[0] *= 5  # one sample has the largest C, another the largest B
    flow = dn.GradientFlow(dn.Statistics(B[1:].mean(0), C[1:].mean(0), S.mean()), dn.normal(draws, (d, m)))
    own = dn.GradientFlow(dn.Statistics(B.mean(0), C.mean(0), S.mean()), flow.theta0)
    gap = dn.gradient_gap(flow, B, C, S, tau, np.random.default_rng(6), signs=3, delta=0.2)
    sides = dn.uniform(np.random.default_rng(6), (3, n))
    for i in range(2):
        for j in range(2):
            theta, trained = flow.theta(tau[i, j]).numpy(), own.theta(tau[i, j]).numpy()
            R, spectral = np.linalg.norm(theta), lambda matrix: np.linalg.norm(matrix, 2)
            J1, mean = 0.0, B.mean(0).numpy()
            for row in sides:
                signs = [1 if side < 0.5 else -1 for side in row]
                J1 += 2 * R * spectral(sum(e * b.numpy() for e, b in zip(signs, B, strict=True)) / n) / 3
                J1 += 2 * np.linalg.norm(sum(e * c.numpy() for e, c in zip(signs, C, strict=True)) / n) / 3
            J2 = max(R * spectral(b) + np.linalg.norm(c) for b, c in zip(B.numpy(), C.numpy(), strict=True)) * math.sqrt(2 * math.log(5) / n)
            free = np.linalg.norm(theta @ (mean - flow.statistics.B.numpy()) - (C.mean(0) - flow.statistics.C).numpy())
            J3, by_norms = np.linalg.norm((trained - theta) @ mean), spectral(mean) * (R + np.linalg.norm(trained))
            for found, exact in ((gap.J1, J1), (gap.J2, J2), (gap.J3, J3), (gap.fluctuation, free), (gap.by_norms, by_norms)):
                assert float(found[i, j]) == pytest.approx(exact, rel=1e-9)
    assert R * max(map(spectral, B.numpy())) + max(map(np.linalg.norm, C.numpy())) > 1.05 * J2 / math.sqrt(2 * math.log(5) / n)


def test_without_a_number_of_signs_there_are_thirty_two():
    B, C, S = dn.sample_statistics(PHI, GRID, P, DATA)
    J1 = [dn.gradient_gap(FLOW, B, C, S, TAU, np.random.default_rng(0), **signs).J1 for signs in ({}, {"signs": 32}, {"signs": 33})]
    assert torch.equal(J1[0], J1[1]) and not torch.equal(J1[0], J1[2])


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.5, 1.5])
def test_a_chance_of_failing_lies_between_zero_and_one(delta):
    B, C, S = dn.sample_statistics(PHI, GRID, P, DATA)
    with pytest.raises(ValueError, match=rf"^delta: got {delta}; allowed: a finite number in \(0, 1\)"):
        dn.gradient_gap(FLOW, B, C, S, TAU, np.random.default_rng(0), delta=delta)
