"""Every argument of every public function, one after the other, with bad values in its place.

Each call must raise a ``ValueError`` that begins with the name of the spoilt argument and says what is allowed, or return a
result without NaN.  It may name another argument of the same call where the two no longer fit each other (shapes, dtypes, limits).
Which bug this catches: an argument that is used before it is checked (another error, or an error that names nothing, or
something inside), and a NaN that goes through.
"""

import dataclasses
import inspect
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.theory import bounds

F64 = torch.float64
SDE = dn.OU(T=2.0)


def rng():
    return np.random.default_rng(0)


def calls(device="cpu"):
    """name: (function, its arguments), all valid; the name is that of the public object, a method after a dot."""
    on = dict(device=device)
    kind = dict(dtype=F64, device=device)
    p = dn.GaussianMixture.two_modes(1.0, **on).diffused(SDE)
    plane = dn.GaussianMixture.two_modes(1.0, d=2, **on).diffused(SDE)
    data = dn.normal(rng(), (6, 2), **on)
    full = dn.GaussianMixture([0.5, 0.5], data[:2], torch.eye(2, **kind).expand(2, 2, 2))
    phi = dn.RandomFeatures.draw(4, 1, SDE.T, rng(), **on)
    wide = dn.RandomFeatures.draw(4, 2, SDE.T, rng(), **on)
    tangent = dn.TangentFeatures.draw(2, SDE.T, rng(), **on)
    grid = dn.line_grid(p, SDE.std, 0.1, n_t=4, n_x=8)
    nodes = grid.weighted(p)
    statistics = dn.statistics(phi, nodes)
    flow = dn.GradientFlow(statistics)
    tau, comparison = torch.tensor([1.0, 2.0], **kind), torch.ones(1, 4, **kind)
    drawn, each = torch.tensor([0, 3, 0], device=device), dn.sample_statistics(phi, grid, p, data[:3, :1])
    line, down = torch.linspace(-8, 8, 41, **kind), torch.tensor([2.0, 1.0, 0.5], **kind)
    prior = torch.exp(-(line**2) / 2) / (2 * np.pi) ** 0.5
    net = dn.SwishNet.draw(3, dn.VE(), [rng(), rng()], **kind)
    unet = dn.UNet.draw(4, dn.VE(), [rng()], channels=(4, 4), frequencies=2, **kind)
    clusters = dn.kmeans(dn.normal(rng(), (40, 2)), 4, 0)  # needs values
    scaling = dn.Scaling.standardising(data)
    bound = dn.sample_bound(dn.RandomFeatures.draw(4, 1, SDE.T, rng()), SDE, SDE.std, 0.1, radius=2.0, n=50, delta=0.1)
    parts = dn.FeatureParts(0.0, 0.6, 0.1, 0.1)
    theorem = dn.theorem_2(dn.RandomFeatures.draw(4, 1, SDE.T, rng()), SDE, mu=3.0, n=50, delta=0.1)
    one, cov = torch.zeros(2, **kind), torch.eye(2, **kind)
    x1 = torch.zeros(3, 1, **kind)
    images = dn.normal(rng(), (1, 3, 16), **on)
    shrink = lambda y, sigma: y / (1 + sigma.sum() ** 2)  # noqa: E731
    denoiser, discrete = dn.Denoiser(shrink, 0.1, 10.0), dn.Denoiser(shrink, 0.1, 10.0, levels=[0.1, 1.0, 10.0])
    classes = torch.arange(24, device=device) % 2
    smaller, pairs = dn.Denoiser(lambda y, sigma, label=0: y / (1 + label + sigma**2)[:, None], 0.1, 10.0), dn.normal(rng(), (48, 2), **on)
    scheduler = SimpleNamespace(alphas_cumprod=down / 4, config=SimpleNamespace(prediction_type="epsilon"))
    checkpoint = dict(epochs=1, batch=2, progress=False)
    problem = dn.Problem(p.mixture, SDE, t_min=0.1, n_t=4, n_x=8, pool=9, **on)
    runs = problem.train(m=3, n=5, seeds=2)
    return {
        "Problem": (dn.Problem, dict(target=p.mixture, sde=SDE, t_min=0.1, weighting=dn.OU().std, n_t=4, n_x=8, n_nodes=5, pool=9,
                                    rounding=0.5)),
        "Problem.data": (problem.data, dict(n=3, seed=1)), "Problem.features": (problem.features, dict(m=3, seed=1)),
        "Problem.empirical": (problem.empirical, dict(data=data[:, :1])), "Problem.train": (problem.train, dict(m=3, n=5, seeds=2)),
        "Problem.divergence": (problem.divergence, dict(score=runs[0].score(tau), steps=6, cells=200, reach=8.0)),
        "Problem.generated": (problem.generated, dict(score=runs[0].score(tau), steps=6, cells=200, reach=8.0)),
        "generate": (dn.generate, dict(score=runs[0].score(tau), p=p, t_min=0.1, steps=6, cells=200, reach=8.0, power=4.0)),
        "flowed": (dn.flowed, dict(score=p.score, p=p, t_min=0.1, steps=6, cells=200, reach=8.0, power=2.0)),
        "integrated": (dn.integrated, dict(score=p.score, p=p, t=0.5, cells=20, reach=5.0)),
        "read_outs": (dn.read_outs, dict(score=p.score, p=p, t_min=0.1, t_integral=0.5, steps=4, cells=200, reach=8.0)),
        "Generated.shares": (dn.Generated(line, dn.cell_widths(line), prior[None], prior).shares, dict(splits=line[10:30:5])),
        "Generated.below": (dn.Generated(line, dn.cell_widths(line), prior[None], prior).below, dict(split=0.5)),
        "Generated.at": (dn.Generated(line, dn.cell_widths(line), prior[None], prior).at, dict(points=line[::2])),
        "Problem.solver_error": (problem.solver_error, dict(steps=6, cells=200, reach=8.0)),
        "Problem.kl_factor": (problem.kl_factor, {}), "DiffusedMixture.prior_kl": (p.prior_kl, {}),
        **{f"{kind}.{k}": (getattr(some, k), dict(tau=tau)) for kind, some in (("Run", runs[0]), ("Runs", runs))
           for k in ("loss", "test_loss", "excess", "norm", "score", "certificate")},
        "Runs.divergence": (runs.divergence, dict(tau=tau)), "Runs.generated": (runs.generated, dict(tau=tau)), "Runs.typical": (runs.typical, {}),
        "training_times": (dn.training_times, dict(first=1.0, last=10.0, count=3)),
        "VE": (dn.VE, dict(sigma=25.0, T=1.0)), "OU": (dn.OU, dict(rate=1.0, T=5.0)),
        "Karras": (dn.Karras, dict(T=80.0)),
        "VP": (dn.VP, dict(beta_min=0.1, beta_max=20.0, T=1.0)),
        "Standardised": (dn.Standardised, dict(inner=SDE, spread=2.0)), "Standardised.unit": (dn.Standardised(SDE, 2.0).unit, dict(t=tau)),
        **{f"LinearSDE.{k}": (getattr(SDE, k), dict(t=tau)) for k in ("drift_rate", "diffusion", "scale", "std", "log_noise", "resolved")},
        "LinearSDE.time_at_log_noise": (SDE.time_at_log_noise, dict(level=tau)),
        "LinearSDE.times_of": (SDE.times_of, dict(x=data[:2], t=tau)),
        "LinearSDE.drift": (SDE.drift, dict(x=data[:2], t=tau)),
        "LinearSDE.perturb": (SDE.perturb, dict(x0=data[:2], t=tau, noise=data[2:4])),
        "LinearSDE.kernel_score": (SDE.kernel_score, dict(x=data[:2], x0=data[2:4], t=tau)),
        "LinearSDE.growth": (SDE.growth, {}),
        "LinearSDE.geometric_times": (SDE.geometric_times, dict(std_min=0.1, steps=3)),
        "GaussianMixture": (dn.GaussianMixture, dict(weights=full.weights, means=data[:2], covariances=torch.eye(2, **kind).repeat(2, 1, 1))),
        "GaussianMixture.isotropic": (dn.GaussianMixture.isotropic, dict(weights=full.weights, means=data[:2], std=tau)),
        "GaussianMixture.two_modes": (dn.GaussianMixture.two_modes, dict(mu=1.0, weight=0.5, d=2)),
        "GaussianMixture.normal": (dn.GaussianMixture.normal, dict(std=1.0, d=2)),
        "GaussianMixture.empirical": (dn.GaussianMixture.empirical, dict(x=data)),
        "GaussianMixture.mean": (full.mean, {}), "GaussianMixture.covariance": (full.covariance, {}),
        "GaussianMixture.sample": (full.sample, dict(n=3, generator=rng())),
        "GaussianMixture.log_prob": (full.log_prob, dict(x=data)), "GaussianMixture.score": (full.score, dict(x=data)),
        "GaussianMixture.diffused": (full.diffused, dict(sde=SDE)),
        "DiffusedMixture": (dn.DiffusedMixture, dict(mixture=full, sde=SDE)),
        **{f"DiffusedMixture.{k}": (getattr(plane, k), dict(x=data[:2], t=tau)) for k in ("log_prob", "score", "log_prob_and_score", "divergence")},
        "GaussianMixture.cdf": (p.mixture.cdf, dict(x=x1[:2])), "DiffusedMixture.cdf": (p.cdf, dict(x=x1[:2], t=tau)),
        "forward_paths": (dn.forward_paths, dict(sde=SDE, x=data, t=down.flip(0), generator=rng())),
        "DiffusedMixture.sample": (plane.sample, dict(n=3, t=0.5, generator=rng())),
        "DiffusedMixture.half_width": (plane.half_width, dict(t=tau, deviations=7.0)),
        "RandomFeatures": (dn.RandomFeatures, dict(W=data[:4], U=data[:4], T=2.0, embed=torch.cos)),
        "RandomFeatures.draw": (partial(dn.RandomFeatures.draw, **on), dict(width=4, d=2, T=2.0, generator=rng(), embedding=3)),
        "RandomFeatures.__call__": (phi, dict(x=x1[:2], t=tau)),
        "RandomFeatures.gradient": (phi.gradient, dict(x=x1[:2], t=tau)),
        "RandomFeatures.bias": (phi.bias, dict(t=tau)),
        "RandomFeatures.score": (phi.score, dict(theta=comparison)),
        "cosine_embedding": (dn.cosine_embedding, dict(t=tau, T=2.0, size=3)),
        "time_nodes": (dn.time_nodes, dict(t_min=0.1, T=2.0, n=4)),
        "weight_at": (dn.weight_at, dict(weighting=SDE.std, t=tau)),
        "line_grid": (dn.line_grid, dict(p=p, weighting=SDE.std, t_min=0.1, n_t=4, n_x=8, deviations=7.0)),
        "sampled_nodes": (dn.sampled_nodes, dict(p=plane, weighting=SDE.std, t_min=0.1, n=5, generator=rng())),
        "kernel_nodes": (dn.kernel_nodes, dict(p=p, weighting=SDE.std, t_min=0.1, n_t=4, n_z=8, n_0=2)),
        "kernel_draws": (dn.kernel_draws, dict(p=plane, weighting=SDE.std, t_min=0.1, n=5, generator=rng())),
        "Grid": (dn.Grid, dict(x=grid.x, t=grid.t, volume=grid.volume)), "Grid.weighted": (grid.weighted, dict(p=p)),
        "Nodes": (dn.Nodes, dict(x=nodes.x, t=nodes.t, weight=nodes.weight, score=nodes.score)),
        "statistics": (dn.statistics, dict(features=phi, nodes=nodes)),
        "Statistics": (dn.Statistics, dict(B=statistics.B, C=statistics.C, S=statistics.S)),
        "Statistics.loss": (statistics.loss, dict(theta=comparison)), "Statistics.gradient": (statistics.gradient, dict(theta=comparison)),
        "GradientFlow": (dn.GradientFlow, dict(statistics=statistics, theta0=comparison)),
        **{f"GradientFlow.{k}": (getattr(flow, k), dict(tau=tau)) for k in ("theta", "loss", "norm", "learned")},
        "GradientFlow.effects": (flow.effects, dict(other=statistics)),
        "GradientFlow.minimiser": (flow.minimiser, {}), "GradientFlow.minimum": (flow.minimum, {}),
        "gradient_descent": (dn.gradient_descent, dict(statistics=statistics, theta0=comparison, step=0.1, n_steps=2)),
        "denoising_statistics": (dn.denoising_statistics, dict(features=wide, p=plane, t=0.5, terms=6)),
        "smooth_statistics": (dn.smooth_statistics, dict(activation=torch.tanh, W=data[:4], x=data[4:], sde=SDE, t=0.5, terms=4, nodes=8)),
        "FeatureParts": (dn.FeatureParts, dict(mean=0.0, slope=0.6, sample=0.1, rest=0.1)), "FeatureParts.edges": (parts.edges, dict(m=8, n=2)),
        "feature_parts": (dn.feature_parts, dict(activation=torch.tanh, scale=0.9, std=0.4, nodes=101)),
        "third_bulk_bounds": (dn.third_bulk_bounds, dict(psi=data, v=data[:, :1])),
        "third_bulk": (dn.third_bulk, dict(x=data, m=12, parts=parts, scale=0.9, std=0.4)),
        "equivalent_spectrum": (dn.equivalent_spectrum, dict(b=tau, parts=parts, psi_m=8.0, psi_n=2.0, scale=0.9, std=0.4, width=0.1)),
        "arc_cosine_kernel": (dn.arc_cosine_kernel, dict(y=data[:2], z=data[2:5])),
        "dual_kernel": (dn.dual_kernel, dict(activation=torch.tanh, x=data[:2], z=data[2:5], terms=4, nodes=9)),
        "least_squares_flow": (dn.least_squares_flow, dict(phi=data[:3], y=data[3:], tau=tau)),
        "gaussian_features": (partial(dn.gaussian_features, **on), dict(width=4, d=2, T=2.0, generator=rng(), embedding=3)),
        "norm_needed": (dn.norm_needed, dict(flow=flow, share=0.5)),
        "time_needed": (dn.time_needed, dict(flow=flow, share=0.5)),
        "nearest_line": (dn.nearest_line, dict(x=line, y=prior, weight=prior)),
        "last_off": (dn.last_off, dict(tau=tau, values=tau, goal=1.0, share=0.1)),
        "weight_price": (dn.weight_price, dict(mu=tau, points=11)),
        "TangentFeatures": (dn.TangentFeatures, dict(v=data, c=line[:6], T=2.0)),
        "TangentFeatures.draw": (partial(dn.TangentFeatures.draw, **on), dict(neurons=3, T=2.0, generator=rng(), embedding=2)),
        "TangentFeatures.__call__": (tangent, dict(x=x1[:2], t=tau)),
        "MonteCarlo": (dn.MonteCarlo, dict(variance=1.0, largest=2.0)),
        "MonteCarlo.mean": (dn.MonteCarlo(1.0, 2.0).mean, dict(m=3)),
        "MonteCarlo.bound": (dn.MonteCarlo(1.0, 2.0).bound, dict(m=3, delta=0.1)),
        "sampled_weights": (dn.sampled_weights, dict(features=phi, a=dn.minus_x)),
        "squared_error": (dn.squared_error, dict(score=p.score, nodes=nodes, truth=nodes.score)),
        "minus_x": (dn.minus_x, dict(w=data, u=data)),
        "minus_x_constants": (dn.minus_x_constants, dict(nodes=nodes, T=2.0, embedding=3)),
        "drawn_statistics": (dn.drawn_statistics, dict(statistics=statistics, index=drawn)),
        "lifted": (dn.lifted, dict(theta=comparison[:, :3], index=drawn, width=4)),
        "estimator_constants": (dn.estimator_constants, dict(statistics=statistics, theta=comparison)),
        "finite_width": (dn.finite_width, dict(wide=flow, index=drawn, tau=tau, comparison=comparison)),
        "sample_statistics": (dn.sample_statistics, dict(features=phi, grid=grid, p=p, data=data[:3, :1])),
        "gradient_gap": (dn.gradient_gap, dict(flow=flow, B=each[0], C=each[1], S=each[2], tau=tau, generator=rng(), signs=2, delta=0.1)),
        "bounds.gaussian_tail": (bounds.gaussian_tail, dict(delta=0.1)),
        "bounds.gaussian_escape": (bounds.gaussian_escape, dict(radius=tau, d=2)),
        "bounds.gaussian_tail_union": (bounds.gaussian_tail_union, dict(delta=0.1, d=2)),
        **{f"bounds.{k}": (getattr(bounds, k), dict(flow=flow, tau=tau, comparison=comparison)) for k in ("lyapunov", "optimisation_bound")},
        **{f"bounds.{k}": (getattr(bounds, k), dict(flow=flow, tau=tau)) for k in ("ridge_bound", "ridge_excess", "norm_bound", "norm_bound_printed")},
        "four_atoms": (dn.four_atoms, dict(T=2.0)), "four_atom_weights": (dn.four_atom_weights, dict(c=tau)),
        "jensen_shannon": (dn.jensen_shannon, dict(c=tau, n_nodes=21)), "two_point_chance": (dn.two_point_chance, dict(c=tau, n=3)),
        "bounds.printed_bracket": (bounds.printed_bracket, dict(tau=tau, m=2 * tau, n=3 * tau)),
        "bounds.power_law": (bounds.power_law, dict(x=tau, y=torch.tensor([[1.0, 2.0], [1.1, 2.0]], **kind))),
        "certificate": (dn.certificate, dict(flow=flow, data=statistics, tau=tau, kl_factor=1.0, prior_kl=0.1)),
        "resolvent_bound": (dn.resolvent_bound, dict(flow=flow, data=statistics, tau=tau, rival=comparison)),
        "inflation": (dn.inflation, dict(population=statistics, data=statistics, tau=tau)),
        "resolvent_samples": (dn.resolvent_samples, dict(K=2.0, tau=tau, m=4, delta=0.1)),
        "least_bracket": (dn.least_bracket, dict(m=tau + 2, n=5.0)), "variance_term": (dn.variance_term, dict(tau=tau, m=4.0, n=5.0)),
        "kappa_false": (dn.kappa_false, dict(d=2)), "kappa_proved": (dn.kappa_proved, dict(d=2)),
        "sphere_points": (partial(dn.sphere_points, **on), dict(degree=3)), "outer_weights": (dn.outer_weights, dict(values=torch.ones(4, 8, **kind))),
        "sample_bound": (dn.sample_bound, dict(features=phi, sde=SDE, weighting=SDE.std, t_min=0.1, radius=2.0, n=50, delta=0.1)),
        "SampleBound.loss": (bound.loss, dict(flow=flow)),
        "theorem_1": (dn.theorem_1, dict(features=phi, sde=SDE, radius=2.0, n=50, delta=0.1, loss=0.2, norm=3.0, largest=9.0, second=1.0, m=40, t_min=0.1)),
        "theorem_2": (dn.theorem_2, dict(features=phi, sde=SDE, mu=3.0, n=50, delta=0.1, t_min=0.1)),
        "Theorem2.divergence": (theorem.divergence, dict(flow=flow)),
        "intercept_bound": (dn.intercept_bound, dict(sde=SDE, mu=9.0, norm=tau, t_min=0.1)),
        "kl_grid": (dn.kl_grid, dict(p=prior, q=prior.roll(1), dx=dn.cell_widths(line), tolerance=1e-3)),
        "kl_monte_carlo": (dn.kl_monte_carlo, dict(log_p=line, log_q=line - 1)),
        "bits_per_dim": (dn.bits_per_dim, dict(log_density=line, d=2, bin_width=0.1)),
        "kl_gaussian": (dn.kl_gaussian, dict(mean_p=one, cov_p=cov, mean_q=one + 1, cov_q=2 * cov)),
        "integrated_score_density": (dn.integrated_score_density, dict(score=p.score, x=line, t=0.5, improper=False)),
        "generated_by_flow": (dn.generated_by_flow, dict(score=p.score, sde=SDE, x=line, t=0.5, steps=6)),
        "printed_divergence": (lambda **k: dn.printed_divergence(**k)(p.score), dict(target=p.mixture, t=0.5, reach=10.0, points=5, between=2)),
        "prior_divergence": (dn.prior_divergence, dict(p=p, cells=400)),
        "kl_on_points": (dn.kl_on_points, dict(score=p.score, log_p=-(line[::4] ** 2) / 2, x=line, t=0.5, every=4)),
        "cell_widths": (dn.cell_widths, dict(x=line)),
        "reverse_sde_density": (dn.reverse_sde_density, dict(score=p.score, sde=SDE, x=line, t=down, prior=prior, order=2, edge_mass=1e-3)),
        "stretched_grid": (dn.stretched_grid, dict(reach=10.0, n=11, core=2.0)),
        "denoise": (dn.denoise, dict(score=plane.score, sde=SDE, x=data, t=0.5)),
        "local_score": (dn.local_score, dict(images=images[0], sde=SDE, patch=3, equivariant=True)),
        "probability_flow": (dn.probability_flow, dict(score=plane.score, sde=SDE, x=data, t=down)),
        "probability_flow_log_prob": (dn.probability_flow_log_prob, dict(
            score=plane.score, sde=SDE, x=data, t=down.flip(0), prior_log_prob=lambda x: -(x**2).sum(-1) / 2, probes=2, generator=rng())),
        "reverse_sde": (dn.reverse_sde, dict(score=plane.score, sde=SDE, x=data, t=down, generator=rng(), paths=False)),
        "geometric_interval": (dn.geometric_interval, dict(values=line.exp(), confidence=0.9)),
        "mean_interval": (dn.mean_interval, dict(values=line, confidence=0.9)),
        "normal": (dn.normal, dict(generator=rng(), shape=(2, 3))), "uniform": (dn.uniform, dict(generator=rng(), shape=(2, 3))),
        "permutation": (dn.permutation, dict(generator=rng(), n=4)),
        "denoising_loss": (dn.denoising_loss, dict(score=plane.score, sde=SDE, x0=data, t=0.5, noise=data)),
        "per_example_loss": (dn.per_example_loss, dict(score=plane.score, sde=SDE, x0=data, t=0.5, noise=data.expand(2, 6, 2))),
        "auc": (dn.auc, dict(members=data, others=data[:, :1] + 1)),
        "true_positive_rate": (dn.true_positive_rate, dict(members=data, others=data[:, :1] + 1, false_positive_rate=0.3)),
        "mean_denoising_loss": (dn.mean_denoising_loss, dict(score=plane.score, sde=SDE, x=data, generator=rng(), draws=4, t_min=1e-3)),
        "gaussian_denoising_loss": (dn.gaussian_denoising_loss, dict(sde=SDE, x0=data, t=tau)),
        "dequantise": (dn.dequantise, dict(levels=torch.zeros(2, 4, dtype=torch.uint8, **on), generator=rng())),
        "Scaling.standardising": (dn.Scaling.standardising, dict(x=data)), "Scaling.none": (dn.Scaling.none, dict(d=2)),
        "Scaling.__call__": (scaling, dict(x=data)), "Scaling.inverse": (scaling.inverse, dict(z=data)),
        "Scaling.log_prob": (scaling.log_prob, dict(log_prob_z=line)),
        "principal_components": (dn.principal_components, dict(x=data, components=2)),
        "kmeans": (dn.kmeans, dict(x=data, k=2, seed=0, points=data, restarts=1)),
        "Clusters.pair": (clusters.pair, dict(kind="near", at_least=1)), "Clusters.large": (clusters.large, dict(at_least=1)),
        "Clusters.matching": (clusters.matching, dict(kind="near", among=[0, 1, 2, 3])),
        "Clusters.facts": (clusters.facts, dict(pair=[0, 1])),  # pixels: test_clusters
        "shifted": (dn.shifted, dict(x=data, m=2.0, generator=rng(), modes=1)),
        "Clusters.draw": (clusters.draw, dict(clusters=[0, 1], n=2, generator=rng())),
        "SGD": (dn.SGD, dict(rate=0.1)), "Adam": (dn.Adam, dict(rate=0.1, betas=(0.9, 0.99), epsilon=1e-8)),
        "Grouped": (dn.Grouped, dict(sizes=[1, 1], optimisers=[dn.SGD(0.1), dn.SGD(0.2)])),
        "SwishNet": (dn.SwishNet, dict(theta=net.theta, omega=net.omega, sde=dn.VE(), output_scale=16.0)),
        "SwishNet.draw": (dn.SwishNet.draw, dict(width=3, sde=dn.VE(), generators=[rng(), rng()], frequencies=2, frequency_std=30.0, output_scale=16.0)),
        "Replicas.with_theta": (net.with_theta, dict(theta=net.theta)), "Replicas.finite": (net.finite, {}),
        "Replicas.to": (net.to, dict(dtype=torch.float32)), "Replicas.score": (unet.score, dict(x=images[0], t=0.5)),
        "UNet": (dn.UNet, dict(theta=unet.theta, omega=unet.omega, sde=dn.VE(), side=4, channels=(4, 4), patch=1, data_std=0.5)),
        "UNet.draw": (dn.UNet.draw, dict(side=4, sde=dn.VE(), generators=[rng()], channels=(4, 4), patch=1, data_std=0.5, frequencies=2, frequency_std=30.0)),
        "train": (dn.train, dict(net=net, data=dn.normal(rng(), (2, 5), **on), generators=[rng(), rng()], optimiser=dn.SGD(1e-3), t_min=1e-3, decay=0.9, **checkpoint)),
        "Denoiser": (dn.Denoiser, dict(model=shrink, low=1.0, high=2.0, levels=tau, preconditioning=lambda sigma: (1.0, sigma, 0.0, 1.0))),
        "Denoiser.of_score": (dn.Denoiser.of_score, dict(score=plane.score, sde=SDE, t_min=0.1)),
        "Denoiser.of_discrete": (dn.Denoiser.of_discrete, dict(model=shrink, alphas_cumprod=down / 4, prediction="epsilon")),
        "Denoiser.of_velocity": (dn.Denoiser.of_velocity, dict(velocity=shrink, low=0.1, high=10.0, data_at=1, sigma_min=0.05)),
        "Denoiser.of_diffusers": (dn.Denoiser.of_diffusers, dict(model=shrink, scheduler=scheduler, label=3)),
        "Denoiser.__call__": (smaller, dict(y=data, sigma=0.5, label=classes[:len(data)], gradients=False)), "Denoiser.score": (denoiser.score, dict(y=data, sigma=0.5)),
        "Denoiser.nearest": (discrete.nearest, dict(sigma=tau)),
        "checkup": (timeless, dict(model=smaller, train=pairs[::2], held_out=pairs[1::2], levels=2, pairs=22, draws=1, references=[smaller],
                                   checkpoints={2.0: smaller}, samples=3, steps=2, likelihood=2, pool=46, block=16, seed=0, confidence=0.9,
                                   budget=60.0, cache=None, executor=None, device=None, labels=(classes, classes), progress=False)),
        "sweep": (dn.sweep, dict(function=max_of, configurations=[{"n": 1}], executor=None, cache=None, progress=False)),
    }


