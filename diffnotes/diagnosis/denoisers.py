r"""A diffusion model as its denoiser :math:`D(y, \sigma) = E[x_0 \mid y]` for :math:`y = x_0 + \sigma z`, z standard normal.

Here sigma is the noise beside the signal, std/scale, whatever the model calls it.  A network predicts the noise, the data, a
velocity or a score, of data that are scaled in one way or another; all are one formula (Karras et al., 2022, their (7)),

.. math:: D(y, \sigma) = c_\text{skip}\, y + c_\text{out}\, F(c_\text{in}\, y,\; t),

with four numbers for each sigma, in float64, of which each constructor knows its own.  For scores and predicted noise D is a
difference of two numbers of the size of sigma, so that rounding costs up to 4e-7 sigma in float32.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..base import checks as check
from ..generation import scores
from ..processes import LinearSDE
from . import conventions as convention

_ROUNDING = 1e-6  # relative: what a sigma loses on its way through float32, and more
_PREDICTIONS = ("epsilon", "sample", "v_prediction")


class Denoiser:
    """A model as its denoiser D(y, sigma), for y = x0 + sigma z, at the noise levels that it knows.

    An event, one draw of the data, has any shape; models from this package take vectors, y [b, d].  The model's own errors pass.

    Args:
        model: F(x [b, *event], t [b]) -> like x.  A ``torch.nn.Module`` must be in evaluation mode, here and at every call.
        low, high: the range of sigma that it was trained on.
        levels: the increasing sigmas [K] from low to high that it knows, or None if it knows all between.
        preconditioning: sigma -> (c_in, t, c_skip, c_out), numbers; t an int where the model takes integers.  Without it the
            model is D itself, of (y, sigma), as in EDM and k-diffusion.
    """

    def __init__(self, model, low: float, high: float, *, levels=None, preconditioning=None):
        self.model = _frozen("model", model)
        self.low = check.number("low", low, 0.0, open_low=True)
        self.high = check.number("high", high, self.low)
        self.levels = None if levels is None else _levels(levels, self.low, self.high)
        at = convention.itself if preconditioning is None else preconditioning
        self.preconditioning = check.function("preconditioning", at)
        self._numbers: dict[float, tuple] = {}  # what it said: times may come from a bisection

    @classmethod
    def of_score(cls, score, sde: LinearSDE, t_min: float = 1e-3) -> "Denoiser":
        """From a score s(x, t) of x = scale(t) x0 + std(t) z, known on [t_min, T]: D = (x + std^2 s)/scale."""
        sde = check.instance("sde", sde, LinearSDE)
        t_min = check.number("t_min", t_min, 0.0, sde.T, open_low=True, open_high=True)
        low, high = sde.log_noise(torch.tensor([t_min, sde.T], dtype=torch.float64, device="cpu")).exp().tolist()
        return cls(_Quiet(_frozen("score", score)), low, high, preconditioning=partial(convention.of_sde, sde))

    @classmethod
    def of_discrete(cls, model, alphas_cumprod, prediction: str = "epsilon") -> "Denoiser":
        """From a network of x = sqrt(a_k) x0 + sqrt(1 - a_k) z and the index k (int64 [b]); the levels are sqrt((1 - a)/a).

        ``alphas_cumprod`` are the a [K], decreasing; ``prediction`` says what is predicted: the noise z ("epsilon"), the data x0
        ("sample") or sqrt(a) z - sqrt(1 - a) x0 ("v_prediction"; Salimans and Ho, 2022).
        """
        a = check.tensor("alphas_cumprod", alphas_cumprod, ("K",)).detach()
        a = check.with_values("alphas_cumprod", a).to(device="cpu", dtype=torch.float64)
        check.holds("alphas_cumprod", (a > 0) & (a < 1), "numbers in (0, 1)", a)
        check.holds("alphas_cumprod", a.diff() < 0, "a decreasing sequence", a[1:])
        if prediction not in _PREDICTIONS:
            check.fail("prediction", repr(prediction), f"one of {', '.join(_PREDICTIONS)}")
        levels = ((1 - a) / a).sqrt()
        at = partial(convention.of_index, a.tolist(), levels, prediction)
        return cls(model, levels[0].item(), levels[-1].item(), levels=levels, preconditioning=at)

    @classmethod
    def of_velocity(cls, velocity, low: float = 0.002, high: float = 80.0, *, data_at: int,
                    sigma_min: float = 0.0) -> "Denoiser":
        """From a velocity v(x, t) = E[dx/dt | x] of straight paths between data and noise, t in [0, 1]; sigma from low to high.

        With the data at t = 1, x = (1 - (1 - s) t) z + t x0 with s = ``sigma_min`` (Lipman et al., 2023); with the data at t = 0
        the same path backwards: for s = 0 x = (1 - t) x0 + t z and v = E[z - x0 | x] (rectified flow).
        """
        if data_at not in (0, 1):
            check.fail("data_at", repr(data_at), "0 or 1, the time at which a path is at its data")
        s = check.number("sigma_min", sigma_min, 0.0, 1.0, open_high=True)
        at = partial(convention.of_path, 1.0, data_at, s)
        return cls(_frozen("velocity", velocity), check.number("low", low, s), high, preconditioning=at)

    @classmethod
    def of_diffusers(cls, model, scheduler, label: int | None = None) -> "Denoiser":
        """From a network of the library diffusers and its scheduler; ``label`` is the one class of a class-conditional model.

        The scheduler says what the network predicts, by ``alphas_cumprod`` and ``config.prediction_type`` (DDPM, DDIM, DPM-solver
        and others; a last level without signal is left out), by its ``precondition_...`` methods (EDM), or by being a FlowMatch
        scheduler (between the levels of the first and the last but one training step; the last has no signal).  No prediction
        is clipped.  Of twice the channels the first half counts if the scheduler's variance is learned.
        """
        if not isinstance(model, torch.nn.Module) and (hasattr(model, "unet") or hasattr(model, "transformer")):
            check.fail("model", type(model).__name__, "a network: pipeline.unet or pipeline.transformer, with pipeline.scheduler")
        config: Any = getattr(scheduler, "config", None)
        learned = getattr(config, "variance_type", None) in ("learned", "learned_range")
        called = _Called(_frozen("model", model), learned, None if label is None else check.integer("label", label, 0))
        if hasattr(scheduler, "precondition_outputs"):
            return cls(called, config.sigma_min, config.sigma_max, preconditioning=partial(convention.of_edm, scheduler))
        a = getattr(scheduler, "alphas_cumprod", None)
        if a is not None and getattr(config, "timestep_type", "discrete") == "discrete":
            a = check.with_values("scheduler.alphas_cumprod", check.tensor("scheduler.alphas_cumprod", a, ("K",)))
            without_signal = getattr(config, "rescale_betas_zero_snr", False) or a[-1] == 0
            return cls.of_discrete(called, a[:-1] if without_signal else a, getattr(config, "prediction_type", ""))
        flow = any(kind.__name__.startswith("FlowMatch") for kind in type(scheduler).__mro__)
        if flow and not getattr(config, "invert_sigmas", False):
            steps = config.num_train_timesteps  # a shift multiplies sigma
            shift = 1.0 if getattr(config, "use_dynamic_shifting", False) else config.shift
            at = partial(convention.of_path, float(steps), 0, 0.0)
            return cls(called, shift / (steps - 1), shift * (steps - 1), preconditioning=at)
        check.fail("scheduler", type(scheduler).__name__, "one with alphas_cumprod and integer timesteps, precondition_outputs,"
                   " or a FlowMatch scheduler without invert_sigmas; for others, Denoiser(model, low, high), of_score,"
                   " of_discrete and of_velocity take plain functions")

    def __call__(self, y: Tensor, sigma: float, *, label: Tensor | None = None, gradients: bool = False) -> Tensor:
        """D(y, sigma) for y [b, *event] and one sigma in [low, high]: like y; differentiable by y only with ``gradients``.

        With labels [b] the model is called with them as its third argument, as diffusers' networks with ``class_labels``.

        It costs one evaluation of the model if sigma is a level; between two levels it costs two, and D is linear in log sigma
        between the two denoised images.  What the model returns is checked: shape, dtype, device, NaN and infinity.
        """
        y, sigma = check.tensor("y", y, (..., "n")), self._known(sigma)
        told = () if label is None else (check.labels("label", label, len(y)).to(y.device),)
        with torch.set_grad_enabled(gradients):
            value = self._between(y, sigma, told)
        return value if gradients else value.detach()

    def score(self, y: Tensor, sigma: float) -> Tensor:
        """grad log p(y) = (D - y)/sigma^2, like y: a score at time sigma of the process ``Karras``, for one time at once."""
        return (self(y, sigma) - y) / self._known(sigma) ** 2

    def nearest(self, sigma):
        """The level nearest in log sigma, of a number as a number, of several as a tensor of their shape.

        For a model that knows all between, sigma itself; beyond low and high, these.
        """
        if not isinstance(sigma, Tensor | list | tuple):
            return self.nearest([check.number("sigma", sigma, 0.0, open_low=True)]).item()
        value = check.tensor("sigma", sigma)
        check.holds("sigma", value > 0, "numbers above 0", value)
        if self.levels is None:
            return value.clamp(self.low, self.high)
        levels = self.levels.to(value.device)
        middles = (levels[1:] * levels[:-1]).sqrt()
        return levels[torch.bucketize(value.double(), middles)].to(value.dtype)

    def _known(self, sigma) -> float:
        sigma = check.number("sigma", sigma, self.low * (1 - _ROUNDING), self.high * (1 + _ROUNDING))
        return min(max(sigma, self.low), self.high)

    def _between(self, y, sigma, label):
        level = sigma if self.levels is None else self.nearest(sigma)
        if abs(level - sigma) <= _ROUNDING * sigma:
            return self._at(y, level, label)
        k = int(torch.searchsorted(self.levels, sigma))
        below, above = self.levels[k - 1:k + 1].tolist()
        between = math.log(sigma / below) / math.log(above / below)
        return torch.lerp(self._at(y, below, label), self._at(y, above, label), between)

    def _at(self, y, sigma, label):
        if sigma not in self._numbers:
            self._numbers[sigma] = self.preconditioning(sigma)
        c_in, t, c_skip, c_out = self._numbers[sigma]
        time = torch.full((len(y),), t, dtype=torch.int64 if isinstance(t, int) else y.dtype, device=y.device)
        output = self.model(c_in * y, time, *label)
        return c_skip * y + c_out * check.tensor(f"model(x, t) at sigma = {sigma:.6g}", output, tuple(y.shape), like=y)


class _Frozen:
    """A module that refuses to be called in training mode; an object, since functions within others cannot be pickled."""

    def __init__(self, name: str, model, module: torch.nn.Module):
        self.name, self.model, self.module = name, model, module
        self._at_rest()

    def _at_rest(self):
        if any(part.training for part in self.module.modules()):
            check.fail(self.name, "a module in training mode",
                       "one in evaluation mode: call .eval() first, else dropout is measured")

    def __call__(self, *args, **kwargs):
        self._at_rest()
        return self.model(*args, **kwargs)


def _frozen(name, model):
    """The model as it is, or a module that is watched."""
    if isinstance(model, type):
        check.fail(name, f"the class {model.__name__}", "an instance of it")
    module = getattr(check.function(name, model), "__self__", model)
    return _Frozen(name, model, module) if isinstance(module, torch.nn.Module) else model


@dataclass(frozen=True)
class _Quiet:
    """A score; as the gradient of an energy it needs gradients where none are asked for."""

    score: Callable

    def __call__(self, x, t, *label):
        if torch.is_grad_enabled():
            return self.score(x, t, *label)
        return scores.Score(lambda x, t: self.score(x, t, *label), finite=False)(x, t)


@dataclass(frozen=True)
class _Called:
    """A network of diffusers as a function of (x, t), at a fixed label or at those of the records."""

    model: Callable
    learned: bool
    label: int | None

    def __call__(self, x, t, label=None):
        if label is None and self.label is not None:
            label = torch.full_like(t, self.label, dtype=torch.int64)
        output = self.model(x, t) if label is None else self.model(x, t, class_labels=label)
        output = output[0] if isinstance(output, tuple) else getattr(output, "sample", output)
        twice = isinstance(output, Tensor) and output.shape[:2] == (len(x), 2 * x.shape[1])
        if twice and not self.learned:
            check.fail("model(x, t)", f"shape {tuple(output.shape)}, twice the channels", "the channels of x; if the second half"
                       " is a learned variance, a scheduler with variance_type 'learned_range' says so")
        return output[:, :x.shape[1]] if twice else output


def _levels(levels, low, high):
    levels = check.tensor("levels", levels, ("K",)).detach()
    levels = check.with_values("levels", levels).to(device="cpu", dtype=torch.float64)
    check.holds("levels", levels.diff() > 0, "an increasing sequence", levels[1:])
    for end, value in (("low", low), ("high", high)):
        met = levels[0 if end == "low" else -1]
        check.holds("levels", (met - value).abs() <= _ROUNDING * value, f"levels from low = {low:g} to high = {high:g}", met)
    return levels
