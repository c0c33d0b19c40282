r"""Linear SDEs: the forward process that turns data into noise.

.. math:: dx = f(t)\,x\,dt + g(t)\,dW, \qquad x(0) \sim p_0, \quad t \in [0, T]

is the paper's (2).  With :math:`r(t) = \exp\int_0^t f` and :math:`v(t)^2 = \int_0^t g^2/r^2` its
perturbation kernel is the paper's (8),

.. math:: x(t) \mid x(0) \sim N\big(r(t)\,x(0),\; r(t)^2 v(t)^2 I\big).

An SDE here is its four coefficient functions of time: ``drift_rate`` f, ``diffusion`` g,
``scale`` r and ``std`` r v.  They take a number or a tensor of times in [0, T] and return a tensor
of the same shape.
"""

import math

import torch
from torch import Tensor

from ..base import checks as check


class LinearSDE:
    """Base class; a subclass gives the four coefficients as functions of a checked time tensor."""

    T: float

    def _drift_rate(self, t: Tensor) -> Tensor:
        raise NotImplementedError

    _diffusion = _scale = _std = _drift_rate

    def drift_rate(self, t) -> Tensor:
        """f(t), shape of t."""
        return self._drift_rate(self._times(t))

    def diffusion(self, t) -> Tensor:
        """g(t), shape of t."""
        return self._diffusion(self._times(t))

    def scale(self, t) -> Tensor:
        """r(t): the factor that multiplies x(0) in the mean of the perturbation kernel (8)."""
        return self._scale(self._times(t))

    def std(self, t) -> Tensor:
        """r(t) v(t): the standard deviation of the perturbation kernel (8)."""
        return self._std(self._times(t))

    def drift(self, x: Tensor, t) -> Tensor:
        """f(t) x for x [*b, d] and t [*b] or a number: [*b, d]."""
        x = check.tensor("x", x, (..., "d"))
        return self.drift_rate(self.times_of(x, t))[..., None] * x

    def perturb(self, x0: Tensor, t, noise: Tensor) -> Tensor:
        """x(t) = r(t) x(0) + r(t) v(t) z for x0 [*b, d], t [*b] or a number, noise z [*b, d]: [*b, d].

        Source: the paper's (8).
        """
        x0 = check.tensor("x0", x0, (..., "d"))
        noise = check.tensor("noise", noise, tuple(x0.shape), like=x0)
        t = self.times_of(x0, t)
        return self.scale(t)[..., None] * x0 + self.std(t)[..., None] * noise

    def kernel_score(self, x: Tensor, x0: Tensor, t) -> Tensor:
        """Score of the perturbation kernel, (r x(0) - x) / (r v)^2, the target of the loss (5): [*b, d].

        Needs t > 0: at t = 0 the kernel has no density.
        """
        x = check.tensor("x", x, (..., "d"))
        x0 = check.tensor("x0", x0, tuple(x.shape), like=x)
        t = self.times_of(x, t)
        check.holds("t", t > 0, f"SDE times in (0, {self.T:g}]: the kernel has no density at t = 0", t)
        variance = self.std(t)[..., None] ** 2
        tiny = torch.finfo(x.dtype).tiny
        check.holds("t", variance >= tiny, f"SDE times with std(t)^2 of at least {tiny:.0e} (in {x.dtype})", t[..., None])
        return (self.scale(t)[..., None] * x0 - x) / variance

    def growth(self) -> float:
        r"""C_T = max over t of {r(t), r(t) v(t)}, the constant of Lemma 1.

        All SDEs here have f <= 0 and an increasing std, so the maxima sit at t = 0 and t = T.
        """
        return max(1.0, float(self.std(self.T)))

    def geometric_times(self, std_min: float, steps: int, *, dtype=torch.float64, device=None) -> Tensor:
        """Increasing times [steps + 1] from std(t) = ``std_min`` to T at which v = std/scale grows by equal factors.

        The noise beside the signal, std/scale, resolves both ends: near T, where the std of OU and VP no longer moves, it
        still grows.  Probability flows are smooth functions of its logarithm.
        """
        end = torch.tensor(self.T, dtype=torch.float64, device="cpu")
        std_min = check.number("std_min", std_min, 0.0, float(self.std(end)), open_low=True, open_high=True)
        first = self._time_at(self._std, torch.full_like(end, std_min))
        low, high = self.log_noise(torch.stack([first, end]))
        share = torch.linspace(0, 1, check.integer("steps", steps) + 1, dtype=torch.float64, device="cpu")
        times = self.time_at_log_noise(low + (high - low) * share)
        times[-1] = self.T
        return times.to(**check.kind(dtype, device))

    def log_noise(self, t) -> Tensor:
        """log(std/scale) = log v(t), shape of t, increasing: minus infinity at t = 0."""
        return self._log_noise(self.resolved(t))

    def time_at_log_noise(self, level: Tensor) -> Tensor:
        """The time in [0, T] at which log(std/scale) is ``level``, shape of it, by bisection; beyond both ends, the ends."""
        return self._time_at(self._log_noise, check.tensor("level", level))

    def resolved(self, t) -> Tensor:
        """The times t, refused where scale(t) is so small that x(t) / scale(t) overflows or holds no digit of x(0)."""
        t = self._times(t)
        kind = torch.finfo(t.dtype)
        check.holds("t", self._scale(t) >= kind.tiny**0.5,
                    f"SDE times with scale(t) of at least {kind.tiny**0.5:.0e} (in {t.dtype})", t)
        return t

    def _log_noise(self, t):
        return self._std(t).log() - self._scale(t).log()

    def _time_at(self, increasing, wanted):
        low, high = torch.zeros_like(wanted), torch.full_like(wanted, self.T)
        for _ in range(200):  # t may be as small as the square of a std
            middle = (low + high) / 2
            below = increasing(middle) < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return high

    def _times(self, t) -> Tensor:
        return check.times("t", t, 0.0, self.T)

    def times_of(self, x: Tensor, t) -> Tensor:
        """Times for the points x [*b, d]: a number, or one for each point [*b]; checked, and in the precision of x."""
        x = check.tensor("x", x, (..., "d"), finite=False)
        t = check.times("t", t, 0.0, self.T, like=x)
        if t.ndim and t.shape != x.shape[:-1]:
            check.fail("t", f"shape {tuple(t.shape)}", f"a number or shape {tuple(x.shape[:-1])}, one time for each x")
        return t

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v:g}' for k, v in vars(self).items())})"


