"""Outer weights of functions on the sphere, against closed forms and against the integral that defines a network."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn


def legendre(degree, s):
    return torch.special.legendre_polynomial_p(s, degree)


@pytest.mark.parametrize("degree", [0, 1, 2, 4, 6, 8, 10, 12])
def test_one_degree_is_multiplied_by_the_integral_of_funk_and_hecke(degree):
    y, weight = dn.sphere_points(12)
    direction = torch.tensor([0.48, -0.6, 0.64], dtype=torch.float64)
    nodes, mass = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(12))  # exact up to degree 23
    s = (nodes + 1) / 2
    multiplier = mass / 2 @ (s * legendre(degree, s)) / 2
    shape = legendre(degree, y @ direction)
    torch.testing.assert_close(dn.outer_weights(shape) * multiplier, shape, atol=1e-8, rtol=0)
    assert math.isclose(float((weight * shape**2).sum()), 1 / (2 * degree + 1), rel_tol=1e-12)


def test_the_weights_give_the_network_back():
    """E_v a(v) relu(v . y) by quadrature, slow and independent of harmonics, is the function one began with."""
    y, weight = dn.sphere_points(90)
    g = torch.exp(-3 * (y[..., 0] - 0.2 * y[..., 2]) ** 2) - 0.3 * y[..., 1]  # even, and a linear part
    a = dn.outer_weights(g)
    for row, column in ((0, 0), (20, 55), (45, 10), (70, 130)):
        again = (weight * a * (y @ y[row, column]).relu()).sum()
        assert abs(float(again - g[row, column])) < 2e-3 * float((weight * a**2).sum().sqrt()) / 5


def test_minus_x_costs_the_square_root_of_twelve_on_the_unit_sphere():
    y, weight = dn.sphere_points(5)
    a = dn.outer_weights(-y[..., 0])
    torch.testing.assert_close(a, -6 * y[..., 0], atol=1e-10, rtol=0)
    assert math.isclose(float((weight * a**2).sum()), 12, rel_tol=1e-10)


def test_odd_degrees_that_no_network_has_are_left_out():
    y, _ = dn.sphere_points(8)
    assert dn.outer_weights(legendre(3, y[..., 0])).abs().max() < 1e-9


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_the_points_are_on_the_sphere_and_average_products_exactly(degree):
    """x^a y^b z^c with a + b + c = 2 degree: by the beta function, and zero where an exponent is odd."""
    y, weight = dn.sphere_points(degree)
    assert y.shape == (degree + 1, 2 * degree + 2, 3) and weight.shape == (degree + 1, 1)
    torch.testing.assert_close(y.square().sum(-1), torch.ones_like(y[..., 0]))
    for a in range(2 * degree + 1):
        for b in range(2 * degree + 1 - a):
            powers = (a, b, 2 * degree - a - b)
            found = float((weight * math.prod(y[..., k] ** power for k, power in enumerate(powers))).sum())
            exact = 0.0 if any(power % 2 for power in powers) else math.prod(math.gamma((p + 1) / 2) for p in powers) / (
                2 * math.pi * math.gamma((sum(powers) + 3) / 2))
            assert found == pytest.approx(exact, rel=1e-12, abs=1e-15)


def test_single_precision_is_kept_and_what_is_no_grid_is_refused():
    y, weight = dn.sphere_points(6, dtype=torch.float32)
    a = dn.outer_weights(-y[..., 0])
    assert y.dtype == weight.dtype == a.dtype == torch.float32
    torch.testing.assert_close(a, -6 * y[..., 0], atol=2e-4, rtol=0)
    with pytest.raises(ValueError, match=r"^degree: got 0; allowed: an integer of at least 1"):
        dn.sphere_points(0)
    for shape in ((3, 5), (3, 7)):
        with pytest.raises(ValueError, match=r"^values: got"):
            dn.outer_weights(torch.zeros(shape, dtype=torch.float64))