def max_of(n):
    return n


def timeless(**arguments):
    """A check-up but for the seconds that it took."""
    return dataclasses.replace(dn.checkup(**arguments), cost=0.0)


# Public, and not here: what they do not take is checked elsewhere, by the test named.
ELSEWHERE = {
    "beside": "test_records", "long_run": "test_records", "by_preset": "test_claims_and_chapters", "claim": "test_claims_and_chapters", "device": "test_claims_and_chapters",
    "ledger": "test_claims_and_chapters", "registry": "test_claims_and_chapters", "precision": "test_claims_and_chapters",
    "preset": "test_claims_and_chapters", "seeds": "test_claims_and_chapters", "start": "test_claims_and_chapters", "mnist": "test_data",
    "figures": "test_figures", "stop_the_training": "test_stopping", "mixer": "test_mixing", "leaf": "test_leafing", "table": "test_tables", "measured": "test_quoting", "turning": "test_tables", "power": "test_tables", "spread": "test_tables",
    "Table": "made by table", "Generated": "made by generate", "Generated.divergence": "has no arguments", "Table.html": "has no arguments", "GaussianMixture.to": "torch's errors", "Run": "made by Problem.train",
    "Runs": "test_problem", "Runs.map": "the results are the caller's", "LinearSDE": "has no arguments", "bounds": "its functions are here",
    **dict.fromkeys(("Checkup.sentences", "Checkup.table", "Checkup.figures"), "has no arguments"),
    **dict.fromkeys(("Checkup", "Certificate", "FiniteWidth", "GradientGap", "ResolventBound", "SampleBound", "Theorem1", "Theorem2", "Interval", "Checkpoint", "Clusters", "Digits", "Scaling"), "made by the package only"),
    **dict.fromkeys(("SGD.step", "Adam.step", "Grouped.step", "SwishNet.inputs", "SwishNet.output", "SwishNet.gradient", "UNet.inputs",
                     "UNet.gradient"), "called by train, which checks"),
    **dict.fromkeys(("SwishNet.sharpness", "train_arms", "Arm", "Arm.streams", "Arm.draw", "Trained", "Trained.read", "Trained.at"), "test_arms"), "Trained.finite": "has no arguments",
    **dict.fromkeys(("Replicas", "Network", "Network.inputs", "Network.gradient", "Network.with_theta"), "what SwishNet and UNet are"),
}


