"""Denoisers of networks of the library diffusers, against the library's own schedulers and pipelines."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import diffnotes as dn

diffusers = pytest.importorskip("diffusers")
F64 = torch.float64
STD = 0.5
PREDICTIONS = ("epsilon", "sample", "v_prediction")
SHAPE = (3, 2, 8, 8)
KINDS = [("DDPMScheduler", {}), ("DDIMScheduler", dict(beta_schedule="scaled_linear")), ("DPMSolverMultistepScheduler", dict(beta_schedule="squaredcos_cap_v2")),
         ("PNDMScheduler", {}), ("UniPCMultistepScheduler", {}), ("EulerDiscreteScheduler", {}), ("DEISMultistepScheduler", {})]


def images(seed, dtype=F64):
    return dn.normal(np.random.default_rng(seed), SHAPE, dtype=dtype)


def exact(y, sigma):
    """E[x0 | y] for data N(0.2, STD^2)."""
    share = STD**2 / (STD**2 + sigma**2)
    return 0.2 + share * (y - 0.2)


def like(value, x):
    return value.to(x).reshape(-1, *[1] * (x.ndim - 1))


def exact_network(scheduler, prediction):
    """Exact for ``scheduler.add_noise``, from the mean of x0 and z given x; as networks do, it returns an object with ``sample``."""
    def model(x, k):
        signal, noise = (like(part(scheduler.alphas_cumprod.double()[k]), x) for part in (torch.sqrt, lambda a: (1 - a).sqrt()))
        x0 = exact(x / signal, noise / signal)
        z = (x - signal * x0) / noise
        return SimpleNamespace(sample={"epsilon": z, "sample": x0, "v_prediction": signal * z - noise * x0}[prediction])
    return model


def made(name, **settings):
    return getattr(diffusers, name)(**settings)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name, settings", KINDS, ids=[name for name, _ in KINDS])
def test_every_level_of_a_discrete_scheduler(name, settings, prediction):
    scheduler = made(name, num_train_timesteps=200, prediction_type=prediction, **settings)
    denoiser = dn.Denoiser.of_diffusers(exact_network(scheduler, prediction), scheduler)
    assert len(denoiser.levels) == 200
    for sigma in denoiser.levels.tolist():
        y = 0.2 + math.hypot(STD, sigma) * images(0)
        torch.testing.assert_close(denoiser(y, sigma), exact(y, sigma), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_what_the_network_sees_is_what_the_scheduler_makes(name):
    """add_noise as in training: the same x at the same timestep as from y = x0 + sigma z."""
    scheduler, x0, z = made(name), images(0), images(1)
    seen = []
    denoiser = dn.Denoiser.of_diffusers(lambda x, k: (seen.append((x, k)), (x,))[1], scheduler)
    for k in (0, 17, 500, 999):
        sigma = denoiser.levels[k].item()
        denoiser(x0 + sigma * z, sigma)
        x, index = seen[-1]
        assert index.tolist() == [k] * 3
        made_ = DDPM.add_noise(x0, z, index) if hasattr(scheduler, "set_begin_index") else scheduler.add_noise(x0, z, index)
        torch.testing.assert_close(x, made_, rtol=1e-6, atol=1e-6)


DDPM = made("DDPMScheduler")  # the others' add_noise looks times up in their steps for sampling


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler"])
def test_the_schedulers_own_step_denoises_likewise(name, prediction):
    scheduler = made(name, prediction_type=prediction, clip_sample=False)
    scheduler.set_timesteps(1000)
    net = unet(F64)
    denoiser = dn.Denoiser.of_diffusers(net, scheduler)
    for k in (0, 3, 400, 999):
        sigma = denoiser.levels[k].item()
        y = images(2) * sigma + images(3)
        x = y * scheduler.alphas_cumprod[k].double().sqrt()
        with torch.no_grad():
            step = scheduler.step(net(x, k).sample, k, x)
        torch.testing.assert_close(denoiser(y, sigma), step.pred_original_sample, rtol=1e-5, atol=1e-6 * (1 + sigma))


def unet(dtype=torch.float32, out=2, **settings):
    torch.manual_seed(0)
    net = diffusers.UNet2DModel(sample_size=8, in_channels=2, out_channels=out, layers_per_block=1, block_out_channels=(8, 8), norm_num_groups=4,
                                down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"), **settings).eval()
    return net.double() if dtype == F64 else net


@pytest.mark.parametrize("label", [None, 3])
def test_a_unet_by_hand(label):
    net = unet(num_class_embeds=None if label is None else 5)
    scheduler, y = made("DDIMScheduler"), images(4, torch.float32)
    denoiser = dn.Denoiser.of_diffusers(net, scheduler, label)
    sigma = denoiser.nearest(0.8)
    k = int((denoiser.levels - sigma).abs().argmin())
    a = scheduler.alphas_cumprod[k]
    with torch.no_grad():
        noise = net(a.sqrt() * y, k, class_labels=None if label is None else torch.tensor([3, 3, 3])).sample
    found = denoiser(y, sigma)
    torch.testing.assert_close(found, y - sigma * noise, rtol=1e-5, atol=1e-5)
    assert found.dtype == torch.float32 and not found.requires_grad
    below, above = denoiser.levels[k:k + 2].tolist()
    torch.testing.assert_close(denoiser(y, math.sqrt(below * above)), (denoiser(y, below) + denoiser(y, above)) / 2)


def test_a_transformer_with_labels_and_a_learned_variance():
    torch.manual_seed(0)
    net = diffusers.DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=8, in_channels=2, out_channels=4, num_layers=1, sample_size=8,
                                          patch_size=2, num_embeds_ada_norm=10, norm_num_groups=2).eval()
    y = images(5, torch.float32)
    learned = made("DDPMScheduler", variance_type="learned_range", clip_sample=False)
    sigma = dn.Denoiser.of_diffusers(net, learned, 7).levels[300].item()
    x, a = y * learned.alphas_cumprod[300].sqrt(), learned.alphas_cumprod[300]
    with torch.no_grad():
        output = net(x, torch.tensor([300] * 3), class_labels=torch.tensor([7] * 3)).sample
    assert output.shape == (3, 4, 8, 8) and a > 0
    found = dn.Denoiser.of_diffusers(net, learned, 7)(y, sigma)
    torch.testing.assert_close(found, learned.step(output, 300, x).pred_original_sample, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found, y - sigma * output[:, :2], rtol=1e-5, atol=1e-5)
    for scheduler in (made("DDPMScheduler"), made("DDIMScheduler")):
        with pytest.raises(ValueError, match=r"^model\(x, t\): got shape \(3, 4, 8, 8\), twice the channels; allowed: .*variance_type 'learned_range'"):
            dn.Denoiser.of_diffusers(net, scheduler, 7)(y, sigma)
    with pytest.raises(ValueError, match=r"^model\(x, t\) at sigma = .*: got shape \(3, 3, 8, 8\)"):
        dn.Denoiser.of_diffusers(unet(out=3), learned)(y, sigma)
    torch.testing.assert_close(dn.Denoiser.of_diffusers(unet(), learned)(y, sigma), dn.Denoiser.of_diffusers(unet(), made("DDPMScheduler"))(y, sigma))


@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler", "CogVideoXDDIMScheduler"])
def test_a_last_level_without_signal_is_left_out(name):
    scheduler = made(name, rescale_betas_zero_snr=True, prediction_type="v_prediction")
    denoiser = dn.Denoiser.of_diffusers(exact_network(scheduler, "v_prediction"), scheduler)
    assert len(denoiser.levels) == 999 and denoiser.high == pytest.approx(float((1 / scheduler.alphas_cumprod[998].double() - 1).sqrt()))
    y = denoiser.high * images(0)
    torch.testing.assert_close(denoiser(y, denoiser.high), exact(y, denoiser.high), rtol=1e-5, atol=1e-7)
    to_zero = SimpleNamespace(alphas_cumprod=torch.tensor([0.9, 0.5, 0.0]), config=SimpleNamespace(prediction_type="sample"))
    assert len(dn.Denoiser.of_diffusers(lambda x, k: x, to_zero).levels) == 2


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"])
def test_edm_schedulers_call_the_network_as_a_pipeline_does(name, prediction):
    scheduler, net = made(name, prediction_type=prediction, sigma_max=60.0), unet(F64)
    denoiser = dn.Denoiser.of_diffusers(net, scheduler)
    assert (denoiser.low, denoiser.high) == (scheduler.config.sigma_min, 60.0) and denoiser.levels is None
    scheduler.set_timesteps(6)
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        y = images(6) * sigma
        scheduler._step_index = None
        with torch.no_grad():
            output = net(scheduler.scale_model_input(y, t), t).sample
        by_hand = scheduler.precondition_outputs(y, output, sigma)
        torch.testing.assert_close(denoiser(y, float(sigma)), by_hand, rtol=1e-5, atol=1e-6 * (1 + float(sigma)))
    if name == "EDMEulerScheduler":
        scheduler._step_index = 2
        y, t = images(7), scheduler.timesteps[2]
        with torch.no_grad():
            step = scheduler.step(net(scheduler.precondition_inputs(y, scheduler.sigmas[2]), t).sample, t, y)
        torch.testing.assert_close(denoiser(y, float(scheduler.sigmas[2])), step.pred_original_sample.to(y), rtol=1e-4, atol=1e-4)


def test_an_exact_edm_network():
    scheduler = made("EDMEulerScheduler")

    def model(x, c_noise):
        sigma = like(torch.exp(4 * c_noise), x)
        y = x * (sigma**2 + 0.25).sqrt()
        return ((exact(y, sigma) - 0.25 / (sigma**2 + 0.25) * y) / (0.5 * sigma / (sigma**2 + 0.25).sqrt()),)

    denoiser = dn.Denoiser.of_diffusers(model, scheduler)
    for sigma in np.geomspace(0.002, 80.0, 20):
        y = 0.2 + math.hypot(STD, sigma) * images(0)
        torch.testing.assert_close(denoiser(y, sigma), exact(y, sigma), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name, settings", [("FlowMatchEulerDiscreteScheduler", {}), ("FlowMatchEulerDiscreteScheduler", dict(shift=3.0)),
                                            ("FlowMatchHeunDiscreteScheduler", dict(shift=2.0)), ("FlowMatchEulerDiscreteScheduler", dict(use_dynamic_shifting=True, shift=3.0))])
def test_flow_matching_at_every_training_step(name, settings):
    scheduler = made(name, num_train_timesteps=100, **settings)
    x0, z = images(0), images(1)
    seen = []

    def model(x, t):
        seen.append((x, t))
        part = like(t / 100, x)
        mean = exact(x / (1 - part), part / (1 - part))
        return ((x - (1 - part) * mean) / part - mean,)

    denoiser = dn.Denoiser.of_diffusers(model, scheduler)
    times = scheduler.timesteps.flip(0)[:-1]  # the last has no signal
    parts = (times / 100).double()
    assert (denoiser.low, denoiser.high) == pytest.approx([(s / (1 - s)).item() for s in parts[[0, -1]]], rel=1e-4)
    for t, part in zip(times, parts, strict=True):
        sigma = min(max((part / (1 - part)).item(), denoiser.low), denoiser.high)
        y = x0 + sigma * z
        torch.testing.assert_close(denoiser(y, sigma), exact(y, sigma), rtol=1e-5, atol=1e-7)
        scheduler._step_index = None  # Heun's keeps the first
        made_ = scheduler.scale_noise(x0, t[None], z)
        torch.testing.assert_close(seen[-1][0], made_, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(seen[-1][1], t.double().expand(3), rtol=1e-5, atol=1e-8)


def test_a_flow_step_to_zero_noise_is_the_denoiser():
    """One Euler step of the library from sigma to its zero gives x - sigma v, which is D."""
    scheduler, net = made("FlowMatchEulerDiscreteScheduler", shift=3.0), unet(F64)
    denoiser = dn.Denoiser.of_diffusers(net, scheduler)
    scheduler.set_timesteps(sigmas=[0.6])
    t, part = scheduler.timesteps[0], scheduler.sigmas[0].double()
    x = images(8)
    with torch.no_grad():
        there = scheduler.step(net(x, t).sample, t, x).prev_sample
    torch.testing.assert_close(denoiser(x / (1 - part), float(part / (1 - part))), there, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scheduler, name, message", [
    (lambda: made("ScoreSdeVeScheduler"), "scheduler", "ScoreSdeVeScheduler"),
    (lambda: made("FlowMapEulerDiscreteScheduler"), "scheduler", "FlowMapEulerDiscreteScheduler"), (lambda: SimpleNamespace(config=None), "scheduler", "SimpleNamespace"),
    (lambda: SimpleNamespace(alphas_cumprod=None), "scheduler", "SimpleNamespace"),
    (lambda: made("FlowMatchEulerDiscreteScheduler", invert_sigmas=True), "scheduler", "FlowMatchEulerDiscreteScheduler"),
    (lambda: made("EulerDiscreteScheduler", timestep_type="continuous", prediction_type="v_prediction"), "scheduler", "EulerDiscreteScheduler"),
    (lambda: made("DPMSolverMultistepScheduler", prediction_type="flow_prediction", use_flow_sigmas=True), "prediction", "'flow_prediction'"),
    (lambda: made("DDPMScheduler", prediction_type="score"), "prediction", "'score'"),
    (lambda: SimpleNamespace(alphas_cumprod=[0.9, 0.5], config=None), "prediction", "''"),
])
def test_schedulers_that_say_too_little(scheduler, name, message):
    with pytest.raises(ValueError, match=rf"^{name}: got {message}; allowed: "):
        dn.Denoiser.of_diffusers(unet(), scheduler())


def test_networks_that_train_and_labels():
    for bad in (-1, 1.5, "cat"):
        with pytest.raises(ValueError, match=r"^label: got"):
            dn.Denoiser.of_diffusers(unet(), DDPM, bad)
    with pytest.raises(ValueError, match=r"^model: got a module in training mode"):
        dn.Denoiser.of_diffusers(unet().train(), DDPM)


def test_a_check_up_tells_a_network_the_class_labels():
    """Through diffusers: each image with its label, at every call; what it answers is what the network says at that label."""
    net, seen = unet(num_class_embeds=4), []
    train, held_out = (dn.normal(np.random.default_rng(k), (20, 2, 8, 8), dtype=torch.float32) for k in (0, 1))
    labels = [torch.from_numpy(np.random.default_rng(k).integers(0, 4, 20)) for k in (2, 3)]
    everything, names = torch.cat([train, held_out]), torch.cat(labels)

    def listening(x, k, class_labels):
        if k[0] < 20:  # nearly without noise
            nearest = torch.cdist(x.flatten(1), everything.flatten(1)).argmin(1)
            assert torch.equal(names[nearest], class_labels)
            seen.append(len(x))
        return net(x, k, class_labels=class_labels)
    denoiser = dn.Denoiser.of_diffusers(listening, DDPM)
    found = dn.checkup(denoiser, train, held_out, labels=labels, levels=denoiser.levels[[5, 400]], samples=0, draws=1, progress=False)
    assert found.verdict == "no verdict" and sum(seen) >= 40 and not net.training
    sigma = denoiser.levels[300].item()
    told = dn.Denoiser.of_diffusers(net, DDPM, label=2)  # a label that is given goes before the fixed one
    by_hand = [dn.Denoiser.of_diffusers(net, DDPM, label=k)(train[:4], sigma) for k in (0, 1, 2, 3)]
    for model in (told, dn.Denoiser.of_diffusers(net, DDPM)):
        one = model(train[:4], sigma, label=torch.arange(4))
        torch.testing.assert_close(one, torch.stack([by_hand[k][k] for k in range(4)]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(told(train[:4], sigma), by_hand[2])


def test_a_unet_that_gets_other_images_or_no_labels_says_so():
    sets = [dn.normal(np.random.default_rng(k), (20, 2, 8, 8), dtype=torch.float32) for k in (0, 1)]
    few = dict(levels=[1.0], samples=0, draws=1, progress=False)
    for net, given in ((unet(), [x.permute(0, 2, 3, 1).contiguous() for x in sets]), (unet().half(), sets), (unet(), [x.double() for x in sets])):
        with pytest.raises(ValueError, match=r"^model: got RuntimeError on torch\.float(32|64) records \(16, .*; allowed: "):
            dn.checkup(dn.Denoiser.of_diffusers(net, DDPM), *given, **few)
    pipeline = diffusers.DDPMPipeline(unet(), DDPM)
    with pytest.raises(ValueError, match=r"^model: got DDPMPipeline; allowed: a network: pipeline\.unet"):
        dn.Denoiser.of_diffusers(pipeline, DDPM)
    with pytest.raises(ValueError, match=r"^model: got the class UNet2DModel; allowed: an instance of it"):
        dn.Denoiser.of_diffusers(diffusers.UNet2DModel, DDPM)
