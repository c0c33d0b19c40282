"""Denoisers against the posterior mean of a Gaussian mixture, which every convention's exact network must give at every level."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffnotes as dn

F64 = torch.float64
WEIGHTS, MEANS, STD = torch.tensor([0.3, 0.7], dtype=F64), torch.tensor([[-1.0, 0.5, 0.0], [1.0, 0.0, 0.3]], dtype=F64), 0.4
TARGET = dn.GaussianMixture.isotropic(WEIGHTS, MEANS, STD)
SIGMAS = [0.002, 0.05, 0.7, 3.0, 80.0]
PREDICTIONS = ("epsilon", "sample", "v_prediction")


def exact(y, sigma):
    """E[x0 | y] for y [b, 3] and sigma [b] or a number, by Bayes's rule from the components: no score in it."""
    sigma = torch.as_tensor(sigma, dtype=y.dtype).expand(len(y))[:, None]
    weights, means = WEIGHTS.to(y), MEANS.to(y)
    share = torch.softmax(weights.log() - ((y[:, None] - means) ** 2).sum(-1) / (2 * (STD**2 + sigma**2)), -1)
    within = means + STD**2 / (STD**2 + sigma**2)[..., None] * (y[:, None] - means)
    return (share[..., None] * within).sum(1)


def noisy(sigma, n=16, seed=0, dtype=F64):
    rng = np.random.default_rng(seed)
    return (TARGET.sample(n, rng) + sigma * dn.normal(rng, (n, 3))).to(dtype)


def discrete_model(a, prediction):
    """x and index [b] -> what the network predicts: written from x0 and z, whose mean given x they are."""
    a = torch.as_tensor(a, dtype=F64)

    def model(x, k):
        assert k.dtype == torch.int64 and k.shape == (len(x),)
        signal = a[k].sqrt().to(x.dtype)[:, None]
        noise = (1 - a[k]).sqrt().to(x.dtype)[:, None]
        x0 = exact(x / signal, (noise / signal)[:, 0])
        z = (x - signal * x0) / noise
        return {"epsilon": z, "sample": x0, "v_prediction": signal * z - noise * x0}[prediction]

    return model


def path_model(data_at, s=0.0):
    def model(x, t):
        u = (t if data_at else 1 - t)[:, None]
        std = 1 - (1 - s) * u
        x0 = exact(x / u, (std / u)[:, 0])
        forwards = x0 - (1 - s) * (x - u * x0) / std
        return forwards if data_at else -forwards

    return model


