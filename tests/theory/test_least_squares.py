"""Least squares at any width against the pseudo-inverse, the flow on its statistics, and small steps."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn

F64 = torch.float64


def rows(N, m, d=2):
    rng = np.random.default_rng(N + 10 * m)
    return dn.normal(rng, (N, m)) / math.sqrt(m), dn.normal(rng, (N, d))


def statistics(phi, y):
    return dn.Statistics(phi.mT @ phi / len(phi), y.mT @ phi / len(phi), y.square().sum() / len(phi))


@pytest.mark.parametrize(("N", "m"), [(7, 3), (5, 5), (4, 9)])
def test_at_the_end_it_is_the_pseudo_inverse(N, m):
    """Narrow, square and wide.  Which bug this catches: the dual solution not in the span of the rows, a transpose, a factor N."""
    phi, y = rows(N, m)
    torch.testing.assert_close(dn.least_squares_flow(phi, y), (torch.linalg.pinv(phi) @ y).mT, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("N", "m"), [(7, 3), (4, 9)])
def test_on_the_way_it_is_the_flow_and_both_forms_agree(N, m):
    """Many small steps, and columns of zeros, which switch from the primal to the dual.  Which bug this catches: a factor 2 in tau."""
    phi, y = rows(N, m)
    tau = torch.tensor([[0.0, 0.3], [2.0, 40.0]], dtype=F64)
    theta = dn.least_squares_flow(phi, y, tau)
    torch.testing.assert_close(theta, dn.GradientFlow(statistics(phi, y)).theta(tau), rtol=1e-8, atol=1e-10)
    stepped = dn.gradient_descent(statistics(phi, y), torch.zeros(2, m, dtype=F64), 1e-4, 3000)
    torch.testing.assert_close(theta[0, 1], stepped, rtol=2e-3, atol=1e-4)
    padded = dn.least_squares_flow(torch.cat([phi, torch.zeros(N, 10, dtype=F64)], 1), y, tau)
    torch.testing.assert_close(padded[..., :m], theta, rtol=1e-8, atol=1e-10)
    assert not padded[..., m:].any()


def test_a_direction_without_data_is_never_learned():
    """Two equal rows with two targets: their mean is fitted.  Which bug this catches: division by an eigenvalue of rounding size."""
    phi, y = torch.tensor([[1.0, 2.0, 0.0]], dtype=F64).repeat(2, 1), torch.tensor([[1.0], [3.0]], dtype=F64)
    torch.testing.assert_close(dn.least_squares_flow(phi, y), torch.tensor([[0.4, 0.8, 0.0]], dtype=F64))


@pytest.mark.parametrize("N", [3, 4])
@pytest.mark.parametrize("largest", [100.0, 0.01])
def test_which_directions_count_as_data_is_relative_to_the_largest_eigenvalue(N, largest):
    """Of 1, 1e-11 and 1e-13 of it the last one is never learned, in either form (N rows in R^3, or R^4)."""
    size = (largest * N * torch.tensor([1e-13, 1e-11, 1.0], dtype=F64)).sqrt()
    phi, y = torch.zeros(N, 3, dtype=F64), torch.ones(N, 1, dtype=F64)
    phi[[0, 1, 2], [0, 1, 2]] = size
    for rows in (phi, torch.cat([phi, torch.zeros(N, 2, dtype=F64)], 1)):
        found = dn.least_squares_flow(rows, y)[0]
        torch.testing.assert_close(found[:3] * size, torch.tensor([0.0, 1.0, 1.0], dtype=F64), rtol=1e-3, atol=1e-12)
        assert found[0] == 0


def test_a_direction_at_the_limit_is_not_learned():
    """In float32 the limit is the rounding, 2^-23: B = diag(2^-23, 1)/3, without any rounding of its own."""
    phi = torch.tensor([[2.0**-12, 0.0], [2.0**-12, 0.0], [0.0, 1.0]])
    assert dn.least_squares_flow(phi, torch.ones(3, 1)).tolist() == [[0.0, 1.0]]
    assert dn.least_squares_flow(phi * torch.tensor([2.0, 1.0]), torch.ones(3, 1)).tolist() == [[2.0**11, 1.0]]


@pytest.mark.parametrize(("N", "m"), [(7, 3), (3, 7)])
def test_only_the_smaller_side_is_decomposed(N, m, monkeypatch):
    """Which bug this catches: the other form, which has the same values and takes a thousand times longer for wide networks."""
    seen, eigh = [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrix: seen.append(matrix.shape) or eigh(matrix))
    dn.least_squares_flow(*rows(N, m))
    assert seen == [(3, 3)]


def test_negative_times_are_refused():
    with pytest.raises(ValueError, match=r"^tau: got"):
        dn.least_squares_flow(*rows(3, 2), -1.0)
