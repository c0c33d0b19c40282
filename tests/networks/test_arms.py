"""Arms of an experiment: the plain loop, arms that do not meet, what seeds share, and limits of arguments."""

import numpy as np
import pytest
import torch

import diffnotes as dn

SDE, TARGET, F64 = dn.VE(), dn.GaussianMixture.two_modes(2.0), torch.float64


def trained(arms, **kwargs):
    return dn.train_arms(arms, SDE, **dict(epochs=4, every=2, samples=40, dtype=F64) | kwargs)


def at_zero(score):
    return score(torch.zeros(1, 1, dtype=F64), 0.5)[..., 0].reshape(-1)


def test_one_arm_is_the_plain_loop():
    streams = [[np.random.default_rng([seed, stream]) for seed in (3, 4)] for stream in range(3)]
    data = torch.stack([TARGET.sample(40, g)[:, 0] for g in streams[0]])
    points = list(dn.train(dn.SwishNet.draw(5, SDE, streams[1], output_scale=4.0, dtype=F64), data, streams[2], dn.SGD(0.1), epochs=4))
    arm = trained({"a": dn.Arm(TARGET, (3, 4), dn.SGD(0.1), n=40, width=5, output_scale=4.0)})["a"]
    assert arm.epochs.tolist() == [2, 4]
    assert torch.equal(arm.at(2).theta, points[1].net.theta) and torch.equal(arm.at(4, averaged=True).theta, points[3].average.theta)


def test_arms_do_not_meet_and_come_back_by_name():
    """Other widths and other optimisers beside it change nothing, wherever an arm stands; equal seeds share their data."""
    alone = trained({"Adam": dn.Arm(TARGET, (1, 2), dn.Adam(1e-2), n=40)})["Adam"]
    sgd = dn.SGD(0.1)
    beside = trained({"new": dn.Arm(TARGET, (1,), sgd, n=None), "Adam": dn.Arm(TARGET, (1, 2), dn.Adam(1e-2), n=40),
                      "wide": dn.Arm(TARGET, (1,), sgd, width=20), "few": dn.Arm(TARGET, (1, 2, 3), sgd, n=7)})
    assert list(beside) == ["new", "Adam", "wide", "few"] and [arm.weights[0].replicas for arm in beside.values()] == [1, 2, 1, 3]
    torch.testing.assert_close(beside["Adam"].at(4).theta, alone.at(4).theta, rtol=1e-12, atol=1e-12)
    read = beside["few"].read(at_zero)
    assert read.shape == (3, 2) and torch.equal(read[:, -1], at_zero(beside["few"].at(4).score))
    assert torch.equal(beside["few"].read(at_zero, averaged=True, every=2)[:, 0], at_zero(beside["few"].at(2, averaged=True).score))


@pytest.mark.parametrize("n", [7, 40, 100, None])
def test_an_epoch_is_a_number_of_draws(n, monkeypatch):
    """Small samples repeated as evenly as they go, large ones thinned, fresh ones new each time."""
    seen = []
    monkeypatch.setattr(dn.networks.arms, "train", lambda net, data, *a, **k: seen.extend(data(epoch) for epoch in (1, 2)) or [])
    trained({"a": dn.Arm(TARGET, (5,), dn.SGD(0.1), n=n)})
    pool = None if n is None else TARGET.sample(n, np.random.default_rng([5, 0]))[:, 0]
    first, second = (rows[0] for rows in seen)
    assert first.shape == second.shape == (40,)
    if n is None:
        assert not np.isin(second, first).any()
    else:
        values, counts = first.unique(return_counts=True)
        assert np.isin(values, pool).all() and len(values) == min(n, 40) and counts.max() <= -(-40 // n)
        assert torch.equal(first, second) == (n == 40)


def test_arms_with_one_pool_share_their_first_samples(monkeypatch):
    """Which bug this catches: samples of another n would be others altogether, as a mixture draws all its components first."""
    seen = []
    monkeypatch.setattr(dn.networks.arms, "train", lambda net, data, *a, **k: seen.append(data(1)) or [])
    sgd = dn.SGD(0.1)
    trained({"few": dn.Arm(TARGET, (5,), sgd, n=10, pool=60), "more": dn.Arm(TARGET, (5,), sgd, n=40, pool=60)})
    few, more = seen[0]
    assert torch.equal(more, TARGET.sample(60, np.random.default_rng([5, 0]))[:40, 0]) and torch.equal(few.unique(), more[:10].unique())
    trained({"all": dn.Arm(TARGET, (5,), sgd, n=40, pool=7)})
    assert torch.equal(seen[1][0], TARGET.sample(40, np.random.default_rng([5, 0]))[:, 0])


def test_frequencies_and_a_training_that_diverges():
    still = dn.Arm(TARGET, (1,), dn.SGD(0.1), frequency=0.0).draw(SDE)
    assert still.omega.abs().max() == 0 and still.theta.equal(dn.Arm(TARGET, (1,), dn.SGD(0.1)).draw(SDE).theta)
    wild = trained({"a": dn.Arm(TARGET, (1, 2), dn.SGD(1e20)), "b": dn.Arm(TARGET, (1,), dn.SGD(0.1))})
    assert not wild["a"].finite().any() and wild["b"].finite().all()
    assert wild["a"].read(at_zero)[:, -1].isnan().all()


@pytest.mark.parametrize(("name", "change"), [
    ("target", dict(target=1)), ("target", dict(target=dn.GaussianMixture.two_modes(1.0, d=2))), ("seeds", dict(seeds=())), ("seeds", dict(seeds=(1, 1))),
    ("seeds", dict(seeds=(-1,))), ("seeds", dict(seeds=3)), ("n", dict(n=0)), ("pool", dict(pool=-1)), ("width", dict(width=0)), ("frequency", dict(frequency=-1.0))])
def test_an_arm_that_cannot_be(name, change):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        dn.Arm(**dict(target=TARGET, seeds=(1,), optimiser=dn.SGD(0.1)) | change)


@pytest.mark.parametrize(("name", "arms", "kwargs"), [
    ("arms", {}, {}), ("arms", {"a": 1}, {}), ("arms", [1], {}), ("every", None, dict(every=9)), ("epochs", None, dict(epochs=0)),
    ("samples", None, dict(samples=0)), ("optimiser", {"a": dn.Arm(TARGET, (1,), 3)}, {}), ("sde", None, dict(sde=1))])
def test_bad_input(name, arms, kwargs):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        dn.train_arms({"a": dn.Arm(TARGET, (1,), dn.SGD(0.1))} if arms is None else arms, **dict(sde=SDE, epochs=2, every=1) | kwargs)


def test_a_read_out_on_another_device_than_the_networks():
    """Which bug this catches: targets are made on the CPU, networks are trained where ``device()`` says."""
    class Far:
        theta = torch.zeros(1, device="meta")

        def score(self, x, t):
            assert x.device.type == t.device.type == "meta"
            return torch.ones(1)

    arm = dn.networks.arms.Trained(torch.tensor([1]), [Far()], [Far()])
    assert arm.read(lambda score: score(torch.zeros(1, 1), torch.tensor(0.5))).tolist() == [[1.0]]


def test_an_epoch_that_was_not_kept():
    with pytest.raises(ValueError, match=r"^epoch: got 3"):
        trained({"a": dn.Arm(TARGET, (1,), dn.SGD(0.1))})["a"].at(3)
