"""Intervals for means over few repetitions."""

import math
import re
from dataclasses import dataclass

import torch

from . import checks as check


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence limits; prints as ``1.20 (0.90 to 1.50)``, and takes the format of its numbers."""

    low: float
    mean: float
    high: float

    def __format__(self, spec: str) -> str:
        spec = spec or ".2f"
        spec = re.sub(r"^((?:.?[<>=^])?[-+ ]?)", r"\1z", spec)  # z: no minus sign before a zero
        return f"{self.mean:{spec}} ({self.low:{spec}} to {self.high:{spec}})"

    __str__ = __repr__ = lambda self: format(self)


def mean_interval(values, confidence: float = 0.95) -> Interval:
    """Student's t interval for the mean of n >= 2 independent values with a common normal distribution."""
    try:
        from scipy.stats import t
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("mean_interval needs the package scipy; pip install scipy") from error
    values = values.double() if isinstance(values, torch.Tensor) and not values.is_complex() else values
    values = check.with_values("values", check.tensor("values", values, ("n",)))
    confidence = check.number("confidence", confidence, 0.0, 1.0, open_low=True, open_high=True)
    n = len(values)
    if n < 2:
        check.fail("values", f"{n} value", "at least 2")
    half = t.ppf((1 + confidence) / 2, n - 1) * values.std().item() / n**0.5
    mean = values.mean().item()
    return Interval(mean - half, mean, mean + half)


def geometric_interval(values, confidence: float = 0.95) -> Interval:
    """The geometric mean of n >= 2 independent positive values with its limits: Student's t interval for their logarithms.

    For ratios and factors, where 0.5 is as far from 1 as 2 is.
    """
    values = values.double() if isinstance(values, torch.Tensor) and not values.is_complex() else values
    values = check.with_values("values", check.tensor("values", values, ("n",)))
    check.holds("values", values > 0, "numbers > 0", values)
    found = mean_interval(values.log(), confidence)
    return Interval(*(math.exp(end) for end in (found.low, found.mean, found.high)))
