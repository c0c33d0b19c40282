"""Swish networks and their training: gradients, the authors' network layer by layer, optimisers, and replicas that do not meet."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffnotes as dn

SDE = dn.VE()
F64 = torch.float64


def generators(seeds, stream):
    return [np.random.default_rng([seed, stream]) for seed in seeds]


def nets(seeds, width=5, **kwargs):
    return dn.SwishNet.draw(width, SDE, generators(seeds, 1), **{"dtype": F64, **kwargs})


def samples(seeds, n=50, mu=2.0):
    return torch.stack([dn.GaussianMixture.two_modes(mu).sample(n, g)[:, 0] for g in generators(seeds, 0)])


def last(seeds, optimiser, data=None, epochs=3, net=None, **kwargs):
    net = nets(seeds) if net is None else net
    return list(dn.train(net, samples(seeds) if data is None else data, generators(seeds, 2), optimiser, epochs=epochs, **kwargs))[-1]


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
    for sampled in (lambda x: dn.reverse_sde(net.score, SDE, x, up.flip(0), np.random.default_rng(1), corrector=1),
                    lambda x: dn.probability_flow(net.score, SDE, x, up.flip(0)), lambda x: dn.denoise(net.score, SDE, x, 0.5),
                    lambda x: dn.probability_flow_log_prob(net.score, SDE, x, up, log_prob)):
        assert torch.equal(sampled(x), sampled(x[None])[0])


class Linear:
    """A user's own networks: s(x, t) = -theta x / std(t) for vectors, the gradient by automatic differentiation."""

    def __init__(self, theta):
        self.theta, self.sde, self.replicas, self.event = theta, SDE, len(theta), (2,)

    def inputs(self, x, t):
        return x

    def gradient(self, inputs, noise):
        theta = self.theta.detach().requires_grad_()
        loss = (noise - theta[:, :1, None] * inputs).square().sum(1).mean(1)
        return loss.detach(), torch.autograd.grad(loss.sum(), theta)[0]

    def with_theta(self, theta):
        return Linear(theta)


def test_a_network_of_ones_own_trains_to_its_closed_form():
    """The loss is E|z - theta (x + std z)|^2, so the best theta is E std / E(x^2 + std^2), t uniform."""
    std = SDE.std(torch.linspace(1e-5, 1, 20001, dtype=F64))
    for scale in (0.0, 3.0):
        best = std.mean() / (scale**2 + std**2).mean()
        data = scale * torch.stack([dn.normal(g, (4000, 2)) for g in generators(range(2), 0)])
        *_, end = dn.train(Linear(torch.zeros(2, 1, dtype=F64)), data, generators(range(2), 2), dn.SGD(lambda epoch: 0.01 / epoch),
                           epochs=12, batch=50, decay=0.99, progress=False)
        assert isinstance(end.net, Linear) and (end.average.theta / best - 1).abs().max() < 0.03, (end.average.theta, best)


def test_a_network_of_ones_own_is_held_to_what_train_needs():
    for name in ("theta", "sde", "replicas", "event"):
        net = Linear(torch.zeros(1, 1, dtype=F64))
        delattr(net, name)
        with pytest.raises(ValueError, match=f"^net: got Linear without {name}; allowed: a SwishNet, a UNet, or"):
            last([0], dn.SGD(0.1), net=net)
    with pytest.raises(ValueError, match=r"^net: got str without theta, sde, replicas, event, inputs, gradient, with_theta; allowed: "):
        last([0], dn.SGD(0.1), net="x")


@pytest.mark.parametrize("faulty, message", [
    (dict(with_theta=lambda self, theta: type(self)(theta.clone())), "net: got with_theta that copies; allowed: "),
    (dict(gradient=lambda self, inputs, noise: (self.theta[:, 0], self.theta[0])),
     "net: got gradient of shapes (2,) and (1,); allowed: shapes (2,) and (2, 1)")])
def test_mistakes_in_a_network_of_ones_own_are_found(faulty, message):
    net = type("Faulty", (Linear,), {"with_theta": lambda self, theta: type(self)(theta), **faulty})(torch.zeros(2, 1, dtype=F64))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        last(range(2), dn.SGD(0.1), net=net, data=torch.zeros(2, 5, 2, dtype=F64))


