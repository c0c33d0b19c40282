"""Swish networks: gradients, the authors' network layer by layer, and scores at common and own points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from swish_nets import F64, SDE, generators, nets

import diffnotes as dn


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 7), st.integers(1, 3), st.floats(0.5, 40))
def test_gradient_is_that_of_automatic_differentiation(replicas, width, n, frequencies, output_scale):
    net = nets(range(replicas), width, frequencies=frequencies, output_scale=output_scale)
    rng = np.random.default_rng(3)
    x, z = 3 * dn.normal(rng, (replicas, n)), dn.normal(rng, (replicas, n))
    theta = net.theta.clone().requires_grad_(True)
    again = net.with_theta(theta)
    inputs = net.inputs(x, dn.uniform(rng, (replicas, n)))
    expected = ((again.output(inputs) / output_scale + z) ** 2).mean(1)
    expected.sum().backward()
    loss, gradient = net.gradient(inputs, z)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradient, theta.grad)


def test_score_is_the_authors_network_layer_by_layer():
    torch.manual_seed(0)
    of_x, of_time, outer = torch.nn.Linear(1, 7), torch.nn.Linear(4, 7), torch.nn.Linear(7, 1)
    omega, x, t = torch.randn(2) * 30, torch.randn(11, 1) * 4, 0.3
    angle = 2 * torch.pi * t * omega
    hidden = of_x(x) + of_time(torch.cat([angle.sin(), angle.cos()]))
    expected = outer(hidden * torch.sigmoid(hidden)) / 16 / SDE.std(torch.tensor(t))
    inner = torch.cat([of_x.weight, of_time.weight, of_x.bias[:, None], of_time.bias[:, None]], 1).mT
    net = dn.SwishNet(torch.cat([inner.flatten(), outer.weight[0], outer.bias])[None].detach(), omega[None], SDE)
    torch.testing.assert_close(net.score(x, t), expected.detach(), rtol=1e-4, atol=1e-5)


def test_initial_parameters_have_the_range_of_linear_layers():
    net = nets(range(400), 9)
    blocks = torch.split(net.theta, [9, 36, 9, 9, 9, 1], dim=1)  # x, time, bias of x, bias of time, outer, constant
    for block, bound in zip(blocks, [1, 0.5, 1, 0.5, 1 / 3, 1 / 3], strict=True):
        assert 0.97 * bound < block.abs().max() <= bound and block.mean().abs() < 0.05 * bound
    assert 27 < net.omega.std() < 33 and net.width == 9 and net.replicas == 400


def test_score_takes_common_and_own_points_and_times():
    net, x = nets(range(3)), torch.linspace(-3, 3, 4, dtype=F64)[:, None]
    common = net.score(x, 0.5)
    assert common.shape == (3, 4, 1)
    torch.testing.assert_close(net.score(x.expand(3, 4, 1), torch.full((3, 4), 0.5, dtype=F64)), common)
    torch.testing.assert_close(net.score(x, torch.full((4,), 0.5, dtype=F64)), common)
    torch.testing.assert_close(net[1:].score(x, 0.5), common[1:])
    torch.testing.assert_close(net.to(torch.float32).score(x.float(), 0.5).double(), common, rtol=1e-4, atol=1e-4)


def test_the_score_of_one_replica_has_the_shape_of_x_and_goes_into_every_sampler():
    net, up = nets([4]), torch.linspace(0.1, 1, 6, dtype=F64)
    x = net.sde.std(1.0) * dn.normal(np.random.default_rng(0), (7, 1))
    assert net.score(x, 0.5).shape == (7, 1) and torch.equal(net.score(x[None], 0.5), net.score(x, 0.5)[None])
    assert nets(range(3)).score(x, 0.5).shape == (3, 7, 1)
    log_prob = dn.GaussianMixture.normal(SDE.std(1.0)).log_prob
    for sampled in (lambda x: dn.reverse_sde(net.score, SDE, x, up.flip(0), np.random.default_rng(1)),
                    lambda x: dn.probability_flow(net.score, SDE, x, up.flip(0)), lambda x: dn.denoise(net.score, SDE, x, 0.5),
                    lambda x: dn.probability_flow_log_prob(net.score, SDE, x, up, log_prob)):
        assert torch.equal(sampled(x), sampled(x[None])[0])


def test_an_output_scale_for_each_replica():
    scales, x, z = torch.tensor([16.0, 4.0], dtype=F64), torch.ones(3, 1, dtype=F64), torch.ones(2, 3, dtype=F64)
    both = nets(range(2), output_scale=scales)
    inputs = both.inputs(x.mT.expand(2, 3), torch.full((2, 3), 0.5, dtype=F64))
    loss, gradient = both.gradient(inputs, z)
    for k in (0, 1):
        alone = nets([k], output_scale=scales[k].item())
        own = alone.gradient(inputs[k:k + 1], z[k:k + 1])
        torch.testing.assert_close((loss[k:k + 1], gradient[k:k + 1]), own)
        torch.testing.assert_close(both.score(x, 0.5)[k], alone.score(x, 0.5))
        torch.testing.assert_close(both[k:k + 1].score(x, 0.5), alone.score(x, 0.5))


def test_the_outputs_derivative_is_not_kept():
    """Which bug this catches: a training whose memory grows with every step, for parameters that require a gradient."""
    net = nets([0])
    net = net.with_theta(net.theta.clone().requires_grad_())
    loss, gradient = net.gradient(net.inputs(torch.ones(1, 4, dtype=F64), torch.full((1, 4), 0.5, dtype=F64)), torch.ones(1, 4, dtype=F64))
    assert not loss.requires_grad and not gradient.requires_grad


def test_what_is_not_given_is_the_authors():
    """Two frequencies, of standard deviation 30, and an output scale of 16, in float32."""
    got, said = dn.SwishNet.draw(4, SDE, generators([3], 1)), nets([3], 4, frequencies=2, frequency_std=30.0, output_scale=16.0, dtype=torch.float32)
    assert torch.equal(got.theta, said.theta) and torch.equal(got.omega, said.omega) and torch.equal(got.output_scale, said.output_scale)
    assert torch.equal(dn.SwishNet(got.theta, got.omega, SDE).output_scale, got.output_scale) and got.theta.dtype == torch.float32


def test_a_network_of_the_smallest_kind():
    """One neuron, one frequency, one replica, one point: (a swish(w x + u cos) + a_0) / (c std) by hand; limits that are allowed."""
    theta = torch.tensor([[2.0, 0.0, 3.0, 0.5, 0.25, -1.5, 0.75]], dtype=F64)  # w, of the sine, of the cosine, b, b', a, a_0
    net = dn.SwishNet(theta, torch.zeros(1, 1, dtype=F64), SDE, 2.0)
    inner = 2.0 * 0.4 + 3.0 + 0.75
    expected = (-1.5 * inner / (1 + np.exp(-inner)) + 0.75) / (2.0 * SDE.std(1.0).item())
    assert net.score(torch.full((1, 1), 0.4, dtype=F64), SDE.T).item() == pytest.approx(expected)
    assert (net.width, net.replicas, net.event) == (1, 1, ())
    assert nets([0], 1, frequencies=1, frequency_std=0.0).omega.tolist() == [[0.0]] and nets([0], frequency_std=1e6).finite().all()


def test_replicas_that_have_diverged_are_told_and_left_out():
    net = nets(range(3))
    theta = net.theta.clone()
    theta[0, 3], theta[2, -1] = torch.inf, torch.nan
    spoilt = net.with_theta(theta)
    assert spoilt.theta is theta and spoilt.finite().tolist() == [False, True, False]
    x = torch.zeros(4, 1, dtype=F64)
    torch.testing.assert_close(spoilt[spoilt.finite()].score(x, 0.5), net[1:2].score(x, 0.5))


BAD = {
    "generators": lambda: dn.SwishNet.draw(3, SDE, [np.random.default_rng(0)] * 2),
    "width": lambda: nets([0], width=0),
    "frequencies": lambda: nets([0], frequencies=0),
    "frequency_std": lambda: nets([0], frequency_std=-1e-9),
    "frequency_std above": lambda: nets([0], frequency_std=1.001e6),
    "output_scale": lambda: nets([0], output_scale=0.0),
    "output_scale of two": lambda: nets([0], output_scale=torch.ones(2, dtype=F64)),
    "output_scale of one": lambda: nets(range(2), output_scale=torch.ones(1, dtype=F64)),
    "output_scale of pairs": lambda: nets(range(2), output_scale=torch.ones(2, 2, dtype=F64)),
    "theta": lambda: dn.SwishNet(torch.zeros(1, 12), torch.zeros(1, 2), SDE),
    "theta without neurons": lambda: dn.SwishNet(torch.zeros(1, 1), torch.zeros(1, 2), SDE),
    "theta of other replicas": lambda: dn.SwishNet(torch.zeros(2, 9), torch.zeros(1, 2), SDE),
    "omega": lambda: dn.SwishNet(torch.zeros(1, 9), torch.zeros(2), SDE),
    "sde": lambda: dn.SwishNet(torch.zeros(1, 9), torch.zeros(1, 2), 25.0),
    "dtype": lambda: nets([0]).to(torch.float16),
    "x": lambda: nets(range(2)).score(torch.zeros(3, 4, 1, dtype=F64), 0.5),
    "x of numbers": lambda: nets(range(2)).score(torch.zeros(4, dtype=F64), 0.5),
    "x of pairs": lambda: nets(range(2)).score(torch.zeros(4, 2, dtype=F64), 0.5),
    "x of boxes": lambda: nets(range(2)).score(torch.zeros(2, 2, 4, 1, dtype=F64), 0.5),
    "x without points": lambda: nets(range(2)).score(torch.zeros(0, 1, dtype=F64), 0.5),
    "x of another dtype": lambda: nets(range(2)).score(torch.zeros(4, 1), 0.5),
    "t": lambda: nets(range(2)).score(torch.zeros(4, 1, dtype=F64), 0.0),
    "t below": lambda: nets(range(2)).score(torch.zeros(4, 1, dtype=F64), -0.5),
    "t above": lambda: nets(range(2)).score(torch.zeros(4, 1, dtype=F64), 1.01),
    "t of three": lambda: nets(range(2)).score(torch.zeros(4, 1, dtype=F64), torch.ones(3, dtype=F64)),
    "t of replicas": lambda: nets(range(2)).score(torch.zeros(4, 1, dtype=F64), torch.ones(2, dtype=F64)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_the_argument(case):
    with pytest.raises(ValueError, match=rf"^{case.split()[0]}: got .*; allowed: ") as raised:
        BAD[case]()
    assert "image" not in str(raised.value)


def test_sharpness_is_the_largest_eigenvalue_of_the_gauss_newton_matrix():
    """Against automatic differentiation of the outputs."""
    net, rng = nets(range(2), output_scale=3.0), np.random.default_rng(0)
    inputs = net.inputs(3 * dn.normal(rng, (2, 11)), dn.uniform(rng, (2, 11)))
    J = torch.autograd.functional.jacobian(lambda theta: net.with_theta(theta).output(inputs) / 3, net.theta.clone())
    for r, found in enumerate(net.sharpness(inputs)):
        expected = torch.linalg.eigvalsh(2 / 11 * J[r, :, r].mT @ J[r, :, r])[-1]
        torch.testing.assert_close(found, expected)


def test_sharpness_refuses_inputs_of_other_networks():
    with pytest.raises(ValueError, match=r"^inputs: got shape"):
        nets(range(2)).sharpness(torch.zeros(3, 7, 4, dtype=F64))
