"""The certificate against a slow, independent computation, and its inequalities on random instances."""

import math

import numpy as np
import pytest
import scipy.integrate
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffnotes as dn
from diffnotes.theory import bounds
from diffnotes.theory.certificates import _running_integral

SDE = dn.OU()
TARGET = dn.GaussianMixture.two_modes(3.0)
P = TARGET.diffused(SDE)
TAU = torch.cat([torch.zeros(1, dtype=torch.float64), torch.logspace(-2, 6, 17, dtype=torch.float64)])


def pair(seed, m, d, rank, n=None):
    """Population and data statistics of a loss on ``rank`` nodes, with random weights for the data; singular for rank < m."""
    rng = np.random.default_rng(seed)
    F, G = (torch.from_numpy(rng.standard_normal(shape)) for shape in ((m, rank), (d, rank)))
    one, other = (torch.from_numpy(rng.dirichlet(np.full(rank, 2.0))) for _ in range(2))
    noise = 0.3 * torch.from_numpy(rng.standard_normal((d, rank)))  # the data's regression targets differ too
    return (dn.Statistics((F * w) @ F.mT, (y * w) @ F.mT, (w * y.square().sum(0)).sum()) for w, y in ((one, G), (other, G + noise)))


random_pairs = given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 3), st.integers(2, 10), st.booleans())


def setting(seed, m, d, rank, from_zero):
    population, data = pair(seed, m, d, rank)
    start = torch.zeros(d, m, dtype=torch.float64) if from_zero else dn.normal(np.random.default_rng(seed + 1), (d, m))
    return dn.GradientFlow(population, start), data


@random_pairs
@settings(max_examples=100, deadline=None)
def test_the_theorem_on_random_instances(seed, m, d, rank, from_zero):
    flow, data = setting(seed, m, d, rank, from_zero)
    c = dn.certificate(flow, data, TAU)
    slack = 1e-8 * (1 + float(flow.statistics.loss(flow.theta0))) + 1e-12 * TAU  # null directions drift by rounding
    assert (c.loss <= c.bound_a + slack).all() and (c.loss <= c.bound_b + slack).all()
    assert (c.gap <= c.drive + slack).all()
    assert (flow.loss(TAU) - c.minimum <= c.rho + slack).all()
    # The steps of (B): the displacement, and the gap with the population's drive.
    moved = torch.linalg.matrix_norm(flow.theta(TAU) - flow.theta0)
    assert (moved <= 1.0432 * (4 * TAU * c.rho).sqrt() + slack).all()
    ok = 4 * c.beta * TAU <= 1
    assert (c.gap.sqrt() <= 0.75 * c.rho.sqrt() + (2 * TAU).sqrt() * c.gamma + slack)[ok].all()
    assert torch.isinf(c.bound_b[~ok]).all()


@pytest.mark.parametrize("shift", [(-0.5, -0.25, -0.1), (-0.5, 0.1, 0.2), (0.1, 0.2, 0.3)])
def test_beta_is_the_largest_eigenvalue_in_size(shift):
    """Which bug this catches: the largest eigenvalue, or the smallest size, in place of the operator norm; data that see less."""
    population, rotation = 2 * torch.eye(3, dtype=torch.float64), torch.linalg.qr(dn.normal(np.random.default_rng(0), (3, 3)))[0]
    C, S, beta = torch.ones(1, 3, dtype=torch.float64), torch.tensor(5.0, dtype=torch.float64), max(map(abs, shift))
    data = population + rotation @ torch.diag(torch.tensor(shift, dtype=torch.float64)) @ rotation.T
    c = dn.certificate(dn.GradientFlow(dn.Statistics(population, C, S)), dn.Statistics((data + data.T) / 2, C, S), [0.9 / (4 * beta), 1.1 / (4 * beta)])
    assert float(c.beta) == pytest.approx(beta) and torch.isinf(c.bound_b).tolist() == [False, True]


def test_constants_of_b():
    y = torch.logspace(-6, 6, 100_001, dtype=torch.float64)
    # ||Theta(s) - Theta_0||^2 / (4 tau rho) in one direction with y = 4 b tau.
    worst = ((-torch.expm1(-y / 2)) ** 2 * (1 + y) / y).max().sqrt()
    assert float(worst) == pytest.approx(1.0424, abs=1e-4)
    assert math.sqrt(2) * 2 * float(worst) / 4 <= 0.75  # sqrt(2 tau) beta 1.0432 sqrt(4 tau rho) with beta tau <= 1/4