def bad_values(value):
    """Values that should not pass silently in the place of a valid one, by its kind: (what, value) pairs."""
    if isinstance(value, torch.Tensor):
        if value.dtype in (torch.uint8, torch.int64):
            yield from (("float", value.double()), ("empty", value[:0]), ("too many dimensions", value[None, None]), ("string", "x"), ("None", None))
            return
        spoilt = value.clone().reshape(-1)
        for what in (float("nan"), float("inf"), -float("inf")):
            spoilt = value.clone()
            spoilt.view(-1)[-1] = what
            yield f"entry {what}", spoilt
        if value.ndim:
            yield "empty", value[:0]
            yield "one dimension less", value[0]
        yield "two dimensions more", value[None, None]
        yield "one entry too many", torch.cat([value.reshape(-1), value.reshape(-1)[:1]])
        yield "int64", value.long()
        yield "complex", value.to(torch.complex128)
        yield "bool", value > 0
        yield "other float", value.to(torch.float32 if value.dtype == torch.float64 else torch.float64)
        yield "meta device", value.to("meta")
        yield "negative", -1 - value.abs()
        yield "zero", torch.zeros_like(value)
        yield "huge", value * 1e200
        yield from (("string", "x"), ("None", None), ("object", object()), ("ragged", [[1.0], [1.0, 2.0]]))
    elif isinstance(value, bool):
        return
    elif isinstance(value, int):
        yield from ((repr(v), v) for v in (-1, 0, 1.5, True, "3", None, float("nan"), float("inf")))
    elif isinstance(value, float):
        yield from ((repr(v), v) for v in (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e300, 1e-300, "x", None, [1.0, 2.0], True, 1j))
        yield "tensor with NaN", torch.tensor(float("nan"))
    elif isinstance(value, np.random.Generator):
        yield from ((repr(v), v) for v in (0, None, "x"))
        yield "legacy", np.random.RandomState(0)
    elif callable(value) and not isinstance(value, (type, dn.LinearSDE)) and not hasattr(value, "sample"):
        yield from (("None", None), ("number", 3.0), ("returns None", lambda *a, **k: None), ("returns a string", lambda *a, **k: "x"))
        yield "returns NaN", lambda *a, **k: value(*a, **k) * float("nan")
        yield "returns another shape", lambda *a, **k: torch.as_tensor(value(*a, **k))[None, None, None]
        yield "returns float32", lambda *a, **k: torch.as_tensor(value(*a, **k)).float()
    elif isinstance(value, (list, tuple)):
        yield from (("empty", []), ("None", None), ("number", 3), ("string", "x"), ("of strings", ["x"] * len(value)), ("of None", [None] * len(value)))
    elif isinstance(value, str):
        yield from ((repr(v), v) for v in ("", "nonsense", None, 3))
    else:
        yield from ((repr(v), v) for v in (None, 0, "x", [1.0]))


