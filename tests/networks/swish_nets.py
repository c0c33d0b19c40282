"""Small networks for the tests of this folder, a replica for each seed."""

import numpy as np
import torch

import diffnotes as dn

SDE = dn.VE()
F64 = torch.float64


def generators(seeds, stream):
    return [np.random.default_rng([seed, stream]) for seed in seeds]


def nets(seeds, width=5, **kwargs):
    return dn.SwishNet.draw(width, SDE, generators(seeds, 1), **{"dtype": F64, **kwargs})