@pytest.mark.parametrize("seed, m, d", [(0, 3, 1), (1, 5, 2), (2, 8, 1)])
def test_against_scipy(seed, m, d):
    """Both flows by explicit integration of their equations, the drive as one more component, rho by solving ridge systems."""
    phi = dn.RandomFeatures.draw(m, 1, SDE.T, np.random.default_rng(seed))
    if d == 1:
        grid = dn.line_grid(P, SDE.std, 0.01, n_t=32, n_x=48)
        data = dn.GaussianMixture.empirical(TARGET.sample(40, np.random.default_rng(seed))).diffused(SDE)
        population, sample = (dn.statistics(phi, grid.weighted(p)) for p in (P, data))
    else:
        population, sample = pair(seed, m, d, 3)  # rank 3 < m: singular
    theta0 = dn.normal(np.random.default_rng(9), (d, m))
    flow, tau = dn.GradientFlow(population, theta0), torch.tensor([0.0, 0.3, 10.0, 1e3], dtype=torch.float64)
    dB, dC = (sample.B - population.B).numpy(), (sample.C - population.C).numpy()

    def velocity(_, state):
        theta, theta_n = state[:d * m].reshape(d, m), state[d * m:-1].reshape(d, m)
        move = -2 * (theta @ population.B.numpy() - population.C.numpy())
        move_n = -2 * (theta_n @ sample.B.numpy() - sample.C.numpy())
        return np.concatenate([move.ravel(), move_n.ravel(), [((theta_n @ dB - dC) ** 2).sum()]])

    begin = np.concatenate([theta0.numpy().ravel()] * 2 + [[0.0]])
    solved = scipy.integrate.solve_ivp(velocity, (0, 1e3), begin, t_eval=tau.numpy(), rtol=1e-11, atol=1e-13, method="DOP853").y.T
    c = dn.certificate(flow, sample, tau, kl_factor=2.0, prior_kl=0.125)
    minimum = float(population.S - (population.C @ torch.linalg.pinv(population.B, rtol=1e-12) * population.C).sum())
    assert float(c.minimum) == pytest.approx(minimum, abs=1e-8)
    for k, state in enumerate(solved):
        theta, theta_n = (torch.from_numpy(a.reshape(d, m)) for a in (state[:d * m], state[d * m:-1]))
        assert float(c.drive[k]) == pytest.approx(state[-1], rel=1e-6, abs=1e-12)
        assert float(c.loss[k]) == pytest.approx(float(population.loss(theta_n)), rel=1e-6)
        gap = float(((theta_n - theta) @ population.B * (theta_n - theta)).sum())
        assert float(c.gap[k]) == pytest.approx(gap, rel=1e-5, abs=1e-9)
        if tau[k] > 0:
            penalty = torch.eye(m, dtype=torch.float64) / (4 * tau[k])
            best = torch.linalg.solve(population.B + penalty, (population.C + theta0 @ penalty).mT).mT
            rho = float(population.loss(best) + (best - theta0).square().sum() / (4 * tau[k])) - minimum
            assert float(c.rho[k]) == pytest.approx(rho, rel=1e-6, abs=1e-8)
            bound = minimum + (math.sqrt(rho) + math.sqrt(state[-1])) ** 2
            assert float(c.bound_a[k]) == pytest.approx(bound, rel=1e-6)
            if 4 * c.beta * tau[k] <= 1:
                gamma = np.linalg.norm(theta0.numpy() @ dB - dC)
                bound_b = minimum + (1.75 * math.sqrt(rho) + math.sqrt(2 * float(tau[k])) * gamma) ** 2
                assert float(c.bound_b[k]) == pytest.approx(bound_b, rel=1e-6)
            assert float(c.divergence[k]) == pytest.approx(2 * bound + 0.125, rel=1e-6)


def test_the_integral_is_exact_over_many_scales():
    tau = torch.tensor([[0.0, 3e-3], [1.0, 1e9]], dtype=torch.float64)

    def f(s):
        s = torch.as_tensor(s, dtype=torch.float64)
        return torch.exp(-4e3 * s) + 1e-3 * torch.exp(-s) + 1e-8

    exact = (1 - torch.exp(-4e3 * tau)) / 4e3 + 1e-3 * -torch.expm1(-tau) + 1e-8 * tau
    assert torch.allclose(_running_integral(f, tau, torch.tensor(1e3)), exact, rtol=1e-10, atol=0)


