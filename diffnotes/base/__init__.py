"""Base: what every room stands on, and no reader has to know: checks of arguments, random numbers, repeated runs, intervals."""

from .intervals import Interval, geometric_interval, mean_interval
from .rng import normal, permutation, uniform
from .settings import device, precision
from .sweeps import sweep

__all__ = ["Interval", "device", "geometric_interval", "mean_interval", "normal", "permutation", "precision", "sweep", "uniform"]
