"""A problem and its runs are what chapters used to spell out, and bounds hold along every run."""

import numpy as np
import pytest
import torch

import diffnotes as dn

TWO = dn.GaussianMixture.two_modes(3.0)


@pytest.fixture(scope="module")
def problem():
    return dn.Problem(TWO, n_t=24, n_x=48, device="cpu")


@pytest.fixture(scope="module")
def few(problem):
    return problem.train(m=24, n=16, seeds=3)


def test_a_run_is_the_flow_of_its_own_features_and_samples(problem, few):
    run, phi = few[1], dn.RandomFeatures.draw(24, 1, 5.0, np.random.default_rng(1))
    data = TWO.sample(4096, np.random.default_rng(101))[:16]
    p = TWO.diffused(problem.sde)
    grid = dn.line_grid(p, problem.sde.std, 0.01, n_t=24, n_x=48)
    nodes = grid.weighted(dn.GaussianMixture.empirical(data).diffused(problem.sde))
    assert torch.equal(run.flow.statistics.B, dn.statistics(phi, nodes).B) and torch.equal(run.data, data)
    assert torch.equal(run.population.C, dn.statistics(phi, grid.weighted(p)).C)
    assert torch.equal(problem.data(4, 2), problem.data(8, 2)[:4])  # nested
    alone = dn.Problem(TWO, pool=0, streams=(7, 3), device="cpu")
    assert torch.equal(alone.data(5, 2), TWO.sample(5, np.random.default_rng(9)))
    assert torch.equal(alone.features(4, 2).W, dn.RandomFeatures.draw(4, 1, 5.0, np.random.default_rng(5)).W)


def test_read_outs_have_the_seeds_in_front_and_are_those_of_each_run(problem, few):
    tau = dn.training_times(1, 1e4, 5, device="cpu")
    for name in ("loss", "test_loss", "excess", "norm"):
        both = getattr(few, name)(tau)
        assert both.shape == (3, 5) and torch.equal(both[1], getattr(few[1], name)(tau))
    assert torch.allclose(few.test_loss(tau)[1], few[1].population.loss(few[1].flow.theta(tau)))
    assert torch.allclose(few.excess(tau), few.loss(tau) - torch.stack([run.flow.minimum() for run in few])[:, None])
    kl = few.divergence(tau)
    assert kl.shape == (3, 5) and few.score(tau)(torch.zeros(7, 1).double(), 0.3).shape == (3, 5, 7, 1)
    assert torch.allclose(kl[2], problem.divergence(few[2].score(tau)))
    assert [run.seed for run in problem.train(3, seeds=(5, 2))] == [5, 2] and len(problem.train(3, seeds=2)) == 2
    assert torch.equal(few.map(lambda run: run.seed), torch.tensor([0, 1, 2]))


def test_the_typical_run_is_nearest_to_the_median(few):
    """Which bug this catches: the best run, the farthest one, or a distance that large losses rule."""
    curves = few.test_loss(dn.training_times(1, 1e10, 41, device="cpu")).log()
    away = [(curve - curves.sort(0).values[1]).abs().mean() for curve in curves]  # of three the second is the median
    assert few.typical() is few[int(np.argmin(away))] and len({float(a) for a in away}) == 3


def test_on_the_population_the_two_losses_are_one(problem):
    run, tau = problem.train(m=8, seeds=1)[0], [1.0, 10.0]
    assert run.data is None and torch.allclose(run.loss(tau), run.test_loss(tau), rtol=1e-12)