def test_doubling_the_grid_moves_the_certificate_little():
    phi = dn.RandomFeatures.draw(64, 1, SDE.T, np.random.default_rng(0))
    data = dn.GaussianMixture.empirical(TARGET.sample(200, np.random.default_rng(1))).diffused(SDE)
    values = []
    for k in (1, 2):
        grid = dn.line_grid(P, lambda t: SDE.diffusion(t) ** 2, 0.01, n_t=144 * k, n_x=128 * k)
        flow = dn.GradientFlow(dn.statistics(phi, grid.weighted(P)))
        values.append(dn.certificate(flow, dn.statistics(phi, grid.weighted(data)), torch.logspace(0, 6, 7, dtype=torch.float64)).divergence)
    assert torch.allclose(*values, rtol=5e-3)


def test_sample_bound_holds_and_has_its_constants():
    atoms = torch.linspace(-4, 4, 41, dtype=torch.float64)[:, None]
    target = dn.GaussianMixture.empirical(atoms)
    phi = dn.RandomFeatures.draw(32, 1, SDE.T, np.random.default_rng(0))
    p = target.diffused(SDE)
    grid = dn.line_grid(p, SDE.std, 0.05, n_t=32, n_x=256)
    population = dn.statistics(phi, grid.weighted(p))
    flow = dn.GradientFlow(population)
    promised = dn.sample_bound(phi, SDE, SDE.std, 0.05, radius=4.0, n=50, delta=0.1)

    def integrand(t):
        r, s = float(SDE.scale(t)), float(SDE.std(t))
        return s * (max(4 * r, 1.0) ** 2 + s**2) / (SDE.T - 0.05)

    K = scipy.integrate.quad(integrand, 0.05, SDE.T, limit=200)[0]
    q = 1 + math.sqrt(math.log(20) / 2)
    assert promised.K == pytest.approx(K, rel=1e-3) and promised.q == pytest.approx(q)
    assert promised.beta == pytest.approx(K * q / 50**0.5, rel=1e-3) and promised.tau == pytest.approx(50**0.5 / (4 * K * q), rel=1e-3)
    assert 4 * promised.beta * promised.tau == pytest.approx(1.0)
    rho = float(bounds.ridge_bound(flow, promised.tau) - flow.minimum())
    expected = float(flow.minimum()) + (1.75 * math.sqrt(rho) + math.sqrt(2 * promised.tau) * promised.gamma) ** 2
    assert float(promised.loss(flow)) == pytest.approx(expected, rel=1e-6)
    for seed in range(20):
        data = dn.GaussianMixture.empirical(target.sample(50, np.random.default_rng(seed))).diffused(SDE)
        c = dn.certificate(flow, dn.statistics(phi, grid.weighted(data)), promised.tau)
        assert c.beta <= promised.beta and c.gamma <= promised.gamma and c.loss <= promised.loss(flow)
    # Single samples: the two boundedness claims of the proof.
    for x in (-4.0, 0.1, 4.0):
        one = dn.statistics(phi, grid.weighted(dn.GaussianMixture.empirical(torch.tensor([[x]], dtype=torch.float64)).diffused(SDE)))
        assert one.B.trace() <= promised.K and one.C.norm() <= promised.gamma * 50**0.5 / q


