"""(B') against a slow computation of its own, and on instances that are made to break it."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffnotes as dn

TAU = torch.cat([torch.zeros(1, dtype=torch.float64), torch.logspace(-2, 4, 13, dtype=torch.float64)])


def setting(seed, m, d, rank, from_zero):
    """A population of ``rank`` nodes, singular for rank < m, and data that weigh and answer them otherwise."""
    rng = np.random.default_rng(seed)
    F, G = (torch.from_numpy(rng.standard_normal(shape)) for shape in ((m, rank), (d, rank)))
    one, other = (torch.from_numpy(rng.dirichlet(np.full(rank, 2.0))) for _ in range(2))
    noise = 0.3 * torch.from_numpy(rng.standard_normal((d, rank)))
    population, data = (dn.Statistics((F * w) @ F.mT, (y * w) @ F.mT, (w * y.square().sum(0)).sum())
                        for w, y in ((one, G), (other, G + noise)))
    start = torch.zeros(d, m, dtype=torch.float64) if from_zero else dn.normal(np.random.default_rng(seed + 1), (d, m))
    return dn.GradientFlow(population, start), data


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 3), st.integers(2, 10), st.booleans())
@settings(max_examples=60, deadline=None)
def test_it_holds_for_every_rival(seed, m, d, rank, from_zero):
    flow, data = setting(seed, m, d, rank, from_zero)
    loss = flow.statistics.loss(dn.GradientFlow(data, flow.theta0).theta(TAU))
    slack = 1e-8 * (1 + float(flow.statistics.loss(flow.theta0))) + 1e-12 * TAU
    path = dn.resolvent_bound(flow, data, TAU)
    assert (loss <= path.bound + slack).all()
    for rival in (flow.theta0, flow.minimiser(), flow.theta(1.0), dn.normal(np.random.default_rng(seed + 2), (d, m))):
        assert (loss <= dn.resolvent_bound(flow, data, TAU, rival).bound + slack).all()
    assert (path.bound <= dn.resolvent_bound(flow, data, TAU, flow.theta0).bound + slack).all()  # the start is on the path
    assert torch.equal(dn.certificate(flow, data, TAU).bound_resolvent, path.bound)


@pytest.mark.parametrize(("seed", "m", "d", "rank"), [(0, 3, 1, 5), (1, 5, 2, 3), (2, 8, 3, 4)])
def test_against_a_slow_computation(seed, m, d, rank):
    """Square roots and generalised eigenvalues of dense matrices by SciPy, with the rival as given."""
    flow, data = setting(seed, m, d, rank, False)
    rival, S = dn.normal(np.random.default_rng(7), (d, m)), flow.statistics
    for tau in (0.3, 20.0):
        M, seen = (a.B.numpy() + np.eye(m) / tau for a in (S, data))
        c = scipy.linalg.eigh(M, seen, eigvals_only=True)[-1]
        zeta = (data.C - S.C).numpy() - rival.numpy() @ (data.B - S.B).numpy()
        best = np.linalg.lstsq(S.B.numpy(), S.C.numpy().T, rcond=1e-12)[0].T
        least = float(S.loss(torch.from_numpy(best)))
        terms = [(1 + 2 * c) * math.sqrt(float(S.loss(rival)) - least),
                 2 * c * np.linalg.norm(zeta @ np.linalg.inv(scipy.linalg.sqrtm(M).real)),
                 math.sqrt(c / tau) * np.linalg.norm(rival - flow.theta0)]
        found = dn.resolvent_bound(flow, data, tau, rival)
        assert [float(v) for v in (found.misfit, found.noise, found.price)] == pytest.approx(terms, rel=1e-7)
        assert float(found.inflation) == pytest.approx(c)
        assert float(found.bound) == pytest.approx(least + sum(terms) ** 2, rel=1e-7)


def test_each_step_of_the_proof():
    y = torch.logspace(-6, 6, 10_001, dtype=torch.float64)
    assert ((1 + y) * -torch.expm1(-2 * y) / y).max() <= 2 and (torch.exp(-4 * y) * (1 + y)).max() <= 1
    flow, data = setting(3, 6, 2, 4, False)
    rival, tau = dn.normal(np.random.default_rng(7), (2, 6)), 3.0
    b, Q = torch.linalg.eigh(data.B)
    f = (Q * torch.where(b > 1e-12, -torch.expm1(-2 * b * tau) / b, 2 * tau)) @ Q.mT
    decay = (Q * torch.exp(-2 * b * tau)) @ Q.mT
    step = (data.C - rival @ data.B) @ f - (rival - flow.theta0) @ decay
    torch.testing.assert_close(dn.GradientFlow(data, flow.theta0).theta(tau) - rival, step)  # step 1 of the proof


def test_one_direction_in_closed_form():
    """B = C = 1, S = 3, B^ = b, rival theta: every term on paper; tau = 0 is the start, which has nothing to pay."""
    def statistics(b):
        return dn.Statistics(*(torch.tensor(v, dtype=torch.float64) for v in ([[b]], [[1.0]], 3.0)))

    tau, theta, b = torch.tensor([[0.0, 1.0], [3.0, 50.0]]).double(), torch.tensor([[0.25]]).double(), 0.5
    found, c = dn.resolvent_bound(dn.GradientFlow(statistics(1.0)), statistics(b), tau, theta), (1 + tau) / (1 + b * tau)
    torch.testing.assert_close(found.inflation, c)
    torch.testing.assert_close(found.misfit, (1 + 2 * c) * 0.75)
    torch.testing.assert_close(found.noise, 2 * c * 0.25 * 0.5 * (tau / (1 + tau)).sqrt())
    torch.testing.assert_close(found.price, (c / tau).sqrt() * 0.25)
    start = dn.resolvent_bound(dn.GradientFlow(statistics(1.0)), statistics(b), 0.0)
    assert float(start.price) == 0 and float(start.bound) == pytest.approx(2 + 9)
    assert dn.resolvent_bound(dn.GradientFlow(statistics(1.0)), statistics(b), []).bound.shape == (0,)
    zero = torch.zeros(1, 1, dtype=torch.float64)
    nothing = dn.Statistics(zero, zero, torch.tensor(1.0, dtype=torch.float64))
    assert torch.isfinite(dn.resolvent_bound(dn.GradientFlow(nothing), statistics(b), 1.0).bound)


def test_without_a_rival_it_is_the_best_of_the_start_and_57_ridge_fits():
    """Each fit by a solve of its own, where directions take from 1 to 1e10.  Which bug this catches: another range of penalties."""
    b, tau = 10.0 ** -torch.arange(0, 11, 2).double(), torch.logspace(-4, 14, 61, dtype=torch.float64).view(1, 61)
    start = dn.normal(np.random.default_rng(0), (2, 6))
    signal = 3 * dn.normal(np.random.default_rng(1), (2, 6))
    B, data_B, C, S = torch.diag(b), torch.diag(b * torch.linspace(0.9, 1.2, 6).double()), signal * b, (signal**2 * b).sum()
    flow, data = dn.GradientFlow(dn.Statistics(B, C, S), start), dn.Statistics(data_B, (1 + 1e-6) * C @ torch.linalg.inv(B) @ data_B, S)
    rivals = [start, *(torch.linalg.solve(B + k * torch.eye(6).double(), (C + k * start).mT).mT for k in torch.logspace(2, -12, 57).double())]
    found, bounds = dn.resolvent_bound(flow, data, tau), torch.stack([dn.resolvent_bound(flow, data, tau, rival).bound for rival in rivals])
    assert len(bounds.argmin(0).unique()) > 20 and bounds.argmin(0).max() == 57 and bounds.argmin(0).min() == 0
    torch.testing.assert_close(found.bound, bounds.amin(0), rtol=1e-6, atol=0)
    assert found.inflation.shape == found.misfit.shape == found.noise.shape == found.price.shape == (1, 61)


def test_enough_samples_keep_c_below_two():
    """B_j = K e e^T with a random unit vector of four: c is known from the least count."""
    K, tau, m, delta = 2.0, 3.0, 4, 0.2
    n = math.ceil(float(dn.resolvent_samples(K, tau, m, delta)))
    assert n == math.ceil((8 * K * tau + 4 / 3) * math.log(m / delta))
    counts = np.random.default_rng(0).multinomial(n, [0.25] * 4, size=400).min(1)
    c = (1 + tau * K / 4) / (1 + tau * K * counts / n)
    assert (c > 2).mean() <= delta
    zero, C, S = torch.zeros(1, 4).double(), K * torch.eye(4).double(), torch.tensor(1.0).double()
    data = np.diag([counts[0] / n, *[(1 - counts[0] / n) / 3] * 3])
    seen = dn.inflation(dn.Statistics(C / 4, zero, S), dn.Statistics(K * torch.from_numpy(data), zero, S), tau)
    assert float(seen) == pytest.approx(c[0])


FLOW, DATA = setting(0, 3, 2, 4, True)


@pytest.mark.parametrize(("call", "name"), [
    (lambda: dn.resolvent_bound(DATA, DATA, 1.0), "flow"), (lambda: dn.resolvent_bound(FLOW, FLOW, 1.0), "data"),
    (lambda: dn.resolvent_bound(FLOW, DATA, -1.0), "tau"),
    (lambda: dn.resolvent_bound(FLOW, DATA, 1.0, torch.ones(1, 3).double()), "rival"),
    (lambda: dn.resolvent_bound(FLOW, setting(0, 4, 2, 4, True)[1], 1.0), "data.C"),
    (lambda: dn.inflation(FLOW, DATA, 1.0), "population"),
    (lambda: dn.inflation(DATA, setting(0, 4, 2, 4, True)[1], 1.0), "data.B"),
    (lambda: dn.resolvent_samples(-1.0, 1.0, 3, 0.1), "K"),
    (lambda: dn.resolvent_samples(1.0, 1.0, 0, 0.1), "m"), (lambda: dn.resolvent_samples(1.0, 1.0, 3, 1.0), "delta"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


@pytest.mark.parametrize(("call", "said"), [
    (lambda: dn.resolvent_samples(-0.5, 1.0, 3, 0.1), r"K: got -0.5; allowed: a finite number in \[0, inf\]"),
    *((lambda delta=delta: dn.resolvent_samples(1.0, 1.0, 3, delta), rf"delta: got {delta}; allowed: a finite number in \(0, 1\)") for delta in (0.0, 1.0, -0.5, 1.5))])
def test_limits_of_what_is_allowed(call, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        call()
    assert float(dn.resolvent_samples(0.0, 1.0, 1, 0.5)) == pytest.approx(4 / 3 * math.log(2))
