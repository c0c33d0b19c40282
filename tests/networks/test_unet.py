"""The U-Net: its start is known, its gradient is that of the loss, its replicas do not meet, and it learns."""

import numpy as np
import pytest
import torch

import diffnotes as dn

SDE = dn.VE()


def draw(R=1, side=8, seed=0, sde=SDE, **kwargs):
    kwargs = dict(channels=(4, 8), frequencies=3, dtype=torch.float64) | kwargs
    return dn.UNet.draw(side, sde, [np.random.default_rng([seed, k]) for k in range(R)], **kwargs)


def disturbed(net, size=0.3, seed=5):
    """The network away from its start, where the output layer is zero."""
    return net.with_theta(net.theta + size * dn.normal(np.random.default_rng(seed), tuple(net.theta.shape)))


def batch(R=2, N=5, d=64, seed=3):
    rng = np.random.default_rng(seed)
    return dn.normal(rng, (R, N, d)), 0.1 + 0.8 * dn.uniform(rng, (R, N)), dn.normal(rng, (R, N, d))


@pytest.mark.parametrize("patch", [1, 2])
def test_it_starts_as_an_isotropic_gaussians_score(patch):
    net, (x, t, _) = draw(2, data_std=0.7, patch=patch), batch()
    gaussian = dn.GaussianMixture.isotropic(torch.ones(1, dtype=x.dtype), torch.zeros(1, 64, dtype=x.dtype), 0.7).diffused(SDE)
    assert torch.allclose(net.score(x, t), gaussian.score(x, t), rtol=1e-12)
    assert (draw(2).score(x, t) == 0).all()
    assert torch.allclose(net.prior.log_prob(x), gaussian.log_prob(x, SDE.T))
    alone = torch.distributions.Normal(0.0, SDE.std(1.0).item())
    assert torch.allclose(draw().prior.log_prob(x), alone.log_prob(x).sum(-1))


@pytest.mark.parametrize("data_std", [None, 0.7])
@pytest.mark.parametrize("side", [8, 7])
def test_gradient_is_that_of_the_denoising_loss(data_std, side):
    net = disturbed(draw(2, side=side, data_std=data_std))
    x0, t, noise = batch(d=side**2)
    seen = net.inputs(SDE.perturb(x0, t, noise).mT, t)
    loss, gradient = net.gradient(seen, noise.mT)
    expected = lambda net: dn.denoising_loss(net.score, SDE, x0, t, noise).mean(1)  # noqa: E731
    assert torch.allclose(loss, expected(net), rtol=1e-12)
    step = dn.normal(np.random.default_rng(8), tuple(net.theta.shape))
    slope = (expected(net.with_theta(net.theta + 1e-5 * step)) - expected(net.with_theta(net.theta - 1e-5 * step))) / 2e-5
    assert torch.allclose((gradient * step).sum(1), slope, rtol=1e-6)


def test_every_parameter_is_used():
    net, (x, t, noise) = disturbed(draw(side=16, channels=(4, 8, 8), patch=2, data_std=0.5)), batch(1, d=256)
    gradient = net.gradient(net.inputs(x.mT, t), noise.mT)[1][0]
    for name, piece in zip(net._shapes, gradient.split([int(np.prod(s)) for s in net._shapes.values()]), strict=True):
        assert (piece != 0).any(), name


