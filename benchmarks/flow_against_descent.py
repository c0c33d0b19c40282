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
    (flow, thetas), seconds_flow = clock(lambda: (flow := dn.GradientFlow(stats), flow.theta(tau)))

    step = 0.5 / flow.eigenvalues[-1].item()
    n_run = round(UNTIL_RUN / step)
    theta, seconds_run = clock(lambda: dn.gradient_descent(stats, flow.theta0, UNTIL_RUN / n_run, n_run))
    exact = flow.theta(UNTIL_RUN)
    error = ((theta - exact).norm() / exact.norm()).item()
    seconds_descent = seconds_run / n_run * UNTIL / step

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}; m = {WIDTH}, {len(nodes.t)} nodes, float64")
    print(f"statistics B, C, S (needed by both)             {seconds_stats:8.2f} s")
    print(f"flow: eigenvectors and 200 values of tau        {seconds_flow:8.2f} s")
    print(f"descent to tau = {UNTIL_RUN:.0e}, {n_run} steps, in full   {seconds_run:8.2f} s, relative distance from the flow {error:.1e}")
    print(f"descent to tau = {UNTIL:.0e}, step cost times steps    {seconds_descent:8.0f} s")
    print(f"the flow is {seconds_descent / seconds_flow:.0f} times faster, {seconds_descent / (seconds_flow + seconds_stats):.0f} times with the statistics")


if __name__ == "__main__":
    main()
