"""Seconds of a check-up: 5,000 digits of 28 by 28 pixels under the U-Net of the chapter on digits, on this machine's threads.

``python benchmarks/checkup.py`` or, with pairs of records in place of 1,000, ``python benchmarks/checkup.py 500``.
"""

import sys
import time

import numpy as np
import torch

import diffnotes as dn


def main(pairs):
    rng, sde = np.random.default_rng(0), dn.VE(sigma=25.0, T=1.0)
    levels = dn.mnist("sample").levels
    images = dn.dequantise(levels[dn.permutation(rng, len(levels))], rng).float()
    net = dn.UNet.draw(28, sde, [rng], channels=(32, 64, 128), patch=2, data_std=images.var(0).mean().sqrt().item())
    models = {"the U-Net": dn.Denoiser.of_score(lambda x, t: net.score(x[None], t[None])[0], sde, t_min=1e-4),
              "a model that costs nothing": dn.Denoiser(lambda y, sigma: y / (1 + sigma[0] ** 2), 0.01, 80.0)}
    print(f"{torch.get_num_threads()} threads, {len(images)} digits, {pairs} pairs, 8 levels, 200 samples")
    for name, model in models.items():
        begin = time.perf_counter()
        found = dn.checkup(model, images[:2500], images[2500:], pairs=pairs, progress=False)
        seconds = time.perf_counter() - begin
        print(f"{name}: {seconds:.1f} s; {found.cost:.2f} s for a thousand records at one level", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