BETAS = {"linear": np.linspace(1e-4, 0.02, 1000), "short": np.linspace(0.01, 0.6, 12)}
SCHEDULES = {name: np.cumprod(1 - betas) for name, betas in BETAS.items()} | {
    "cosine": np.cos(np.linspace(0.001, 0.999, 100) * np.pi / 2) ** 2}


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_discrete_network_is_the_posterior_mean_at_its_levels(schedule, prediction):
    a = SCHEDULES[schedule]
    denoiser = dn.Denoiser.of_discrete(discrete_model(a, prediction), a, prediction)
    assert denoiser.levels.tolist() == pytest.approx([math.sqrt((1 - v) / v) for v in a], rel=1e-12)
    for sigma in denoiser.levels[::max(1, len(a) // 111)].tolist():  # the last among them
        y = noisy(sigma, 4)
        torch.testing.assert_close(denoiser(y, sigma), exact(y, sigma), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("sde", [dn.OU(), dn.VP(), dn.VE(), dn.Karras(), dn.Standardised(dn.OU(), 2.0)], ids=repr)
def test_a_score_is_the_posterior_mean_over_its_whole_range(sde):
    denoiser = dn.Denoiser.of_score(TARGET.diffused(sde).score, sde, 1e-3)
    ends = [float(sde.std(t) / sde.scale(t)) for t in (1e-3, sde.T)]
    assert (denoiser.low, denoiser.high) == pytest.approx(ends) and denoiser.levels is None
    for sigma in np.geomspace(*ends, 12):
        y = noisy(sigma)
        torch.testing.assert_close(denoiser(y, sigma), exact(y, sigma), rtol=1e-5, atol=1e-8)
        torch.testing.assert_close(denoiser.score(y, sigma), TARGET.diffused(dn.Karras(200.0)).score(y, min(sigma, 200.0)), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_denoisers_raw_networks_and_velocities_are_the_posterior_mean(sigma):
    edm = lambda s: (1 / math.hypot(s, 0.5), math.log(s) / 4, 0.25 / (s**2 + 0.25), 0.5 * s / math.hypot(s, 0.5))  # noqa: E731

    def raw(x, c_noise):
        s = torch.exp(4 * c_noise)[:, None]
        y = x * torch.hypot(s, torch.full_like(s, 0.5))
        return (exact(y, s[:, 0]) - 0.25 / (s**2 + 0.25) * y) / (0.5 * s / torch.hypot(s, torch.full_like(s, 0.5)))

    y = noisy(sigma)
    for denoiser in (dn.Denoiser(exact, 0.002, 80.0), dn.Denoiser(raw, 0.002, 80.0, preconditioning=edm),
                     dn.Denoiser.of_velocity(path_model(0), data_at=0), dn.Denoiser.of_velocity(path_model(1), data_at=1),
                     dn.Denoiser.of_velocity(path_model(1, 1e-3), data_at=1, sigma_min=1e-3),
                     dn.Denoiser.of_velocity(path_model(0, 1e-3), data_at=0, sigma_min=1e-3)):
        torch.testing.assert_close(denoiser(y, sigma), exact(y, sigma), rtol=1e-5, atol=1e-8)


def test_a_path_of_flow_matching_is_lipmans():
    """The velocity is the time derivative of the path, and what the network sees is a point of it."""
    s, sigma, seen = 0.05, 0.7, []
    x0, z = (dn.normal(np.random.default_rng(k), (5, 2)) for k in (1, 2))

    def at(t):
        return (1 - (1 - s) * t) * z + t * x0

    def velocity(x, t):
        seen.append(t)
        torch.testing.assert_close(x, at(t[:, None]))
        return (at(t[:, None] + 1e-4) - at(t[:, None] - 1e-4)) / 2e-4

    denoiser = dn.Denoiser.of_velocity(velocity, data_at=1, sigma_min=s, low=s)
    torch.testing.assert_close(denoiser(x0 + sigma * z, sigma), x0)
    torch.testing.assert_close(denoiser(x0 + s * z, s), x0)
    torch.testing.assert_close(seen[1], torch.ones(5, dtype=F64))
    backwards = dn.Denoiser.of_velocity(lambda x, t: -velocity(x, 1 - t), data_at=0, sigma_min=s, low=s)
    torch.testing.assert_close(backwards(x0 + sigma * z, sigma), x0)


@pytest.mark.parametrize("make, factor", [
    (lambda: dn.Denoiser(exact, 0.002, 80.0), 0.0), (lambda: dn.Denoiser.of_score(TARGET.to(dtype=torch.float32).diffused(dn.Karras()).score, dn.Karras(), 2e-3), 1.0),
    (lambda: dn.Denoiser.of_velocity(path_model(1), data_at=1), 1.0), (lambda: dn.Denoiser.of_discrete(discrete_model(SCHEDULES["linear"], "epsilon"), SCHEDULES["linear"]), 1.0),
])
def test_what_float32_loses(make, factor):
    """Up to 4e-7 of sigma, where D is a difference of numbers of its size, and 1e-6 of D itself."""
    denoiser = make()
    for sigma in denoiser.nearest(SIGMAS).tolist():
        y = noisy(sigma, 64, dtype=torch.float32)
        loss = (denoiser(y, sigma).double() - exact(y.double(), sigma)).abs().max()
        assert denoiser(y, sigma).dtype == torch.float32 and loss <= 1e-6 + factor * 5e-7 * sigma


def test_one_evaluation_at_a_level_and_two_between():
    a, calls = SCHEDULES["short"], []

    def model(x, k):
        calls.append(k[0].item())
        return k[:, None] * torch.ones_like(x)

    denoiser = dn.Denoiser.of_discrete(model, a, "sample")
    y = noisy(1.0)
    for k, sigma in enumerate(denoiser.levels.tolist()):
        for near in (sigma, float(np.float32(sigma))):
            calls.clear()
            assert (denoiser(y, near) == k).all() and calls == [k]
    low, high = denoiser.levels[3:5].tolist()
    calls.clear()
    torch.testing.assert_close(denoiser(y, low**0.75 * high**0.25), torch.full_like(y, 3.25))
    assert calls == [3, 4]


@given(st.floats(0.0, 1.0), st.integers(0, 10))
@settings(max_examples=25, deadline=None)
def test_between_levels_it_is_linear_in_log_sigma_and_nearest_is_nearest(share, k):
    denoiser = dn.Denoiser.of_discrete(discrete_model(SCHEDULES["short"], "epsilon"), SCHEDULES["short"])
    low, high = denoiser.levels[k:k + 2].tolist()
    sigma = min(max(low ** (1 - share) * high**share, low), high)
    y = noisy(1.0, 4)
    torch.testing.assert_close(denoiser(y, sigma), (1 - share) * exact(y, low) + share * exact(y, high), rtol=1e-5, atol=1e-5)
    distance = (denoiser.levels.log() - math.log(sigma)).abs()
    assert abs(math.log(denoiser.nearest(sigma) / sigma)) == pytest.approx(float(distance.min()), abs=1e-9)
    assert denoiser.nearest(sigma) in denoiser.levels.tolist()


def test_nearest_follows_its_argument():
    discrete = dn.Denoiser(exact, 1.0, 100.0, levels=[1.0, 10.0, 100.0])
    assert [discrete.nearest(s) for s in (1e-3, 3.1, 3.2, 31, 1e9)] == [1.0, 1.0, 10.0, 10.0, 100.0]
    given_ = torch.tensor([[2.0, 40.0]], dtype=torch.float32)
    assert torch.equal(discrete.nearest(given_), torch.tensor([[1.0, 100.0]])) and isinstance(discrete.nearest(2.0), float)
    every = dn.Denoiser(exact, 0.5, 2.0)
    assert torch.equal(every.nearest([0.1, 1.25, 9.0]), torch.tensor([0.5, 1.25, 2.0], dtype=F64)) and every.nearest(1.25) == 1.25


def test_events_of_any_shape_and_one_sigma_for_each_of_the_batch():
    for event in ((), (2,), (3, 4, 4)):
        def shrink(x, t, event=event):
            assert t.shape == (5,) and t.dtype == x.dtype and x.shape == (5, *event)
            return x / (1 + t**2).reshape(-1, *[1] * len(event))
        y = dn.normal(np.random.default_rng(0), (5, *event))
        torch.testing.assert_close(dn.Denoiser(shrink, 0.1, 10.0)(y, 2.0), y / 5)


def test_its_score_is_one_for_the_samplers():
    sde = dn.Karras(20.0)
    denoiser = dn.Denoiser(exact, 0.01, 20.0)
    t = sde.geometric_times(0.01, 40).flip(0)
    start = noisy(20.0)
    for run in (dn.probability_flow, lambda *args: dn.reverse_sde(*args, np.random.default_rng(3))):
        torch.testing.assert_close(run(denoiser.score, sde, start, t), run(TARGET.diffused(sde).score, sde, start, t), rtol=1e-6, atol=1e-8)
    there = dn.probability_flow(denoiser.score, sde, start, t)
    torch.testing.assert_close(dn.probability_flow(denoiser.score, sde, there, t.flip(0)), start, rtol=0.02, atol=0.02)


def test_no_gradients_and_scores_that_need_them_inside():
    weight = torch.tensor(2.0, dtype=F64, requires_grad=True)
    y, kept = noisy(1.0).requires_grad_(), []

    def model(x, t):
        kept.append(torch.is_grad_enabled())
        return weight * x

    for function in (model, torch.enable_grad()(lambda x, t: weight * x)):
        assert not dn.Denoiser(function, 0.1, 10.0)(y, 1.0).requires_grad
    assert kept == [False]
    a = torch.tensor([0.9, 0.5], dtype=F64, requires_grad=True)
    assert not dn.Denoiser.of_discrete(model, a).levels.requires_grad
    p = TARGET.diffused(dn.Karras())

    def of_energy(x, t):
        x = x.requires_grad_()
        return torch.autograd.grad(p.log_prob(x, t).sum(), x)[0]

    torch.testing.assert_close(dn.Denoiser.of_score(of_energy, dn.Karras())(y, 1.0), exact(y.detach(), 1.0))


def test_a_module_in_training_mode_is_refused():
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout()).to(F64)
    message = r"^{}: got a module in training mode; allowed: one in evaluation mode: call \.eval\(\) first"
    with pytest.raises(ValueError, match=message.format("model")):
        dn.Denoiser(net, 0.1, 10.0)
    with pytest.raises(ValueError, match=message.format("score")):
        dn.Denoiser.of_score(net.forward, dn.OU())
    with pytest.raises(ValueError, match=message.format("velocity")):
        dn.Denoiser.of_velocity(net, data_at=0)

    class OfTwo(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x, t):
            return self.net(x)

    net.eval()
    denoiser = dn.Denoiser(OfTwo().eval(), 0.1, 10.0)
    y = noisy(1.0)
    assert torch.equal(denoiser(y, 1.0), net(y))
    net[1].train()  # a part suffices
    with pytest.raises(ValueError, match=message.format("model")):
        denoiser(y, 1.0)


@pytest.mark.parametrize("returned, message", [
    (lambda x: x[:, :1], r"got shape \(16, 1\); allowed: shape \[16, 3\]"), (lambda x: x.float(), r"got dtype torch\.float32; allowed: dtype torch\.float64"),
    (lambda x: x.to("meta"), r"got device meta; allowed: device cpu"), (lambda x: torch.where(x == x[3, 1], math.nan, x), r"got nan; allowed: finite"),
    (lambda x: x / 0, r"got -?inf; allowed: finite"), (lambda x: None, "got NoneType"), (lambda x: (x, x), "got "),
])
def test_what_the_model_returns_is_checked_and_named_with_its_sigma(returned, message):
    if "nan" in message:  # a score's shape is named before
        with pytest.raises(ValueError, match=rf"^model\(x, t\) at sigma = 0.25: {message}"):
            dn.Denoiser.of_score(lambda x, t: returned(x), dn.OU())(noisy(1.0), 0.25)
    made = (dn.Denoiser(lambda x, t: returned(x), 0.1, 1.0), dn.Denoiser.of_velocity(lambda x, t: returned(x), data_at=0),
            dn.Denoiser.of_discrete(lambda x, t: returned(x), [0.9, 0.8]))
    for denoiser, sigma in zip(made, (0.25, 0.25, 0.5), strict=True):
        with pytest.raises(ValueError, match=rf"^model\(x, t\) at sigma = {sigma}: {message}"):
            denoiser(noisy(1.0), sigma)
    with pytest.raises(ValueError, match=message):
        dn.Denoiser.of_score(lambda x, t: returned(x), dn.OU())(noisy(1.0), 0.25)


@pytest.mark.parametrize("call, name", [
    (lambda: dn.Denoiser(3, 0.1, 1.0), "model"), (lambda: dn.Denoiser(exact, 0.0, 1.0), "low"), (lambda: dn.Denoiser(exact, 0.1, 0.05), "high"),
    (lambda: dn.Denoiser(exact, 0.1, 1.0, preconditioning=1), "preconditioning"),
    (lambda: dn.Denoiser(exact, 0.1, 1.0, levels=[0.1, 0.5, 0.5, 1.0]), "levels"), (lambda: dn.Denoiser(exact, 0.1, 1.0, levels=[0.2, 1.0]), "levels"),
    (lambda: dn.Denoiser(exact, 0.1, 1.0, levels=[0.1, 0.9]), "levels"), (lambda: dn.Denoiser(exact, 0.1, 1.0, levels=[]), "levels"),
    (lambda: dn.Denoiser.of_discrete(exact, [0.9, 0.95]), "alphas_cumprod"), (lambda: dn.Denoiser.of_discrete(exact, [0.9, 0.9]), "alphas_cumprod"),
    (lambda: dn.Denoiser.of_discrete(exact, [1.1, 0.9]), "alphas_cumprod"), (lambda: dn.Denoiser.of_discrete(exact, [1.0, 0.9]), "alphas_cumprod"),
    (lambda: dn.Denoiser.of_discrete(exact, [0.9, 0.0]), "alphas_cumprod"), (lambda: dn.Denoiser.of_discrete(exact, [0.9, math.nan]), "alphas_cumprod"),
    (lambda: dn.Denoiser.of_discrete(exact, [0.9, 0.5], "flow_prediction"), "prediction"),
    (lambda: dn.Denoiser.of_score(exact, 3), "sde"), (lambda: dn.Denoiser.of_score(exact, dn.OU(), 0.0), "t_min"), (lambda: dn.Denoiser.of_score(exact, dn.OU(), 5.0), "t_min"),
    (lambda: dn.Denoiser.of_velocity(exact, data_at=2), "data_at"), (lambda: dn.Denoiser.of_velocity(exact, data_at=0, sigma_min=1.0), "sigma_min"),
    (lambda: dn.Denoiser.of_velocity(exact, 0.01, data_at=0, sigma_min=0.02), "low"),
    *((lambda sigma=sigma: dn.Denoiser(exact, 0.1, 10.0)(noisy(1.0), sigma), "sigma") for sigma in (0.0999, 10.01, 0, -1.0, math.nan, "x", None)),
    (lambda: dn.Denoiser(exact, 0.1, 10.0)(noisy(1.0).half(), 1.0), "y"), (lambda: dn.Denoiser(exact, 0.1, 10.0)(math.nan * noisy(1.0), 1.0), "y"),
    (lambda: dn.Denoiser(exact, 0.1, 10.0)(torch.tensor(1.0), 1.0), "y"), (lambda: dn.Denoiser(exact, 0.1, 10.0).nearest([1.0, 0.0]), "sigma"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_what_rounding_put_beyond_an_end_is_at_the_end():
    denoiser, y = dn.Denoiser(lambda x, t: t[:, None].expand_as(x), 0.1, 0.7), noisy(1.0)
    for end in (0.1, 0.7):
        for sigma in (end, torch.tensor(end, dtype=torch.float32), np.nextafter(end, 1), np.nextafter(end, 0)):
            torch.testing.assert_close(denoiser(y, sigma), torch.full_like(y, end), rtol=1e-6, atol=0)
        assert (denoiser(y, end * (1 + 5e-7)) <= 0.7).all() and (denoiser(y, end * (1 + (5e-7 if end < 0.5 else -5e-7))) >= 0.1).all()