@pytest.mark.parametrize("optimiser, oracle", [
    (lambda: dn.SGD(0.3), lambda p: torch.optim.SGD(p, lr=0.3)),
    (lambda: dn.Adam(0.02), lambda p: torch.optim.Adam(p, lr=0.02)),
    (lambda: dn.Adam(0.1, betas=(0.5, 0.9), epsilon=1e-3), lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.5, 0.9), eps=1e-3))])
def test_optimisers_are_those_of_torch(optimiser, oracle):
    ours, theirs = torch.ones(2, 3, dtype=F64), torch.ones(2, 3, dtype=F64, requires_grad=True)
    mine, reference, rng = optimiser(), oracle([theirs]), np.random.default_rng(0)
    for step in range(20):
        gradient = dn.normal(rng, (2, 3)) * (step + 1)
        mine.step(ours, gradient, 1)
        theirs.grad = gradient.clone()
        reference.step()
        torch.testing.assert_close(ours, theirs.detach())


@pytest.mark.parametrize("optimiser", [lambda: dn.SGD(0.2), lambda: dn.Adam(0.01)])
def test_a_replica_is_the_same_alone_and_in_a_batch(optimiser):
    together = last(range(6), optimiser())
    for seed in (0, 4):
        alone = last([seed], optimiser())
        for name in ("net", "average"):
            torch.testing.assert_close(getattr(together, name).theta[seed:seed + 1], getattr(alone, name).theta, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(together.loss[seed:seed + 1], alone.loss)


def test_one_epoch_is_the_loop_written_out():
    """Order, times, noise, batches with a smaller last one, moving average and mean loss."""
    start, x = nets([5]), samples([5], n=10)
    got = last([5], dn.SGD(0.2), data=x, epochs=1, net=start, batch=4, decay=0.9, t_min=0.01)
    g, theta = generators([5], 2)[0], start.theta.clone()
    order, u, z = g.permutation(10), torch.tensor(g.random(10)), torch.tensor(g.standard_normal(10))
    t, average, losses = 0.01 + 0.99 * u, theta.clone(), []
    for some in (slice(0, 4), slice(4, 8), slice(8, 10)):
        net = start.with_theta(theta.clone().requires_grad_(True))
        noisy = x[0, order][some] + SDE.std(t[some]) * z[some]
        residual = net.score(noisy[None, :, None], t[some])[0, :, 0] * SDE.std(t[some]) + z[some]
        (residual**2).mean().backward()
        losses.append((residual**2).mean().item() * len(residual))
        theta = theta - 0.2 * net.theta.grad
        average = 0.9 * average + 0.1 * theta
    torch.testing.assert_close(got.net.theta, theta)
    torch.testing.assert_close(got.average.theta, average)
    assert got.loss.item() == pytest.approx(sum(losses) / 10)


def test_an_output_scale_for_each_replica():
    scales = torch.tensor([16.0, 4.0], dtype=F64)
    got = last(range(2), dn.SGD(0.2), net=nets(range(2), output_scale=scales))
    for k in (0, 1):
        alone = last([k], dn.SGD(0.2), net=nets([k], output_scale=scales[k].item()))
        torch.testing.assert_close(got.net.theta[k:k + 1], alone.net.theta)
        x = torch.ones(3, 1, dtype=F64)
        torch.testing.assert_close(got.net.score(x, 0.5)[k], alone.net.score(x, 0.5))
        torch.testing.assert_close(got.net[k:k + 1].score(x, 0.5), alone.net.score(x, 0.5))


def test_checkpoints_are_snapshots_and_the_start_is_left_alone():
    start = nets(range(2))
    before = start.theta.clone()
    first, second = dn.train(start, samples(range(2)), generators(range(2), 2), dn.SGD(0.2), epochs=2)
    assert torch.equal(start.theta, before) and not torch.equal(first.net.theta, second.net.theta)
    assert torch.equal(first.net.theta, last(range(2), dn.SGD(0.2), epochs=1).net.theta) and (first.epoch, second.epoch) == (1, 2)


def test_a_rate_may_depend_on_the_epoch():
    got = last(range(2), dn.SGD(lambda epoch: 0.2 if epoch < 3 else 0.0), epochs=3)
    assert torch.equal(got.net.theta, last(range(2), dn.SGD(0.2), epochs=2).net.theta)


def test_groups_with_their_own_optimisers_do_not_meet():
    got = last(range(3), dn.Grouped([2, 1], [dn.SGD(0.2), dn.Adam(0.01)]))
    torch.testing.assert_close(got.net.theta[:2], last(range(2), dn.SGD(0.2)).net.theta)
    torch.testing.assert_close(got.net.theta[2:], last([2], dn.Adam(0.01)).net.theta)


def test_data_may_be_a_function_of_the_epoch():
    seen = []
    last(range(2), dn.SGD(0.2), data=lambda epoch: seen.append(epoch) or samples(range(2)), epochs=3)
    assert seen == [1, 2, 3]


def test_a_diverging_replica_does_not_touch_the_others():
    got = last(range(2), dn.Grouped([1, 1], [dn.SGD(0.2), dn.SGD(1e12)]), epochs=8)
    assert got.net.finite().tolist() == [True, False]
    torch.testing.assert_close(got.net.theta[:1], last([0], dn.SGD(0.2), epochs=8).net.theta)


def test_training_approaches_the_best_loss_of_a_gaussian():
    """For N(0, 1) data the best residual at std s has mean square 1 / (1 + s^2); the average over t is a floor of the loss."""
    x = torch.stack([dn.normal(g, (256,)) for g in generators(range(8), 0)])
    final = last(range(8), dn.Adam(0.01), data=x, epochs=150, net=nets(range(8), 16))
    s = SDE.std(torch.linspace(1e-5, 1, 10001, dtype=F64))
    floor = (1 / (1 + s**2)).mean()
    assert floor - 0.03 < final.loss.mean() < floor + 0.1


def test_float32_follows_float64():
    single = last(range(3), dn.SGD(0.2), net=nets(range(3), dtype=torch.float32))
    double = last(range(3), dn.SGD(0.2))
    assert single.net.theta.dtype == torch.float32
    torch.testing.assert_close(single.net.theta.double(), double.net.theta, rtol=1e-4, atol=1e-5)


BAD = {
    "generators": lambda: last(range(2), dn.SGD(0.2), net=nets(range(3))),
    "generators ": lambda: dn.SwishNet.draw(3, SDE, [np.random.default_rng(0)] * 2),
    "width": lambda: nets([0], width=0),
    "frequencies": lambda: nets([0], frequencies=0),
    "output_scale": lambda: nets([0], output_scale=0.0),
    "output_scale ": lambda: nets([0], output_scale=torch.ones(2, dtype=F64)),
    "theta": lambda: dn.SwishNet(torch.zeros(1, 12), torch.zeros(1, 2), SDE),
    "sde": lambda: dn.SwishNet(torch.zeros(1, 9), torch.zeros(1, 2), 25.0),
    "data": lambda: last(range(2), dn.SGD(0.2), data=torch.zeros(3, 4, dtype=F64)),
    "epochs": lambda: last(range(2), dn.SGD(0.2), epochs=0),
    "batch": lambda: last(range(2), dn.SGD(0.2), batch=0),
    "t_min": lambda: last(range(2), dn.SGD(0.2), t_min=0.0),
    "decay": lambda: last(range(2), dn.SGD(0.2), decay=1.0),
    "rate": lambda: dn.SGD(-0.1),
    "sizes": lambda: last(range(2), dn.Grouped([1], [dn.SGD(0.2)])),
    "optimisers": lambda: dn.Grouped([1, 1], [dn.SGD(0.2)] * 2),
    "optimisers ": lambda: dn.Grouped([2], [dn.SGD(0.2), dn.Adam(0.1)]),
    "betas": lambda: dn.Adam(0.1, betas=(1.0, 0.9)),
    "x": lambda: nets(range(2)).score(torch.zeros(3, 4, 1, dtype=F64), 0.5),
    "t": lambda: nets(range(2)).score(torch.zeros(4, 1, dtype=F64), 0.0),
    "t ": lambda: nets(range(2)).score(torch.zeros(4, 1, dtype=F64), torch.ones(3, dtype=F64)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_the_argument(name):
    with pytest.raises(ValueError, match=rf"^{name.strip()}: got .*; allowed: "):
        BAD[name]()