def parts(result):
    """All tensors, arrays and floats of a result."""
    if isinstance(result, (torch.Tensor, np.ndarray, float)):
        yield torch.as_tensor(result)
    elif dataclasses.is_dataclass(result):
        for field in dataclasses.fields(result):
            yield from parts(getattr(result, field.name))
    elif isinstance(result, (list, tuple)):
        for entry in result:
            yield from parts(entry)
    elif isinstance(result, dict):
        yield from parts(list(result.values()))


# Spoilt in these ways an argument may still be right by itself, and another one is named that no longer fits it.
UNFIT = {"empty", "one dimension less", "two dimensions more", "one entry too many", "other float", "meta device", "1e+300", "1e-300", "0.0"}


def outcome(function, arguments, names):
    """None if the call raised the package's error for an argument in ``names`` or gave a result without NaN; else what happened."""
    try:
        result = function(**arguments)
        if inspect.isgenerator(result):
            result = list(result)
    except ValueError as error:
        named = re.match(r"^([\w.]+)(\([\w, ]*\)|\[[^\]]*\])?: got .*; allowed: ", str(error), re.S)
        return None if named and named[1] in names else f"ValueError without the argument's name: {str(error)[:120]}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:120]}"
    for part in parts(result):
        if part.device.type != "meta" and part.is_floating_point() and part.isnan().any():
            return "a result with NaN"
    return None


