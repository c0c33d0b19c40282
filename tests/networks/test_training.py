"""Training: the loop written out, torch's optimisers, replicas that do not meet, networks of one's own, and limits of arguments."""

import re

import numpy as np
import pytest
import torch
from swish_nets import F64, SDE, generators, nets

import diffnotes as dn
from diffnotes.networks import training


def samples(seeds, n=50, mu=2.0):
    return torch.stack([dn.GaussianMixture.two_modes(mu).sample(n, g)[:, 0] for g in generators(seeds, 0)])


def last(seeds, optimiser, data=None, epochs=3, net=None, **kwargs):
    net = nets(seeds) if net is None else net
    return list(dn.train(net, samples(seeds) if data is None else data, generators(seeds, 2), optimiser, epochs=epochs, **kwargs))[-1]


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


@pytest.mark.parametrize("optimiser", [lambda: dn.SGD(0.2), lambda: dn.Adam(0.01)])
def test_a_replica_is_the_same_alone_and_in_a_batch(optimiser):
    together = last(range(6), optimiser())
    for seed in (0, 4):
        alone = last([seed], optimiser())
        for name in ("net", "average"):
            torch.testing.assert_close(getattr(together, name).theta[seed:seed + 1], getattr(alone, name).theta, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(together.loss[seed:seed + 1], alone.loss)


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


def test_float32_follows_float64():
    single = last(range(3), dn.SGD(0.2), net=nets(range(3), dtype=torch.float32))
    double = last(range(3), dn.SGD(0.2))
    assert single.net.theta.dtype == torch.float32
    torch.testing.assert_close(single.net.theta.double(), double.net.theta, rtol=1e-4, atol=1e-5)


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


def test_what_is_not_given_is_what_the_signature_says():
    """Batches of 32, t from 1e-5, an average with 0.999; a mutable or misread default would change published numbers unseen."""
    got, said = (last(range(2), dn.SGD(0.2), data=samples(range(2), 70), **more) for more in ({}, dict(batch=32, t_min=1e-5, decay=0.999)))
    assert torch.equal(got.net.theta, said.net.theta) and torch.equal(got.average.theta, said.average.theta) and torch.equal(got.loss, said.loss)


class Recorder(Linear):
    """Remembers the times and the batches that it saw, and the noisy samples."""

    def __init__(self, theta, seen):
        super().__init__(theta)
        self.seen = seen

    def inputs(self, x, t):
        self.seen.append((x, t))
        return x

    def gradient(self, inputs, noise):
        self.seen.append(noise.shape)
        return super().gradient(inputs, noise)

    def with_theta(self, theta):
        return Recorder(theta, self.seen)


def test_times_fill_the_interval_and_samples_are_perturbed_at_them():
    """Which bug this catches: t on (0, T), (t_min, 1), or over T; vectors that meet another sample's time; batches with a gap."""
    seen, x = [], torch.full((1, 4000, 2), 50.0, dtype=F64)
    *_, end = dn.train(Recorder(torch.zeros(1, 1, dtype=F64), seen), x, generators([1], 2), dn.SGD(1e-9), epochs=1, batch=1500, t_min=0.3, progress=False)
    (noisy, t), *shapes = seen
    assert shapes == [(1, 2, 1500), (1, 2, 1500), (1, 2, 1000)] and isinstance(end.average, Recorder)
    assert 0.3 <= t.min() < 0.301 and 0.999 < t.max() < 1 and abs(t.mean() - 0.65) < 0.01
    g = generators([1], 2)[0]
    g.permutation(4000), g.random(4000)
    z = torch.tensor(g.standard_normal((4000, 2))).mT
    torch.testing.assert_close(noisy[0], 50 + SDE.std(t[0]) * z)


def test_the_scale_of_the_process_is_part_of_what_the_network_sees():
    """Which bug this catches: x + std z where the kernel has mean scale x, which VE, of scale one, does not show."""
    for sde in (dn.OU(), dn.VP()):
        seen = []
        net = Recorder(torch.zeros(1, 1, dtype=F64), seen)
        net.with_theta, net.sde = lambda theta, net=net: (setattr(net, "theta", theta), net)[1], sde
        x = torch.full((1, 7, 2), 50.0, dtype=F64)
        next(dn.train(net, x, generators([1], 2), dn.SGD(1e-9), epochs=1, progress=False))
        (noisy, t), *_ = seen
        g = generators([1], 2)[0]
        g.permutation(7), g.random(7)
        torch.testing.assert_close(noisy, sde.perturb(x, t, torch.tensor(g.standard_normal((1, 7, 2)))).mT)


@pytest.mark.parametrize("arguments", [dict(epochs=1), dict(batch=1), dict(batch=50), dict(batch=10**6), dict(t_min=1e-300), dict(t_min=1 - 1e-9), dict(decay=0.0)], ids=repr)
def test_the_limits_of_arguments_belong_to_them_or_lie_beside_what_is_refused(arguments):
    got = last([0], dn.SGD(1e-3), **arguments)
    assert got.net.finite().all() and got.loss.isfinite().all()
    if "decay" in arguments:
        assert torch.equal(got.average.theta, got.net.theta)
    if arguments.get("batch") == 10**6:
        assert torch.equal(got.net.theta, last([0], dn.SGD(1e-3), batch=50).net.theta)


def test_adams_averages_may_be_switched_off():
    """With betas = 0, 0 and a small epsilon a step is rate times the gradient's sign."""
    theta, optimiser = torch.zeros(1, 3, dtype=F64), dn.Adam(0.5, betas=(0.0, 0.0), epsilon=1e-300)
    for _ in range(2):
        optimiser.step(theta, torch.tensor([[2.0, -1e-3, 7e5]], dtype=F64), 1)
    assert theta.tolist() == [[-1.0, 1.0, -1.0]]


def test_a_rate_is_given_the_epoch_by_every_optimiser():
    """Which bug this catches: Adam that counts steps where the rate's argument is the epoch, 1, 2, ..."""
    seen = []
    rate = lambda epoch: seen.append(epoch) or 0.1  # noqa: E731
    for optimiser in (dn.SGD(rate), dn.Adam(rate), dn.Grouped([1], [dn.Adam(rate)])):
        last([0], optimiser, data=samples([0], 6), epochs=2, batch=2)
    assert seen == 3 * [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(("disabled", "progress", "shown"), [(False, {}, True), (False, {"progress": False}, False), (True, {"progress": True}, False)])
def test_progress_is_shown_or_hidden(capsys, bars, disabled, progress, shown):
    bars(training, disabled)
    last([0], dn.SGD(0.1), epochs=2, **progress)
    assert ("2/2" in capsys.readouterr().err) == shown


class Shaped(Linear):
    """The right gradient, losses of another shape."""

    def gradient(self, inputs, noise):
        loss, gradient = super().gradient(inputs, noise)
        return loss.mean(), gradient

    def with_theta(self, theta):
        return Shaped(theta)


REFUSED = {
    "generators": lambda: last(range(2), dn.SGD(0.2), net=nets(range(3))),
    "generators the same": lambda: list(dn.train(nets(range(2)), samples(range(2)), 2 * generators([0], 2), dn.SGD(0.2), epochs=1)),
    "data": lambda: last(range(2), dn.SGD(0.2), data=torch.zeros(3, 4, dtype=F64)),
    "data of an epoch": lambda: last(range(2), dn.SGD(0.2), data=lambda epoch: torch.zeros(3, 4, dtype=F64)),
    "data elsewhere": lambda: last([0], dn.SGD(0.2), data=torch.zeros(1, 4, dtype=F64, device="meta")),
    "epochs": lambda: last(range(2), dn.SGD(0.2), epochs=0),
    "batch": lambda: last(range(2), dn.SGD(0.2), batch=0),
    "t_min": lambda: last(range(2), dn.SGD(0.2), t_min=0.0),
    "t_min = T": lambda: last(range(2), dn.SGD(0.2), t_min=1.0),
    "decay": lambda: last(range(2), dn.SGD(0.2), decay=1.0),
    "decay below": lambda: last(range(2), dn.SGD(0.2), decay=-1e-9),
    "optimiser": lambda: last([0], "Adam"),
    "optimiser's step": lambda: last([0], type("O", (), {"step": 3})()),
    "rate": lambda: dn.SGD(-0.1),
    "rate = 0": lambda: dn.Adam(0.0),
    "epsilon": lambda: dn.Adam(0.1, epsilon=0.0),
    "betas": lambda: dn.Adam(0.1, betas=(1.0, 0.9)),
    "betas below": lambda: dn.Adam(0.1, betas=(-1e-9, 0.9)),
    "betas, one": lambda: dn.Adam(0.1, betas=(0.9,)),
    "betas, three": lambda: dn.Adam(0.1, betas=(0.9, 0.9, 0.9)),
    "sizes": lambda: last(range(2), dn.Grouped([1], [dn.SGD(0.2)])),
    "sizes above": lambda: last(range(2), dn.Grouped([1, 2], [dn.SGD(0.2), dn.SGD(0.1)])),
    "sizes = 0": lambda: dn.Grouped([0], [dn.SGD(0.2)]),
    "optimisers": lambda: dn.Grouped([1, 1], [dn.SGD(0.2)] * 2),
    "optimisers more": lambda: dn.Grouped([2], [dn.SGD(0.2), dn.Adam(0.1)]),
    "optimisers fewer": lambda: dn.Grouped([1, 1], [dn.SGD(0.2)]),
    "net": lambda: last(range(2), dn.SGD(0.1), net=Shaped(torch.zeros(2, 1, dtype=F64)), data=torch.zeros(2, 5, 2, dtype=F64)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_names_the_argument(case):
    with pytest.raises(ValueError, match=rf"^{re.split('[^a-z_]', case)[0]}: got .*; allowed: "):
        REFUSED[case]()


def test_arguments_are_refused_by_the_call_not_by_the_first_epoch():
    for more in (dict(data=torch.zeros(3, 4, dtype=F64)), dict(epochs=0), dict(batch=0), dict(decay=2.0), dict(optimiser="x")):
        arguments = dict(net=nets([0]), data=samples([0]), generators=generators([0], 2), optimiser=dn.SGD(0.1), epochs=1) | more
        with pytest.raises(ValueError, match="; allowed: "):
            dn.train(**arguments)


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


def test_a_network_of_ones_own_trains_to_its_closed_form():
    """The loss is E|z - theta (x + std z)|^2, so the best theta is E std / E(x^2 + std^2), t uniform."""
    std = SDE.std(torch.linspace(1e-5, 1, 20001, dtype=F64))
    for scale in (0.0, 3.0):
        best = std.mean() / (scale**2 + std**2).mean()
        data = scale * torch.stack([dn.normal(g, (4000, 2)) for g in generators(range(2), 0)])
        *_, end = dn.train(Linear(torch.zeros(2, 1, dtype=F64)), data, generators(range(2), 2), dn.SGD(lambda epoch: 0.01 / epoch),
                           epochs=12, batch=50, decay=0.99, progress=False)
        assert isinstance(end.net, Linear) and (end.average.theta / best - 1).abs().max() < 0.03, (end.average.theta, best)


def test_training_approaches_the_best_loss_of_a_gaussian():
    """For N(0, 1) data the best residual at std s has mean square 1 / (1 + s^2); the average over t is a floor of the loss."""
    x = torch.stack([dn.normal(g, (256,)) for g in generators(range(8), 0)])
    final = last(range(8), dn.Adam(0.01), data=x, epochs=150, net=nets(range(8), 16))
    s = SDE.std(torch.linspace(1e-5, 1, 10001, dtype=F64))
    floor = (1 / (1 + s**2)).mean()
    assert floor - 0.03 < final.loss.mean() < floor + 0.1
