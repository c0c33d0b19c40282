"""The three J against gradients computed on the samples' own nodes, and against their definitions."""

import math

import numpy as np
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
