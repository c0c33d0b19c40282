"""The exact flow beside gradient descent, m = 1024: seconds, accuracy, and how many times faster.

Run ``make benchmark`` or ``python benchmarks/flow_against_descent.py``.  Gradient descent runs in full to tau = 1e4; to
tau = 1e7 its time is the cost of a step times the number of steps, and is marked as such.
"""

import platform
import time

import numpy as np
import torch

import diffnotes as dn

WIDTH, UNTIL_RUN, UNTIL = 1024, 1e4, 1e7


def clock(function):
    """Result and seconds of one call."""
    begin = time.perf_counter()
    result = function()
    return result, time.perf_counter() - begin


def main():
    sde = dn.OU()
    p = dn.GaussianMixture.two_modes(3.0).diffused(sde)
    nodes = dn.line_grid(p, sde.std, 0.01, n_t=128, n_x=128).weighted(p)
    phi = dn.RandomFeatures.draw(WIDTH, 1, sde.T, np.random.default_rng(0))
    stats, seconds_stats = clock(lambda: dn.statistics(phi, nodes))
    tau = torch.logspace(0, 7, 200, dtype=torch.float64)
    flow, seconds_eigenvectors = clock(lambda: dn.GradientFlow(stats))
    _, seconds_tau = clock(lambda: flow.theta(tau))
    seconds_flow = seconds_eigenvectors + seconds_tau

    step = 0.5 / flow.eigenvalues[-1].item()
    n_run = round(UNTIL_RUN / step)
    theta, seconds_run = clock(lambda: dn.gradient_descent(stats, flow.theta0, UNTIL_RUN / n_run, n_run))
    exact = flow.theta(UNTIL_RUN)
    error = ((theta - exact).norm() / exact.norm()).item()
    seconds_descent = seconds_run / n_run * UNTIL / step

    rows = {
        "statistics B, C, S (needed by both)": f"{seconds_stats:.2f} s",
        "flow: eigenvectors and 200 values of tau": f"{seconds_flow:.2f} s",
        f"descent to tau = {UNTIL_RUN:.0e}, {n_run} steps, in full": f"{seconds_run:.2f} s, {error:.0e} from the flow",
        f"descent to tau = {UNTIL:.0e}, step cost times steps": f"{seconds_descent:.0f} s",
        "the flow is faster by a factor": f"{seconds_descent / seconds_flow:.0f}",
        "and with the statistics counted": f"{seconds_descent / (seconds_flow + seconds_stats):.0f}",
    }
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    print(f"m = {WIDTH}, {len(nodes.t)} nodes, float64")
    for name, value in rows.items():
        print(f"{name:52s} {value}")


if __name__ == "__main__":
    main()