class VE(LinearSDE):
    r"""Variance exploding: f = 0, g = sigma^t, std^2 = (sigma^{2t} - 1) / (2 ln sigma).

    The paper's experiments use sigma = 25, T = 1 (Section 4).  The std is zero at t = 0; the VE of Song et al. (2021) keeps a
    smallest one, sigma_min, which is subtracted here.
    """

    def __init__(self, sigma: float = 25.0, T: float = 1.0):
        self.sigma = check.number("sigma", sigma, 1.0, open_low=True)
        self.T = check.number("T", T, 0.0, open_low=True)

    def _drift_rate(self, t):
        return torch.zeros_like(t)

    def _diffusion(self, t):
        return self.sigma**t

    def _scale(self, t):
        return torch.ones_like(t)

    def _std(self, t):
        log_sigma = math.log(self.sigma)
        return torch.sqrt(torch.expm1(2 * log_sigma * t) / (2 * log_sigma))


class Karras(LinearSDE):
    r"""The time is the noise itself: f = 0, g = sqrt(2 t), scale one, std = t.

    Source: Karras et al. (2022), with their sigma(t) = t, where x(t) is data with noise of standard deviation t, up to T = 80.
    """

    def __init__(self, T: float = 80.0):
        self.T = check.number("T", T, 0.0, open_low=True)

    def _drift_rate(self, t):
        return torch.zeros_like(t)

    def _diffusion(self, t):
        return torch.sqrt(2 * t)

    def _scale(self, t):
        return torch.ones_like(t)

    def _std(self, t):
        return t.clone()


class VP(LinearSDE):
    r"""Variance preserving: f = -beta/2, g = sqrt(beta), beta linear from beta_min to beta_max on [0, T].

    r = exp(-(1/2) int_0^t beta), std^2 = 1 - r^2.  Source: Song et al. (2021), the continuous limit of DDPM.
    """

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0, T: float = 1.0):
        self.beta_min = check.number("beta_min", beta_min, 0.0, open_low=True)
        self.beta_max = check.number("beta_max", beta_max, self.beta_min)
        self.T = check.number("T", T, 0.0, open_low=True)

    def _beta(self, t):
        return self.beta_min + (self.beta_max - self.beta_min) * t / self.T

    def _integral(self, t):
        return self.beta_min * t + (self.beta_max - self.beta_min) * t**2 / (2 * self.T)

    def _drift_rate(self, t):
        return -0.5 * self._beta(t)

    def _diffusion(self, t):
        return torch.sqrt(self._beta(t))

    def _scale(self, t):
        return torch.exp(-0.5 * self._integral(t))

    def _std(self, t):
        return torch.sqrt(-torch.expm1(-self._integral(t)))


class OU(VP):
    r"""Ornstein-Uhlenbeck: f = -rate, g = sqrt(2 rate), r = exp(-rate t), std^2 = 1 - r^2, which is VP with beta = 2 rate.

    N(0, I) is stationary.  With rate = 1 this is dx = -x dt + sqrt(2) dW.
    """

    def __init__(self, rate: float = 1.0, T: float = 5.0):
        self.rate = check.number("rate", rate, 0.0, open_low=True)
        self.T = check.number("T", T, 0.0, open_low=True)

    def _beta(self, t):
        return torch.full_like(t, 2 * self.rate)

    def _integral(self, t):
        return 2 * self.rate * t
