"""The kernel against an average over features and against quadrature, the norm needed against a walk along the flow, tangent features against autograd."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn

F64 = torch.float64
SDE = dn.OU(T=5.0)


def test_the_arc_cosine_kernel_in_the_plane_is_its_integral_over_the_angle():
    """v = rho (cos, sin) with E rho^2 = 2.  Which bug this catches: a factor of two or pi, the angle's complement."""
    y, z = dn.normal(np.random.default_rng(0), (3, 2)), dn.normal(np.random.default_rng(1), (4, 2))
    angle = (torch.arange(200_000, dtype=F64) + 0.5) * (2 * math.pi / 200_000)
    v = torch.stack([angle.cos(), angle.sin()])
    exact = 2 * (y @ v).relu() @ (z @ v).relu().mT / 200_000
    torch.testing.assert_close(dn.arc_cosine_kernel(y, z), exact, rtol=1e-8, atol=1e-8)


def test_the_kernel_of_a_point_with_itself_with_its_mirror_image_and_with_zero():
    y = dn.normal(np.random.default_rng(2), (1, 5))
    zero = torch.zeros_like(y)
    torch.testing.assert_close(dn.arc_cosine_kernel(y, torch.cat([y, -y, zero])), torch.tensor([[y.square().sum() / 2, 0, 0]], dtype=F64))


def test_gaussian_features_approach_the_kernel():
    rows = dn.normal(np.random.default_rng(3), (100_000, 4))
    phi = dn.gaussian_features(100_000, 1, SDE.T, np.random.default_rng(3))
    assert torch.equal(phi.W, rows[:, :1]) and torch.equal(phi.U, rows[:, 1:])
    x, t = torch.tensor([[-2.0], [0.0], [3.0]], dtype=F64), torch.full((3,), 0.3, dtype=F64)
    y = torch.cat([x, dn.cosine_embedding(t, SDE.T, 3)], 1)
    exact = dn.arc_cosine_kernel(y, y)
    assert (phi(x, t) @ phi(x, t).mT - exact).norm() < 0.02 * exact.norm()


def test_the_dual_kernel_is_the_plain_average_over_the_plane():
    """In the plane of x and z, by a double quadrature.  Which bug this catches: He_k without its root of k!, |x| for the angle."""
    x, z = dn.normal(np.random.default_rng(4), (3, 2)), dn.normal(np.random.default_rng(5), (4, 2))
    u = torch.linspace(-9, 9, 721, dtype=F64)
    v = torch.cartesian_prod(u, u)
    weight = torch.exp(-v.square().sum(1) / 2) / (2 * math.pi) * (u[1] - u[0]) ** 2
    for activation in (torch.tanh, lambda s: torch.tanh(s) + s.cos()):
        exact = (activation(x @ v.mT) * weight) @ activation(z @ v.mT).mT
        torch.testing.assert_close(dn.dual_kernel(activation, x, z, terms=120, nodes=200), exact, rtol=1e-5, atol=1e-6)


def test_the_dual_kernel_of_a_line_and_of_the_error_function_is_the_known_one():
    """E (v . x)(v . z) = x . z; for erf the arcsine of Williams (1997), with a point and itself among the pairs."""
    x = dn.normal(np.random.default_rng(6), (4, 5)) / 5**0.5
    torch.testing.assert_close(dn.dual_kernel(lambda s: s, x, x, terms=3), x @ x.mT, rtol=1e-10, atol=1e-12)
    size = 1 + 2 * x.square().sum(1)
    arcsine = 2 / math.pi * torch.asin(2 * x @ x.mT / (size[:, None] * size).sqrt())
    torch.testing.assert_close(dn.dual_kernel(torch.erf, x, x, terms=60), arcsine, rtol=1e-6, atol=1e-7)
    with pytest.raises(ValueError, match=r"^z: got"):
        dn.dual_kernel(torch.tanh, x, 0 * x)


def test_many_terms_and_nodes_leave_numbers_in_single_precision_too():
    """Which bug this catches: Hermite polynomials beyond float32, whose product with a weight of zero is NaN."""
    x = dn.normal(np.random.default_rng(6), (4, 5)) / 5**0.5
    exact = dn.dual_kernel(torch.erf, x, x, terms=300, nodes=370)
    assert exact.isfinite().all()
    found = dn.dual_kernel(torch.erf, x.float(), x.float(), terms=100)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"^nodes: got 371; allowed: at most 370"):
        dn.dual_kernel(torch.erf, x, x, nodes=371)
    with pytest.raises(ValueError, match=r"^terms: got 1; allowed: an integer of at least 2"):
        dn.dual_kernel(torch.erf, x, x, terms=1)


def one_mode(b=0.1, c=0.2, S=1.0):
    return dn.GradientFlow(dn.Statistics(torch.tensor([[b]], dtype=F64), torch.tensor([[c]], dtype=F64), torch.tensor(S, dtype=F64)))