def with_modules(net, x, t):
    """The same network once more, from torch.nn's modules: an independent reading of its description."""
    pieces = net.theta[0].split([int(np.prod(shape)) for shape in net._shapes.values()])
    p = {name: piece.view(shape) for (name, shape), piece in zip(net._shapes.items(), pieces, strict=True)}
    time = torch.cat([torch.sin(2 * torch.pi * net.omega * t[:, None]), torch.cos(2 * torch.pi * net.omega * t[:, None])], 1)
    time = torch.nn.functional.silu(time @ p["time weight"].T + p["time bias"])

    def block(name, image, stride):
        weight = p[f"{name} weight"]
        conv = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, stride, 1, bias=False)
        norm = torch.nn.GroupNorm(weight.shape[0] // 4, weight.shape[0])
        conv.weight.data, norm.weight.data, norm.bias.data = weight, p[f"{name} scale"], p[f"{name} offset"]
        return torch.nn.SiLU()(norm(conv(image) + (time @ p[f"{name} shift"].T + p[f"{name} bias"])[:, :, None, None]))

    image = torch.nn.PixelUnshuffle(net.patch)(x.view(-1, 1, net.side, net.side))
    fine = block("down 0", image, 1)
    middle = block("down 1", fine, 2)
    coarse = block("down 2", middle, 2)
    up = lambda image, skip: torch.cat([torch.nn.Upsample(size=skip.shape[-2:])(image), skip], 1)  # noqa: E731
    image = block("up 0", up(block("up 1", up(coarse, middle), 1), fine), 1)
    out = torch.nn.functional.conv2d(image, p["out weight"], p["out bias"], padding=1)
    return torch.nn.PixelShuffle(net.patch)(out).flatten(1)


@pytest.mark.parametrize("patch", [1, 2])
def test_the_network_is_what_its_description_says(patch):
    net = disturbed(draw(side=12, channels=(8, 4, 12), patch=patch))
    rng = np.random.default_rng(11)
    x, t = dn.normal(rng, (3, 144)), 0.1 + 0.8 * dn.uniform(rng, (3,))
    assert torch.allclose(net.score(x, t) * SDE.std(t)[:, None], with_modules(net, x, t), rtol=1e-9, atol=1e-12)


def test_the_preconditioned_score_is_the_docstrings_formula():
    """-x / (c + std^2) + sqrt(c) / (std sqrt(c + std^2)) F(x / sqrt(c + std^2), t), away from the start, where F is zero."""
    net = disturbed(draw(side=12, channels=(8, 4, 12), data_std=0.7))
    rng = np.random.default_rng(11)
    x, t = 3 * dn.normal(rng, (3, 144)), 0.1 + 0.8 * dn.uniform(rng, (3,))
    c, std = 0.49, SDE.std(t)[:, None]
    network = with_modules(net, x / (c + std**2).sqrt(), t)
    expected = -x / (c + std**2) + c**0.5 / (std * (c + std**2).sqrt()) * network
    assert torch.allclose(net.score(x, t), expected, rtol=1e-9, atol=1e-12) and network.abs().max() > 0.1


def test_what_is_not_given_is_the_chapters_network():
    """Four scales of 32 to 256 channels on whole pixels, sixteen frequencies of standard deviation 30, float32, no preconditioning."""
    given = dict(channels=(32, 64, 128, 256), patch=1)
    net = dn.UNet.draw(8, SDE, [np.random.default_rng(0)])
    said = dn.UNet.draw(8, SDE, [np.random.default_rng(0)], **given, data_std=None, frequencies=16, frequency_std=30.0, dtype=torch.float32)
    assert torch.equal(net.theta, said.theta) and torch.equal(net.omega, said.omega) and net.data_std is None
    again = dn.UNet(net.theta, net.omega, SDE, 8)
    assert (again.channels, again.patch, again.data_std, net.channels, net.patch) == (*given.values(), None, *given.values())


def test_the_limits_of_arguments_belong_to_them():
    assert draw(frequency_std=0.0).omega.abs().max() == 0 and draw(frequency_std=1e6).omega.abs().max() > 1e5
    net, x = disturbed(draw(side=4, channels=(4, 4, 4))), torch.ones(2, 16, dtype=torch.float64)  # from 4 pixels a side to 1
    assert net.score(x, SDE.T).isfinite().all()
    assert draw(side=4, patch=4, channels=(4,)).score(x, 0.5).shape == (2, 16)
    assert draw(side=4, sde=dn.OU(), channels=(4,)).score(x, 0.5).shape == (2, 16)  # any scale, without preconditioning


def test_initial_values():
    net = draw(20, side=16, channels=(4, 8), frequencies=40)
    sizes = [int(np.prod(shape)) for shape in net._shapes.values()]
    for (name, shape), piece in zip(net._shapes.items(), net.theta.split(sizes, 1), strict=True):
        if name.endswith("scale"):
            assert (piece == 1).all()
        elif name.startswith("out") or name.endswith(("bias", "offset")):
            assert (piece == 0).all()
        else:
            bound = np.prod(shape[1:]) ** -0.5
            assert 0.95 * bound < piece.abs().max() <= bound and abs(piece.std() / bound - 3**-0.5) < 0.02, name
    assert abs(net.omega.std() - 30) < 3 and torch.allclose(draw(20, side=16, frequencies=40, frequency_std=3.0).omega * 10, net.omega)


def test_images_keep_their_places():
    """A change in one corner reaches neighbours only: patches are put back where they came from."""
    net = disturbed(draw(side=32, channels=(4,), patch=2, data_std=0.5))  # one scale: no long range but GroupNorm's
    x = dn.normal(np.random.default_rng(0), (1, 1024))
    moved = x.clone()
    moved[0, 0] += 1.0
    change = (net.score(moved, 0.5) - net.score(x, 0.5))[0].abs().view(32, 32)
    assert change[:6, :6].max() > 20 * change[8:, 8:].max(), (change[:6, :6].max(), change[8:, 8:].max())


def test_the_score_depends_on_time_through_the_features_too():
    net, (x, _, _) = disturbed(draw()), batch(1)
    assert (net.score(x, 0.3) * SDE.std(0.3) - net.score(x, 0.6) * SDE.std(0.6)).abs().max() > 1e-3


def test_replicas_do_not_meet():
    net, (x, t, _) = disturbed(draw(3)), batch(3)
    assert torch.allclose(net[1:2].score(x[1:2], t[1:2]), net.score(x, t)[1:2], rtol=1e-12)
    assert torch.allclose(net.score(x[0], t[0])[2], net[2:].score(x[0], t[0]), rtol=1e-12)
    alone, together = ([list(dn.train(draw(R), x[:R], [np.random.default_rng([9, k]) for k in range(R)], dn.Adam(0.01), epochs=3,
                                      batch=2, progress=False))[-1] for R in (1, 3)])
    assert torch.allclose(alone.net.theta[0], together.net.theta[0], rtol=1e-10)
    assert torch.allclose(alone.loss[0], together.loss[0], rtol=1e-10)


def test_training_holds_data_to_their_shape():
    with pytest.raises(ValueError, match=r"^data: got shape \(1, 5, 63\)"):
        dn.train(draw(), torch.zeros(1, 5, 63), [np.random.default_rng(0)], dn.Adam(0.1), epochs=1)


def test_a_replica_that_diverges_leaves_the_others_alone():
    net, (x, _, _) = draw(2), batch(2)
    spoilt = net.with_theta(torch.cat([torch.full_like(net.theta[:1], torch.nan), net.theta[1:]]))
    last = list(dn.train(spoilt, x, [np.random.default_rng(k) for k in range(2)], dn.Adam(0.01), epochs=2, progress=False))[-1]
    assert last.loss.isnan().tolist() == [True, False] and last.net.theta[1].isfinite().all()


@pytest.mark.parametrize("kwargs", [{"channels": (6,)}, {"channels": (4, 6)}, {"channels": ()}, {"channels": (4,) * 5}, {"channels": (4, 4, 4), "side": 3}, {"patch": 3}, {"patch": 0}, {"side": 0},
                                    {"data_std": 0.0}, {"frequencies": 0}, {"frequency_std": -1.0}, {"frequency_std": 1e6 + 0.5}, {"sde": dn.OU(), "data_std": 0.5}])
def test_bad_networks(kwargs):
    with pytest.raises(ValueError, match=f"^{next(iter(kwargs))}: got"):
        draw(**kwargs)


@pytest.mark.parametrize(("name", "x", "t"), [("x", torch.zeros(3, 63), 0.5), ("x", torch.zeros(3, 2, 64), 0.5), ("t", torch.zeros(3, 64), 0.0),
                                              ("t", torch.zeros(3, 64), 1.5), ("t", torch.zeros(3, 64), torch.full((4,), 0.5).double())])
def test_bad_points(name, x, t):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        draw().score(x.double(), t)


def test_images_are_rows():
    for images in (torch.zeros(3, 1, 8, 8), torch.zeros(3, 8, 8), torch.zeros(64)):
        with pytest.raises(ValueError, match=r"^x: got shape .*; allowed: shape \[N, 64\] or \[1, N, 64\]; an image is a row: x.flatten\(1\)$"):
            draw().score(images.double(), 0.5)


def test_precision_and_finite_replicas():
    net, (x, t, _) = disturbed(draw(2, data_std=0.5)), batch()
    single = net.to(torch.float32)
    assert single.theta.dtype == single.omega.dtype == torch.float32 and single.data_std == 0.5
    assert torch.allclose(single.score(x.float(), t.float()).double(), net.score(x, t), rtol=1e-3, atol=1e-3)
    spoilt = net.with_theta(torch.cat([net.theta[:1] * torch.inf, net.theta[1:]]))
    assert spoilt.finite().tolist() == [False, True] and torch.equal(spoilt[spoilt.finite()].theta, net.theta[1:])


def test_bad_parameters():
    net = draw()
    with pytest.raises(ValueError, match=r"^theta: got shape"):
        net.with_theta(net.theta[:, 1:])
    with pytest.raises(ValueError, match=r"^sde: got str"):
        dn.UNet(net.theta, net.omega, "VE", 8, channels=(4, 8))


def test_training_leaves_the_gaussian_start_far_behind():
    """Two images and their noise: the start, an isotropic Gaussian, does not know where they are, the network learns it."""
    rng = np.random.default_rng(1)
    two = 2 * dn.normal(rng, (2, 16))
    start = draw(side=4, channels=(8, 8), data_std=2.0, dtype=torch.float32)
    optimiser = dn.Adam(lambda epoch: 0.02 * (1 - epoch / 151))
    last = list(dn.train(start, two.repeat(32, 1)[None].float(), [np.random.default_rng(2)], optimiser, epochs=150, decay=0.9,
                         progress=False))[-1]
    t, noise, x0 = (torch.arange(400, dtype=torch.float64) + 0.5) / 400, dn.normal(rng, (400, 16)), two[torch.arange(400) % 2]

    def loss(score, dtype=torch.float32):
        return dn.denoising_loss(score, SDE, x0[None].to(dtype), t[None].to(dtype), noise[None].to(dtype)).mean().item()

    optimal = loss(dn.GaussianMixture.empirical(two).diffused(SDE).score, torch.float64)
    assert optimal < loss(last.average.score) < loss(start.score) / 3


def test_jvp_gives_the_divergence():
    """Forward-mode differentiation, which the likelihood uses, agrees with the Jacobian's trace."""
    net = disturbed(draw(side=4, channels=(4,), data_std=0.5))
    x = dn.normal(np.random.default_rng(0), (1, 1, 16))
    jacobian = torch.autograd.functional.jacobian(lambda y: net.score(y.view(1, 1, 16), 0.4).flatten(), x.flatten())
    trace = sum(torch.func.jvp(lambda y: net.score(y, 0.4), (x,), (e.view(1, 1, 16),))[1].flatten() @ e for e in torch.eye(16, dtype=x.dtype))
    assert torch.allclose(trace, jacobian.trace(), rtol=1e-10)
