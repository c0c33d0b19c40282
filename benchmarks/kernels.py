"""How fast the kernels are on one thread, beside the rate of this core's matrix products: ``python benchmarks/kernels.py``.

A second checkout's folder as argument prints its times beside these, as ratios: ``git worktree add /elsewhere v0.1.0``.
"""

import json
import os
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch

F64 = torch.float64


def seconds(call, least: float = 0.6) -> float:
    """The smallest of several processor times, after a first call: other work on the machine does not count."""
    call()
    times: list[float] = []
    while sum(times) < least or len(times) < 3:
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


def rate(dtype, size: int = 1024) -> float:
    """Floating-point operations a second in a matrix product."""
    a = torch.ones(size, size, dtype=dtype)
    return 2 * size**3 / seconds(lambda: a @ a)


def kernels() -> dict[str, tuple]:
    """Name: (call, its floating-point operations in matrix products, or None)."""
    import diffnotes as dn

    def rng(seed=0):
        return np.random.default_rng(seed)

    sde = dn.OU()
    p = dn.GaussianMixture.two_modes(3.0).diffused(sde)
    nodes = dn.line_grid(p, sde.std, 0.01, n_t=96, n_x=96).weighted(p)
    found = {}
    for m in (256, 1024):
        phi = dn.RandomFeatures.draw(m, 1, sde.T, rng())
        found[f"statistics, m = {m}"] = (lambda phi=phi: dn.statistics(phi, nodes)), 2 * len(nodes.x) * m * m
    phi = dn.RandomFeatures.draw(256, 1, sde.T, rng())
    score, line = phi.score(dn.normal(rng(), (1, 256))), torch.linspace(-9, 9, 100_000, dtype=F64)[:, None]
    found["score of features, 256 x 100,000"] = (lambda: score(line, 0.5)), None
    small, single = torch.linspace(-9, 9, 400, dtype=F64)[:, None], phi.score(dn.normal(rng(), (16, 1, 256)))
    found["score of features, 16 x 256 x 400"] = (lambda: single(small, 0.5)), None
    for n in (64, 512):
        wide = dn.RandomFeatures.draw(1024, 8, sde.T, rng())
        data = dn.GaussianMixture.empirical(dn.normal(rng(), (n, 8))).diffused(sde)
        found[f"denoising_statistics, n = {n}, m = 1024"] = (
            lambda wide=wide, data=data: dn.denoising_statistics(wide, data, 0.1)), 20 * 2 * n * 1024**2
    for d in (1, 2, 32, 196, 784):
        data = dn.GaussianMixture.empirical(dn.normal(rng(), (1000, d))).diffused(dn.VE())
        x = dn.normal(rng(1), (250, d))
        found[f"empirical score, 250 points, n = 1000, d = {d}"] = (lambda data=data, x=x: data.score(x, 0.3)), None
    data = dn.GaussianMixture.empirical(dn.normal(rng(), (500, 1))).diffused(sde)
    grid = dn.line_grid(data, sde.std, 0.01, n_t=48, n_x=64)
    found["grid.weighted, n = 500"] = (lambda: grid.weighted(data)), None
    for k in (1, 16, 264):
        few = dn.RandomFeatures.draw(64, 1, sde.T, rng()).score(0.1 * dn.normal(rng(), (k, 1, 64)))
        x, t = dn.stretched_grid(300.0, 500, 6.0), torch.linspace(5.0, 0.01, 21, dtype=F64)
        prior = dn.GaussianMixture.normal(1.0).log_prob(x[:, None]).exp()
        found[f"reverse_sde_density, {k} scores, 20 steps"] = (
            lambda few=few, x=x, t=t, prior=prior: dn.reverse_sde_density(few, sde, x, t, prior, edge_mass=1.0)), None
    net = dn.UNet.draw(28, dn.VE(), [rng()], channels=(16, 32, 64), data_std=0.5)
    images, up = dn.normal(rng(), (1, 16, 784), dtype=torch.float32), dn.VE().geometric_times(0.05, 6, dtype=torch.float32)
    found["likelihood of a U-Net, 1 probe, 6 steps"] = (lambda: dn.probability_flow_log_prob(
        net.score, dn.VE(), images, up, lambda x: x.sum(-1), probes=1, generator=rng())), None
    return found


def measure() -> dict[str, list]:
    """Seconds and, where they are matrix products, operations a second."""
    return {name: [took := seconds(call), work and work / took] for name, (call, work) in kernels().items()}


def main(other: str | None) -> None:
    torch.set_num_threads(1)
    limit, now = rate(F64), measure()
    print(f"matrix products on this core: {limit / 1e9:.0f} (float64), {rate(torch.float32) / 1e9:.0f} (float32) GFLOP/s")
    before = {}
    if other:
        command = [sys.executable, __file__, "--json"]
        environment = {**os.environ, "PYTHONPATH": other}
        before = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    print(f"{'':52}{'ms':>9}{'of the rate':>13}" + ("{:>10}{:>8}".format("before", "ratio") if before else ""))
    for name, (took, speed) in now.items():
        share = f"{speed / limit:.0%}" if speed else ""
        old = f"{before[name][0] * 1e3:10.2f}{before[name][0] / took:8.1f}" if name in before else ""
        print(f"{name:52}{took * 1e3:9.2f}{share:>13}{old}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--json"]:
        torch.set_num_threads(1)
        print(json.dumps(measure()))
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else None)