def test_one_direction_in_closed_form():
    """Start zero, B = C = 1, S = 3, data B^ = 1 - b: theta^(tau) = (1 - e^(-2 (1 - b) tau)) / (1 - b), G^ = -b theta^.

    Which bug this catches: a drive of zero at some time, other defaults for kappa and the prior, an edge 4 beta tau = 1 left out."""
    def statistics(b):
        return dn.Statistics(*(torch.tensor(v, dtype=torch.float64) for v in ([[b]], [[1.0]], 3.0)))

    b, rate, tau = 0.25, 0.75, torch.tensor([[0.0, 0.5], [1.0, 7.0]], dtype=torch.float64)
    c = dn.certificate(dn.GradientFlow(statistics(1.0)), statistics(rate), tau)
    grown = -torch.expm1(-2 * rate * tau) / (2 * rate)
    drive = (b / rate) ** 2 * (tau - 2 * grown - torch.expm1(-4 * rate * tau) / (4 * rate))
    torch.testing.assert_close(c.drive, drive, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(c.gap, (2 * grown + torch.expm1(-2 * tau)) ** 2, rtol=1e-10, atol=1e-14)
    rho = 1 / (1 + 4 * tau)
    torch.testing.assert_close(c.rho, rho, rtol=1e-10, atol=0)
    assert float(c.minimum) == pytest.approx(2) and float(c.beta) == b and float(c.gamma) == 0
    torch.testing.assert_close(c.bound_a, 2 + (rho.sqrt() + drive.sqrt()) ** 2, rtol=1e-10, atol=0)
    bound_b = torch.where(tau <= 1, 2 + 1.75**2 * rho, math.inf)  # at tau = 1 just 4 beta tau = 1
    torch.testing.assert_close(c.bound_b, bound_b, rtol=1e-10, atol=0)
    assert torch.equal(c.divergence, c.bound_a)
    half = dn.certificate(dn.GradientFlow(statistics(1.0)), statistics(rate), 1.0, kl_factor=0.5, prior_kl=0.25)
    assert half.tau.shape == half.drive.shape == () and float(half.divergence) == pytest.approx(float(c.bound_a[1, 0]) / 2 + 0.25)
    for times in (0.0, [0.0, 0.0], []):
        c = dn.certificate(dn.GradientFlow(statistics(1.0)), statistics(rate), times)
        assert c.drive.tolist() == torch.zeros_like(c.tau).tolist() and c.tau.shape == torch.as_tensor(times).shape
    with pytest.raises(ValueError, match=r"^prior_kl: got -0.5; allowed: "):
        dn.certificate(dn.GradientFlow(statistics(1.0)), statistics(rate), 1.0, prior_kl=-0.5)


def test_the_gap_is_never_negative():
    """Which bug this catches: a NaN in the root of the gap where only the data teach a direction, one of eigenvalue zero up to rounding."""
    negative = 0
    for seed in range(20):
        v, w = torch.linalg.qr(dn.normal(np.random.default_rng(seed), (4, 4)))[0][:, :2].T
        B, C, S = torch.outer(v, v), v[None], torch.tensor(2.0, dtype=torch.float64)
        data = dn.Statistics(B + torch.outer(w, w), (v + w)[None], 3 * S)
        c = dn.certificate(dn.GradientFlow(dn.Statistics(B, C, S)), data, [0.5, 3.0])
        assert (c.gap >= 0).all() and (c.gap < 1e-14).all()
        negative += float(w @ B @ w) < 0
    assert negative > 0


@pytest.mark.parametrize("radius", [0.1, 0.5, 3.0])
def test_corollary_1_in_closed_form(radius):
    """Every constant for three features of two inputs and a two-dimensional embedding, under a weight of two; K by scipy.

    Which bug this catches: a gamma that is a bound only since it is far too large, the embedding's largest entry for its size."""
    W = torch.tensor([[0.5, 0.1], [-0.25, 0.0], [0.0, 0.3]], dtype=torch.float64)
    U = torch.tensor([[-0.3, 0.1], [0.2, -0.55], [0.0, 0.7 + 5e-7]], dtype=torch.float64)  # rows of norm one, the last up to rounding
    for embedding in (2, 1):
        phi = dn.RandomFeatures(W, U[:, :embedding], SDE.T)
        bound = dn.sample_bound(phi, SDE, lambda t: 2 * torch.ones_like(t), 0.1, radius=radius, n=25, delta=0.05)

        def integrand(t, embedding=embedding):
            size = dn.cosine_embedding(torch.tensor([t], dtype=torch.float64), SDE.T, embedding).abs().max()
            return 2 * (max(float(SDE.scale(t)) * radius, float(size)) ** 2 + float(SDE.std(t)) ** 2) / (SDE.T - 0.1)

        q, omega = 1 + math.sqrt(math.log(40) / 2), math.sqrt((0.25 + 0.01 + 0.0625 + 0.09) / 3)
        assert bound.K == pytest.approx(scipy.integrate.quad(integrand, 0.1, SDE.T, limit=400)[0], rel=1e-3)
        assert bound.q == pytest.approx(q) and bound.beta == pytest.approx(bound.K * q / 5) and bound.gamma == pytest.approx(2 * omega * q / 5)
        assert bound.tau == pytest.approx(5 / (4 * bound.K * q))


@pytest.mark.parametrize(("W", "U"), [([[0.8]], [[-0.4]]), ([[-0.8]], [[0.4]]), ([[0.6, 0.6]], [[0.0]]), ([[0.0]], [[0.6, 0.6]]), ([[0.5]], [[0.5 + 1e-5]])])
def test_rows_longer_than_one_are_refused(W, U):
    features = dn.RandomFeatures(torch.tensor(W, dtype=torch.float64), torch.tensor(U, dtype=torch.float64), SDE.T)
    with pytest.raises(ValueError, match=r"^features: got 1.*; allowed: rows"):
        dn.sample_bound(features, SDE, SDE.std, 0.1, radius=1.0, n=9, delta=0.1)


@pytest.mark.parametrize(("name", "value"), [("delta", 0.0), ("delta", -0.5), ("radius", -0.5), ("t_min", 0.0), ("t_min", SDE.T), ("t_min", -0.5)])
def test_the_corollary_s_numbers_have_their_ranges(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: got {value}; allowed: "):
        dn.sample_bound(PHI, SDE, SDE.std, **dict(t_min=0.1, radius=1.0, n=9, delta=0.1) | {name: value})


def test_power_law():
    x = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    y = torch.stack([3 * x**-1.4, 2 * x**-1.6])
    slope, spread = bounds.power_law(x, y)
    assert slope == pytest.approx(-1.5) and spread == pytest.approx(2 * 0.1 * 2**0.5 / 2**0.5)


FLOW, DATA = setting(0, 3, 2, 4, True)
PHI = dn.RandomFeatures.draw(4, 1, SDE.T, np.random.default_rng(0))


@pytest.mark.parametrize("call, name", [
    (lambda: dn.certificate(DATA, DATA, TAU), "flow"), (lambda: dn.certificate(FLOW, FLOW, TAU), "data"),
    (lambda: dn.certificate(FLOW, DATA, -1.0), "tau"), (lambda: dn.certificate(FLOW, DATA, float("nan")), "tau"),
    (lambda: dn.certificate(FLOW, DATA, 1.0, kl_factor=-1.0), "kl_factor"), (lambda: dn.certificate(FLOW, DATA, 1.0, prior_kl=float("inf")), "prior_kl"),
    (lambda: dn.certificate(FLOW, setting(0, 4, 2, 4, True)[1], 1.0), "data.C"),
    (lambda: dn.sample_bound(PHI, SDE, SDE.std, 0.01, radius=4.0, n=0, delta=0.1), "n"), (lambda: dn.sample_bound(PHI, SDE, SDE.std, 0.01, radius=4.0, n=9, delta=1.0), "delta"),
    (lambda: dn.sample_bound(dn.RandomFeatures(2 * PHI.W, PHI.U, SDE.T), SDE, SDE.std, 0.01, radius=4.0, n=9, delta=0.1), "features"),
    (lambda: dn.sample_bound(PHI, SDE, SDE.std, 0.01, radius=4.0, n=9, delta=0.1).loss(dn.GradientFlow(FLOW.statistics, torch.ones(2, 3, dtype=torch.float64))), "flow.theta0"),
    (lambda: bounds.power_law([1.0, 2.0], [[1.0, 2.0]]), "y"), (lambda: bounds.power_law([1.0, -2.0], [[1.0, 2.0]] * 2), "x"),
    (lambda: dn.GaussianMixture.empirical(torch.zeros(0, 1, dtype=torch.float64)), "x"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_data_that_teaches_nothing_and_a_weight_of_zero():
    """No eigenvalue of the data's B sets a time scale; the bound is then that of a network that stays where it is."""
    zero, C, S = torch.zeros(3, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    flow = dn.GradientFlow(dn.Statistics(torch.eye(3, dtype=torch.float64), torch.ones_like(C), 3 * S))
    result = dn.certificate(flow, dn.Statistics(zero, C, S), [0.0, 1.0, 2.0])
    torch.testing.assert_close(result.loss, torch.full((3,), 3.0, dtype=torch.float64))  # Theta stays at zero
    torch.testing.assert_close(result.drive, torch.tensor([0.0, 3.0, 6.0], dtype=torch.float64))  # |C|^2 tau
    phi, sde = dn.RandomFeatures.draw(4, 1, 5.0, np.random.default_rng(0)), dn.OU()
    with pytest.raises(ValueError, match=r"^weighting: got 0; allowed: a function of t that is not zero"):
        dn.sample_bound(phi, sde, torch.zeros_like, 0.1, radius=1.0, n=10, delta=0.1)