def test_the_divergence_is_that_of_the_first_edition():
    """Its solver worked in x, not in y = x / r: an independent discretisation of the same equation."""
    problem = dn.Problem(TWO, streams=(0, 100), n_x=256, device="cpu")
    runs, tau, sde = problem.train(256, 32, 2), torch.tensor([1e3, 2.2e4, 1e10]).double(), problem.sde
    x = dn.stretched_grid(reach=150.0, n=900, core=6.0)
    t = torch.linspace(sde.T ** (1 / 3), 0.01 ** (1 / 3), 65).double().pow(3).clamp(0.01, sde.T)
    prior = dn.GaussianMixture.normal(sde.std(sde.T)).log_prob(x[:, None]).exp()
    density = dn.reverse_sde_density(runs.score(tau), sde, x, t, prior)
    first = dn.kl_grid(problem.marginals.log_prob(x[:, None], 0.01).exp(), density, dn.cell_widths(x))
    assert torch.allclose(runs.divergence(tau), first, rtol=0.025)
    assert torch.allclose(runs.divergence(tau, steps=96, cells=2000), first, rtol=0.006)


@pytest.mark.parametrize("sde", [dn.OU(), dn.VE(), dn.VP()], ids=repr)
def test_the_true_score_leaves_the_prior_and_little_else(sde):
    problem = dn.Problem(TWO, sde, device="cpu")
    error = problem.solver_error()
    assert 0 <= error <= problem.marginals.prior_kl() + 1e-5
    assert problem.solver_error(steps=96, cells=2000) == pytest.approx(error, abs=3e-5)


def test_far_modes_are_no_trouble():
    far = dn.Problem(dn.GaussianMixture.two_modes(30.0), dn.OU(T=8.0), device="cpu")
    assert far.solver_error() < 5e-3 and far.solver_error(steps=128, cells=3000) < far.marginals.prior_kl() + 2e-5


@pytest.mark.parametrize("weight", ["std", "likelihood", 0.3])
def test_certificates_hold_along_every_run(weight):
    problem = dn.Problem(TWO, weighting=weight, n_t=24, n_x=48, device="cpu")
    runs, tau = problem.train(m=24, n=200, seeds=2), dn.training_times(1, 1e4, 4, device="cpu")
    terms = runs.certificate(tau)
    assert terms.bound_a.shape == (2, 4) and terms.beta.shape == (2,)
    assert torch.allclose(terms.loss, runs.test_loss(tau)) and (terms.loss <= terms.bound_a).all()
    assert (runs.divergence(tau) <= terms.divergence).all()
    if weight == "likelihood":
        assert problem.kl_factor() == pytest.approx((5.0 - 0.01) / 2)


def test_in_more_dimensions_there_are_losses_and_no_density():
    problem = dn.Problem(dn.GaussianMixture.two_modes(2.0, d=3), n_nodes=300, device="cpu")
    runs = problem.train(m=10, n=20, seeds=2)
    assert runs.test_loss([1.0, 10.0]).shape == (2, 2) and runs[0].data.shape == (20, 3)
    assert not torch.equal(runs[0].flow.statistics.S, runs[1].flow.statistics.S)
    with pytest.raises(ValueError, match=r"^p: got a density in d = 3; allowed: d = 1"):
        problem.solver_error()


def test_rounded_data_merge_and_change_nothing_else():
    """One heavy point for equal samples gives the same loss as the samples one by one, which themselves are rounded."""
    rounded, plain = (dn.Problem(TWO, n_t=12, n_x=32, pool=0, rounding=r, device="cpu") for r in (0.25, 0.0))
    data = rounded.data(300, 0)
    assert torch.equal(data, (plain.data(300, 0) * 4).round() / 4) and len(data.unique()) < 60
    one, other = rounded.empirical(data + 0.1), plain.empirical(data)
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(one.score, other.score, rtol=1e-9, atol=1e-9)


def test_device_and_precision_are_the_problems_own(problem):
    single = dn.Problem(TWO, n_t=24, n_x=48, device="cpu", dtype=torch.float32)
    one, other = single.train(8, 16, 1), problem.train(8, 16, 1)
    assert one.loss([1.0]).dtype == torch.float32 and TWO.means.dtype == torch.float64
    assert torch.allclose(one.loss([100.0]).double(), other.loss([100.0]), rtol=1e-4)
    assert dn.Problem(TWO, device="meta").target.means.device.type == "meta"