def test_the_norm_needed_is_that_of_the_first_time_on_its_grid():
    """One mode: L = S - c^2/b (1 - e^{-4 b tau}), norm (c/b)(1 - e^{-2 b tau}); the least loss is 0.6 S."""
    flow = one_mode()
    shares = torch.tensor([[0.9, 0.7], [0.61, 0.5]], dtype=F64)
    needed = dn.norm_needed(flow, shares)
    assert needed.shape == (2, 2) and needed[1, 1].isinf() and dn.norm_needed(flow, 0.7) == needed[0, 1]
    for share, norm in zip(shares.flatten()[:3].tolist(), needed.flatten()[:3].tolist(), strict=True):
        exact = -math.log(1 - (1 - share) / 0.4) / 0.4  # tau at which the loss is share * S
        tau = 10 ** (math.ceil(40 * math.log10(max(exact, 1.0))) / 40)
        assert math.isclose(norm, 2 * -math.expm1(-0.2 * tau), rel_tol=1e-9)


def test_the_norm_needed_is_at_most_that_of_a_known_solution():
    """-x on the line costs sqrt(40) in infinite width, and gradient flow never spends more; at m = 1024 it is about so."""
    p = dn.GaussianMixture.normal(1.0).diffused(SDE)
    nodes = dn.line_grid(p, SDE.std, 0.01, n_t=24, n_x=48).weighted(p)
    flow = dn.GradientFlow(dn.statistics(dn.RandomFeatures.draw(1024, 1, SDE.T, np.random.default_rng(1)), nodes))
    assert 4 < dn.norm_needed(flow, 0.01) < 40**0.5


def test_tangent_features_are_the_gradient_of_the_network():
    phi = dn.TangentFeatures.draw(4, SDE.T, np.random.default_rng(0), embedding=2)
    x, t = torch.tensor([[-1.0], [0.3], [2.0]], dtype=F64), torch.tensor([0.1, 1.0, 4.0], dtype=F64)
    assert (phi.width, phi.d, phi.v.shape) == (16, 1, (4, 3)) and (phi.c.abs() == 1).all()

    def network(c, v, y):
        return (c * torch.relu(v @ y)).sum() / 2

    y = torch.cat([x, dn.cosine_embedding(t, SDE.T, 2)], 1)
    for k in range(3):
        in_c, in_v = torch.func.grad(network, argnums=(0, 1))(phi.c, phi.v, y[k])
        torch.testing.assert_close(phi(x, t)[k], torch.cat([in_c, in_v.flatten()]))
    torch.testing.assert_close(phi(x, 1.0)[1], phi(x, t)[1])


def test_tangent_features_can_be_trained():
    problem = dn.Problem(dn.GaussianMixture.two_modes(2.0), n_t=12, n_x=32)
    flow = dn.GradientFlow(dn.statistics(dn.TangentFeatures.draw(32, SDE.T, np.random.default_rng(0)), problem.population))
    assert flow.loss(1e6) < 0.01 * flow.statistics.S


def test_the_kernel_of_mirror_images_is_a_number():
    """Which bug this catches: a cosine that rounding has put beyond -1 or 1, whose angle is NaN."""
    y = dn.normal(np.random.default_rng(0), (50, 3))
    assert dn.arc_cosine_kernel(y, -y).diag().abs().max() < 1e-12
    torch.testing.assert_close(dn.arc_cosine_kernel(y, y).diag(), y.square().sum(1) / 2)


def test_the_norm_needed_is_reached_where_the_loss_is_the_share_exactly():
    """With S = 2 and a least loss of 1.6.  Which bug this catches: the next time of the grid, a share of 1 instead of S."""
    flow, tau = one_mode(S=2.0), torch.logspace(0, 10, 401, dtype=F64)[[7, 30]]
    assert torch.equal(dn.norm_needed(flow, flow.loss(tau) / 2), flow.norm(tau))
    assert dn.norm_needed(flow, 1.0) == flow.norm(1.0) and dn.norm_needed(flow, 0.001).isinf()
    for share in (0.0, -0.5, 1.5):
        with pytest.raises(ValueError, match=rf"^share: got {share:g}; allowed: shares in \(0, 1\]"):
            dn.norm_needed(flow, share)


def test_tangent_features_at_weights_by_hand():
    """Which bug this catches: division by c, which random signs hide; a slope where the inner product is zero."""
    phi = dn.TangentFeatures([[1.0, 0.0], [2.0, 1.0]], [3.0, 4.0], 0.5)
    assert phi(torch.tensor([[0.0], [1.0]], dtype=F64), 0.2).mul(2**0.5).round(decimals=12).tolist() == [[0, 1, 0, 0, 0, 4], [1, 3, 3, 3, 4, 4]]
    assert dn.TangentFeatures([[1.0, 0.0]], [1.0], 0.5).width == 3
    assert dn.TangentFeatures.draw(5, 1.0, np.random.default_rng(0)).v.shape == (5, 4)
    assert dn.TangentFeatures.draw(5, 1.0, np.random.default_rng(0), device="meta").v.device.type == "meta"


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda: dn.TangentFeatures([[1.0], [2.0]], [1.0, 1.0], 0.5), r"v: got shape \(2, 1\); allowed: a column for x, and at"),
    (lambda: dn.TangentFeatures([[1.0, 0.0]], [1.0], 0.0), r"T: got 0.0; allowed: a finite number in \(0, inf\]"),
    (lambda: dn.TangentFeatures([[1.0, 0.0]], [1.0], -0.5), r"T: got -0.5; allowed: a finite number in \(0, inf\]"),
    (lambda: dn.TangentFeatures([[1.0, 0.0]], [1.0], 0.5)([[1.0]], -2), r"t: got -2; allowed: SDE times in \[0, 0.5\]")])
def test_errors_say_what_is_allowed(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        wrong()