def public():
    """Names of everything public that can be called: functions, classes, and the methods that a class defines."""
    for name in dn.__all__:
        thing = getattr(dn, name)
        yield name
        if inspect.isclass(thing):
            for key, entry in vars(thing).items():
                entry = getattr(entry, "__func__", entry)
                if inspect.isfunction(entry) and (key == "__call__" or not key.startswith("_")):
                    yield f"{name}.{key}"
    for key, entry in vars(bounds).items():
        if inspect.isfunction(entry) and entry.__module__ == bounds.__name__ and not key.startswith("_"):
            yield f"bounds.{key}"


NAMES = sorted(calls())
DOCUMENTED = {
    ("kl_on_points", "score = returns NaN"): "a diverged replica's divergence is NaN, as its docstring says",
    ("sweep", "function = returns NaN"): "the results are the caller's",
}


def test_everything_public_is_tried():
    assert sorted(set(public()) - set(NAMES) - set(ELSEWHERE)) == []
    assert sorted((set(NAMES) | set(ELSEWHERE)) - set(public())) == []


@pytest.mark.parametrize("name", NAMES)
def test_bad_values_are_refused_by_name_or_harmless(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where sweep puts a cache named "x"
    function, valid = calls()[name]
    assert outcome(function, valid, ()) is None, f"the valid call: {outcome(function, valid, ())}"
    faults = []
    for argument, value in valid.items():
        for what, bad in bad_values(value):
            fault = outcome(function, valid | {argument: bad}, valid if what in UNFIT else (argument,))
            if fault and (name, f"{argument} = {what}") not in DOCUMENTED:
                faults.append(f"{argument} = {what}: {fault}")
    assert not faults, "\n" + "\n".join(faults)