def test_training_times_are_even_in_the_logarithm():
    tau = dn.training_times(1, 1e10, 41, device="cpu")
    assert tau.dtype == torch.float64 and tau[0] == 1 and torch.allclose(tau.log10().diff(), torch.tensor(0.25).double())


@pytest.mark.parametrize(("wrong", "name"), [
    (lambda: dn.Problem(3.0), "target"), (lambda: dn.Problem(TWO, "OU"), "sde"), (lambda: dn.Problem(TWO, t_min=5.0), "t_min"),
    (lambda: dn.Problem(TWO, weighting="g2"), "weighting"), (lambda: dn.Problem(TWO, weighting=lambda t: -t), "weighting"),
    (lambda: dn.Problem(TWO, streams=3), "streams"), (lambda: dn.Problem(TWO, streams=(1, -1)), "streams"),
    (lambda: dn.Problem(TWO, pool=-1), "pool"), (lambda: dn.Problem(TWO, rounding=-0.1), "rounding"), (lambda: dn.Problem(TWO, n_t=0), "n_t"),
    (lambda: dn.Problem(TWO).train(0), "m"), (lambda: dn.Problem(TWO).train(3, n=0), "n"), (lambda: dn.Problem(TWO).train(3, seeds=0), "seeds"),
    (lambda: dn.Problem(TWO).train(3, seeds=[-1]), "seeds"), (lambda: dn.Problem(TWO).data(3, -1), "seed"),
    (lambda: dn.Problem(TWO).empirical(torch.zeros(3, 2).double()), "data"), (lambda: dn.Problem(TWO).solver_error(steps=0), "steps"),
    (lambda: dn.Problem(TWO).solver_error(cells=2), "cells"), (lambda: dn.Problem(TWO, n_t=8, n_x=9).train(3, seeds=1)[0].certificate(1.0), "run"),
    (lambda: dn.training_times(0, 1, 3), "first"), (lambda: dn.training_times(2, 1, 3), "last"), (lambda: dn.Runs([]), "each"),
])
def test_errors_name_the_argument(wrong, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        wrong()


def test_the_defaults_are_those_that_chapters_count_on():
    """Which bug this catches: another number of nodes, samples or seeds, which moves every number of a chapter a little."""
    problem = dn.Problem(TWO, device="cpu")
    assert (problem.sde.T, problem.t_min, problem.n_t, problem.n_x, problem.n_nodes, problem.streams, problem.pool) == (5.0, 0.01, 96, 96, 4000, (100, 0), 4096)
    assert problem.rounding == 0
    assert repr(problem.sde) == repr(dn.OU()) and problem.target.means.dtype == torch.float64
    assert [run.seed for run in dn.Problem(TWO, n_t=4, n_x=5, device="cpu").train(2)] == list(range(8))


def test_nodes_in_the_plane_come_from_streams_of_their_own():
    """In d = 2 nodes are drawn: the population's from stream 1, a run's from its own.  Which bug this catches: one that is shared."""
    target = dn.GaussianMixture.two_modes(2.0, d=2)
    problem = dn.Problem(target, n_nodes=5, pool=3, device="cpu")

    def drawn(p, stream):
        return dn.sampled_nodes(p.diffused(problem.sde), problem.sde.std, 0.01, 5, np.random.default_rng(stream)).x

    run, data = problem.train(3, 4, [0, 6])[1], target.sample(4, np.random.default_rng(106))
    assert torch.equal(run.data, data) and torch.equal(problem.population.x, drawn(target, 1))
    assert torch.equal(problem.empirical(data).x, drawn(dn.GaussianMixture.empirical(data), 1))
    nodes = problem.empirical(data, [106, 1])
    assert torch.equal(nodes.x, drawn(dn.GaussianMixture.empirical(data), [106, 1]))
    assert torch.equal(run.flow.statistics.B, dn.statistics(run.features, nodes).B)


def test_one_run_alone_is_read_out_as_many_are(few):
    """Which bug this catches: a problem or the names of terms taken from the second run."""
    one, tau = dn.Runs([few[0]]), [1.0, 2.0]
    assert one.certificate(tau).loss.shape == one.divergence(tau).shape == (1, 2)


def test_the_factor_of_the_loss_is_the_largest_of_2001_times():
    """OU has g^2 = 2: over std it is largest at t_min, and over a weight that is least at a time of the grid, there."""
    assert dn.Problem(TWO, device="cpu").kl_factor() == pytest.approx((5 - 0.01) / dn.OU().std(0.01).item(), rel=1e-12)
    least = torch.linspace(0.01, 5, 2001, dtype=torch.float64)[600]
    assert dn.Problem(TWO, weighting=lambda t: 1e-3 + (t - least).abs(), device="cpu").kl_factor() == pytest.approx(4.99e3, rel=1e-9)


def test_the_ends_of_what_is_allowed():
    problem = dn.Problem(TWO, dn.OU(T=0.5), t_min=0.3, n_t=1, n_x=3, n_nodes=1, streams=(0, 0), pool=0, device="cpu")
    assert problem.data(1, 0).shape == (1, 1) and problem.features(1, 0).width == 1 and len(problem.train(1, 1, seeds=1)) == 1
    assert dn.training_times(0.5, 0.5, 1, device="cpu").tolist() == [pytest.approx(0.5)]
    assert dn.training_times(1, 10, 2, device="meta").device.type == "meta"
    meta = dn.GaussianMixture.two_modes(3.0, device="meta")
    assert dn.Problem(meta, device="meta").target.means.device.type == "meta"


@pytest.mark.parametrize(("wrong", "said"), [
    *((lambda t=t: dn.Problem(TWO, t_min=t), rf"t_min: got {t}; allowed: a finite number in \(0, 5\)") for t in (0.0, -0.5, 5.0)),
    (lambda: dn.Problem(TWO, weighting=lambda t: 1 - t), "weighting: got -4; allowed: a number or function of t with values >= 0"),
    (lambda: dn.Problem(TWO, n_x=2), "n_x: got 2; allowed: an integer of at least 3"), (lambda: dn.Problem(TWO, n_nodes=0), "n_nodes: got 0; allowed: an integer of at least 1"),
    (lambda: dn.Problem(TWO, pool=-1), "pool: got -1; allowed: an integer of at least 0"), (lambda: dn.Problem(TWO, streams=(-1, 0)), "streams: got -1; allowed: an integer of at least 0"),
    *((lambda streams=streams: dn.Problem(TWO, streams=streams), "streams: got .*; allowed: two numbers, for the data") for streams in ([1, 2], (1,), (1, 2, 3))),
    (lambda: dn.Problem(TWO).features(3, -1), "seed: got -1; allowed: an integer of at least 0"), (lambda: dn.Problem(TWO).data(3, -1), "seed: got -1; allowed: an integer of at least 0"),
    (lambda: dn.Problem(TWO).train(3, seeds=[-1]), "seeds: got -1; allowed: an integer of at least 0"), (lambda: dn.Problem(TWO).train(3, seeds=0), "seeds: got 0; allowed: an integer of at least 1"),
    (lambda: dn.Problem(dn.GaussianMixture.two_modes(3.0, device="meta"), device="cpu"), "target: got device meta"),
    *((lambda first=first: dn.training_times(first, 1, 3), rf"first: got {first}; allowed: a finite number in \(0, inf\]") for first in (0.0, -0.5)),
    (lambda: dn.Runs([dn.Problem(TWO, n_t=4, n_x=5, device="cpu").train(2, seeds=1)[0], 3]), "each: got 2 things"), (lambda: dn.Runs([]), "each: got 0 things")])
def test_errors_say_what_is_allowed(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        wrong()
