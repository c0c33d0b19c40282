"""Every public function follows the dtype and device of its inputs: cpu in both dtypes, meta, and CUDA where present."""

import inspect

import numpy as np
import pytest
import torch
from test_bad_input import calls, parts

import diffnotes as dn
from diffnotes.theory import bounds

CUDA = pytest.param("cuda", marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")])


def everything(device, dtype):
    """The package's whole path, from data to divergence; returns the tensors it made, by name."""
    kind = dict(device=device, dtype=dtype)
    rng = np.random.default_rng
    sde, target = dn.OU(), dn.GaussianMixture.two_modes(2.0, **kind)
    p = target.diffused(sde)
    data = target.sample(6, rng(0))
    q = dn.GaussianMixture.empirical(data).diffused(sde)
    grid = dn.line_grid(p, sde.std, 0.05, n_t=8, n_x=16)
    phi = dn.RandomFeatures.draw(5, 1, sde.T, rng(1), **kind)
    nodes = grid.weighted(q)
    flow = dn.GradientFlow(dn.statistics(phi, nodes), dn.normal(rng(2), (1, 5), **kind))
    tau = torch.logspace(0, 3, 4, **kind)
    x = torch.linspace(-12, 12, 201, **kind)
    t = torch.linspace(sde.T, 0.05, 9, **kind)
    prior = dn.GaussianMixture.isotropic(torch.ones(1, **kind), torch.zeros(1, 1, **kind), 1.0).log_prob(x[:, None]).exp()
    generated = dn.reverse_sde_density(phi.score(flow.theta(tau)), sde, x, t, prior, edge_mass=1.0, order=1)
    truth = p.log_prob(x[:, None], 0.05).exp()
    drawn = dn.sampled_nodes(p, sde.std, 0.05, 50, rng(3))
    draw = lambda k: [rng([seed, k]) for seed in range(2)]  # noqa: E731
    net = dn.SwishNet.draw(3, dn.VE(), draw(4), **kind)
    samples = dn.normal(rng(5), (2, 9), **kind)
    optimiser = dn.Grouped([1, 1], [dn.SGD(0.1), dn.Adam(0.01)])
    trained = list(dn.train(net, samples, draw(6), optimiser, epochs=2, batch=4, progress=False))[-1]
    images = dn.UNet.draw(4, dn.VE(), draw(7), channels=(4, 4), data_std=0.5, frequencies=2, **kind)
    levels = torch.zeros(2, 5, 16, dtype=torch.uint8, device=device)
    pixels = dn.dequantise(levels, rng(8)).to(dtype)
    trained_images = list(dn.train(images, pixels, draw(9), dn.Adam(0.01), epochs=2, batch=4, progress=False))[-1].net
    scaling = dn.Scaling.standardising(pixels[0])
    certified = dn.certificate(dn.GradientFlow(dn.statistics(phi, grid.weighted(p)), flow.theta0), flow.statistics, tau)
    return {
        **{name: getattr(certified, name) for name in ("rho", "drive", "beta", "gamma", "gap", "bound_a", "bound_b", "bound_resolvent", "divergence")},
        "u-net": trained_images.theta, "image score": trained_images.score(pixels, 0.5), "standardised": scaling(pixels),
        "pixels' log_prob": scaling.log_prob(pixels.sum(-1)), "denoised": dn.denoise(p.score, sde, data, 0.5),
        "denoising loss": dn.denoising_loss(p.score, sde, data, 0.5, data), "principal": dn.principal_components(pixels[0], 2),
        "shifted": dn.shifted(pixels[0], 2.0, rng(10)), "mean loss": dn.mean_denoising_loss(p.score, sde, data, rng(11), draws=5),
        "each loss": dn.per_example_loss(p.score, sde, data, 0.5, torch.stack([data, -data])), "auc": dn.auc(samples, samples + 0.1),
        "found": dn.true_positive_rate(samples, samples + 0.1, [0.0, 0.5]),
        "geometric": sde.geometric_times(0.1, 4, **kind),
        "trained": trained.net.theta, "average": trained.average.theta, "training loss": trained.loss, "swish": trained.net.score(x[:, None], 0.5),
        "read out": dn.kl_on_points(trained.net.score, target.log_prob(x[::4, None]), x, 0.065, every=4),
        "data": data, "weight": nodes.weight, "drawn": drawn.x, "B": flow.statistics.B, "theta": flow.theta(tau), "loss": flow.loss(tau),
        "norm": flow.norm(tau), "minimiser": flow.minimiser(), "gradient": flow.statistics.gradient(flow.theta(tau)),
        "descended": dn.gradient_descent(flow.statistics, flow.theta0, 0.1, 3), "ridge": bounds.ridge_bound(flow, tau),
        "lyapunov": bounds.lyapunov(flow, tau, flow.minimiser()), "rate": bounds.optimisation_bound(flow, tau, flow.minimiser()),
        "bound": bounds.norm_bound(flow, tau), "printed": bounds.norm_bound_printed(flow, tau), "generated": generated,
        "kl": dn.kl_grid(truth, generated + 1e-12, dn.cell_widths(x), tolerance=0.1), "trace": p.divergence(x[:, None], 0.5),
        "estimate": dn.kl_monte_carlo(p.log_prob(data, 0.1), q.log_prob(data, 0.1))[0], "perturbed": sde.perturb(data, 0.5, data),
        "kernel": sde.kernel_score(data, data, 0.5), "full": dn.GaussianMixture([0.5, 0.5], torch.zeros(2, 1, **kind), torch.ones(2, 1, 1, **kind)).score(data),
        "gaussian": dn.kl_gaussian(target.mean(), target.covariance(), target.mean(), target.covariance()),
    }


def test_meta_device_needs_no_values():
    for name, value in everything("meta", torch.float64).items():
        assert value.device.type == "meta" and value.dtype == torch.float64, name


def test_shapes_on_meta_equal_those_on_the_cpu():
    cpu = everything("cpu", torch.float64)
    assert {k: v.shape for k, v in everything("meta", torch.float64).items()} == {k: v.shape for k, v in cpu.items()}


def test_float32_follows_float64():
    single, double = everything("cpu", torch.float32), everything("cpu", torch.float64)
    for name in ("data", "weight", "B", "theta", "loss", "generated", "trace", "trained", "read out"):
        assert single[name].dtype == torch.float32
        assert torch.allclose(single[name].double(), double[name], rtol=2e-3, atol=2e-3), name


@pytest.mark.parametrize("device", [CUDA])
def test_cuda_agrees_with_the_cpu_on_the_same_noise(device):
    cpu = everything("cpu", torch.float64)
    for name, value in everything(device, torch.float64).items():
        assert value.device.type == "cuda"
        assert torch.allclose(value.cpu(), cpu[name], rtol=1e-6, atol=1e-8), name


# Their device is an argument, they start from numbers alone, or their clusters are on the CPU.
MAKERS = {"kappa_false", "kappa_proved", "LinearSDE.growth", "LinearSDE.geometric_times", "time_nodes", "bounds.gaussian_tail", "bounds.gaussian_tail_union", "stretched_grid",
          "normal", "uniform", "permutation", "Scaling.none", "Clusters.large", "Clusters.draw", "training_times", "Clusters.facts",
          "MonteCarlo", "MonteCarlo.mean", "MonteCarlo.bound", "FeatureParts", "FeatureParts.edges", "feature_parts"}
NEED_VALUES = {"bounds.power_law", "sample_bound", "mean_interval", "geometric_interval", "kmeans", "generate", "kernel_nodes", "DiffusedMixture.prior_kl", "Problem.kl_factor", "flowed", "integrated", "read_outs",
               *(f"{kind}.{name}" for kind in ("Problem", "Runs") for name in ("generated", "divergence")), "Problem.solver_error", "Problem",
               "Run.certificate", "Runs.certificate", "minus_x_constants", "theorem_1", "theorem_2", "estimator_constants", "Runs.typical",
               "Denoiser", "Denoiser.of_discrete", "Denoiser.of_diffusers", "checkup"}  # of a denoiser the levels


@pytest.mark.parametrize("name", sorted(calls()))
def test_every_public_call_runs_without_values_and_stays_on_its_device(name):
    """On the meta device any hidden transfer, such as ``item`` or ``numpy``, is an error."""
    function, arguments = calls("meta")[name]
    if name in NEED_VALUES:
        with pytest.raises(ValueError, match=r"got device meta; allowed: a device on which tensors have values"):
            function(**arguments)
        return
    result = function(**arguments)
    tensors = [part for part in parts(list(result) if inspect.isgenerator(result) else result) if isinstance(part, torch.Tensor)]
    assert {tensor.device.type for tensor in tensors} <= ({"cpu"} if name in MAKERS else {"meta"})


@pytest.mark.parametrize("name", sorted(calls()))
@pytest.mark.parametrize("device", [CUDA])
def test_every_public_call_on_cuda_gives_what_the_cpu_gives(name, device):
    here, there = ([p.cpu() for p in parts(list(r) if inspect.isgenerator(r) else r)] for r in (
        function(**arguments) for function, arguments in (calls()[name], calls(device)[name])))
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(a.double(), b.double(), rtol=1e-6, atol=1e-8)


def test_mixed_devices_are_refused():
    with pytest.raises(ValueError, match=r"^x: got device meta"):
        dn.GaussianMixture.two_modes(1.0).score(torch.zeros(2, 1, device="meta", dtype=torch.float64))


def test_torch_generators_draw_the_same_noise_for_both_dtypes():
    a, b = (dn.normal(torch.Generator().manual_seed(3), (4,), dtype=dtype) for dtype in (torch.float32, torch.float64))
    assert torch.equal(a, b.float()) and not torch.equal(b, torch.zeros(4, dtype=torch.float64))


def test_nested_data_sets_share_their_first_points():
    target = dn.GaussianMixture.two_modes(2.0)
    assert torch.equal(target.sample(9, np.random.default_rng(0)), target.sample(9, np.random.default_rng(0)))


def test_import_changes_no_global_state():
    import subprocess
    import sys
    code = ("import torch, matplotlib, random, numpy as np\n"
            "def state(): return (torch.get_default_dtype(), torch.initial_seed(), dict(matplotlib.rcParams), np.random.get_state()[1].tolist(), random.getstate())\n"
            "before = state()\nimport diffnotes\nassert state() == before")
    subprocess.run([sys.executable, "-c", code], check=True)
