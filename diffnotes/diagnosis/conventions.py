"""Preconditionings: the four numbers (c_in, t, c_skip, c_out) at a sigma by which a network is a denoiser, by convention."""

import math

import torch


def itself(sigma):
    """The model is the denoiser itself: EDM as its users call it, and k-diffusion."""
    return 1.0, sigma, 0.0, 1.0


def of_sde(sde, sigma):
    """The score of x = scale y at the time whose std/scale is sigma: D = y + (std^2/scale) s."""
    t = sde.time_at_log_noise(torch.tensor(math.log(sigma), dtype=torch.float64, device="cpu"))
    scale, std = sde.scale(t).item(), sde.std(t).item()
    return scale, t.item(), 1.0, std**2 / scale


def of_index(a, levels, prediction, sigma):
    """x = sqrt(a_k) y at the index k of the level nearest to sigma."""
    k = int((levels - sigma).abs().argmin())
    signal, noise = a[k] ** 0.5, (1 - a[k]) ** 0.5
    return signal, k, *{"epsilon": (1.0, -noise / signal), "sample": (0.0, 1.0), "v_prediction": (signal**2, -noise)}[prediction]


def of_path(steps, data_at, s, sigma):
    """A velocity on straight paths; the model is told ``steps`` times the time.  x = signal y, v = sign (x0 - (1 - s) z)."""
    signal = 1 / (sigma + 1 - s)
    time = signal if data_at else (sigma - s) * signal
    return signal, steps * time, (1 - s) * signal, (sigma if data_at else -sigma) * signal


def of_edm(scheduler, sigma):
    """What an EDM scheduler of diffusers does to sample and output, both of which are linear."""
    sigma, one, zero = (torch.tensor(v, dtype=torch.float64, device="cpu") for v in (sigma, 1.0, 0.0))
    ends = (scheduler.precondition_outputs(one, zero, sigma), scheduler.precondition_outputs(zero, one, sigma))
    return tuple(v.item() for v in (scheduler.precondition_inputs(one, sigma), scheduler.precondition_noise(sigma), *ends))
