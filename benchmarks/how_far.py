"""How far one machine goes with the exact flow: seconds and memory for a width, on this machine's threads.

``python benchmarks/how_far.py 512 1024 2048``, widths in increasing order, since the peak memory is that of the whole process;
``make benchmark`` runs it with these.
"""

import resource
import sys
import time
from itertools import pairwise

import numpy as np
import torch

import diffnotes as dn


def main(widths):
    p = dn.GaussianMixture.two_modes(3.0).diffused(dn.OU())
    nodes = dn.line_grid(p, p.sde.std, 0.01).weighted(p)
    tau = torch.logspace(0, 8, 100, dtype=torch.float64)
    print(f"{torch.get_num_threads()} threads, {len(nodes.t)} nodes, 100 training times")
    for width in widths:
        features, clock = dn.RandomFeatures.draw(width, 1, p.sde.T, np.random.default_rng(0)), [time.perf_counter()]
        statistics = dn.statistics(features, nodes)
        clock.append(time.perf_counter())
        flow = dn.GradientFlow(statistics)
        clock.append(time.perf_counter())
        loss = flow.loss(tau)[-1]
        clock.append(time.perf_counter())
        seconds = [b - a for a, b in pairwise(clock)]
        unit = 2**30 if sys.platform == "darwin" else 2**20  # bytes there, KiB elsewhere
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        print(f"width {width:6d}: statistics {seconds[0]:.1f} s, eigenvalues {seconds[1]:.1f} s, losses {seconds[2]:.2f} s; "
              f"peak memory {peak:.1f} GiB; loss at the end {loss:.2e}", flush=True)


if __name__ == "__main__":
    main([int(width) for width in sys.argv[1:]] or [512, 1024, 2048])
