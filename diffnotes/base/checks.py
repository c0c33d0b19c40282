"""Argument checks shared by the package.

Every check raises ``ValueError`` with the argument's name, what was given and what is allowed.
Checks of values read one boolean back from the device; on the ``meta`` device, where tensors
have no values, only shapes, dtypes and devices are checked.
"""

import math
import numbers
from collections.abc import Iterable
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor


def fail(name: str, given, allowed: str) -> NoReturn:
    """Raise the package's one kind of input error."""
    raise ValueError(f"{name}: got {given}; allowed: {allowed}")


def number(name: str, value, low: float = -math.inf, high: float = math.inf, *, open_low=False, open_high=False) -> float:
    """A finite real number in an interval, closed at each end unless told otherwise."""
    allowed = f"a finite number in {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
    given = value = _scalar(value)
    try:
        value = math.nan if isinstance(value, bool) or not isinstance(value, numbers.Real) else float(value)
    except OverflowError:  # an int that no float holds
        value = math.inf
    if not math.isfinite(value):
        fail(name, _in_short(given), allowed)
    if value < low or value > high or (open_low and value == low) or (open_high and value == high):
        fail(name, value, allowed)
    return value


def integer(name: str, value, low: int = 1) -> int:
    """An integer of at least ``low``."""
    value = _scalar(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        fail(name, _in_short(value), f"an integer of at least {low}")
    return int(value)


def instance(name: str, value, kind, allowed: str = ""):
    """An object of a class."""
    if not isinstance(value, kind):
        fail(name, type(value).__name__, allowed or f"a {kind.__name__}")
    return value


def function(name: str, value):
    """Something that can be called."""
    if not callable(value):
        fail(name, type(value).__name__, "a function")
    return value


def sequence(name: str, value) -> list:
    """The entries of a list, tuple, array or tensor, not of a string; numbers become Python's."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        fail(name, type(value).__name__, "a list")
    if isinstance(value, Tensor):
        with_values(name, value)
    return value.tolist() if isinstance(value, Tensor | np.ndarray) else list(value)


def generator(name: str, value):
    """A ``numpy.random.Generator`` or a ``torch.Generator``: randomness is always explicit."""
    if not isinstance(value, (np.random.Generator, torch.Generator)):
        fail(name, type(value).__name__, "a numpy.random.Generator (same stream on every CPU) or a torch.Generator")
    return value


def generators(name: str, values) -> list:
    """At least one random generator, all different objects: shared ones would make replicas depend on each other."""
    values = [generator(name, value) for value in sequence(name, values)]
    if not values or len({id(value) for value in values}) < len(values):
        fail(name, f"{len(values)} generators, {len({id(value) for value in values})} different", "at least one, all different")
    return values


def tensor(name: str, value, shape: tuple | None = None, like: Tensor | None = None, finite: bool = True) -> Tensor:
    """A float tensor of the given shape, on the device and with the dtype of ``like``, whose squares are finite.

    With ``finite=False`` it may have any entries.

    Numbers, lists and whatever NumPy takes as an array of real numbers become tensors of their own with the dtype and device
    of ``like`` (float64 on the CPU without it); so does a list of tensors, which stays on its device.  ``shape`` holds an int for
    a fixed size, a string for a free one, and may start with ``...`` for any number of batch dimensions.
    """
    if not isinstance(value, Tensor):
        given = type(value).__name__
        dtype, device = (torch.float64, "cpu") if like is None else (like.dtype, like.device)
        try:
            value = _converted(value, dtype, device)
        except Exception:  # an object's conversion may raise anything
            fail(name, given, "a tensor, array, list or number with real entries")
    if value.dtype not in (torch.float32, torch.float64):
        fail(name, f"dtype {value.dtype}", "dtype torch.float32 or torch.float64")
    if like is not None and value.dtype != like.dtype:
        fail(name, f"dtype {value.dtype}", f"dtype {like.dtype}, as the other arguments have")
    if like is not None and value.device != like.device:
        fail(name, f"device {value.device}", f"device {like.device}, where the other arguments are")
    if shape is not None and not _fits(value.shape, shape):
        allowed = ", ".join("..." if size is ... else str(size) for size in shape)
        fail(name, f"shape {tuple(value.shape)}", f"shape [{allowed}]")
    if finite:
        limit = torch.finfo(value.dtype).max ** 0.5
        if not _between(value, -limit, limit):
            holds(name, value.abs() < limit, f"finite entries (no NaN, no infinity), below {limit:.0e} in size", value)
    return value


def labels(name: str, value, count: int) -> Tensor:
    """Whole numbers as int64 [count]: a tensor's on its device, others on the CPU."""
    try:
        found = value if isinstance(value, Tensor) else torch.as_tensor(value, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        fail(name, type(value).__name__, f"whole numbers, shape [{count}]")
    if found.is_floating_point() or found.is_complex() or found.shape != (count,):
        fail(name, f"{found.dtype}, shape {tuple(found.shape)}", f"whole numbers, shape [{count}]")
    return found.long()


def broadcast(low: float, **values) -> tuple[Tensor, ...]:
    """Tensors of numbers of at least ``low``, by name, all of the first one's kind and brought to one shape."""
    first = tensor(*next(iter(values.items())))
    found = {name: tensor(name, value, like=first) for name, value in values.items()}
    for name, value in found.items():
        holds(name, value >= low, f"numbers of at least {low:g}", value)
    try:
        return torch.broadcast_tensors(*found.values())
    except RuntimeError:
        shapes = ", ".join(str(tuple(value.shape)) for value in found.values())
        fail(next(iter(values)), f"shapes {shapes} of {', '.join(values)}", "shapes that broadcast")


def kind(dtype, device) -> dict:
    """dtype and device for tensors made from numbers alone: the CPU without a device, whatever torch's default is."""
    return dict(dtype=dtype, device="cpu" if device is None else device)


def holds(name: str, condition: Tensor, allowed: str, value: Tensor | None = None) -> None:
    """Fail unless every entry of ``condition`` is true; names the first entry of ``value`` that breaks it.

    Inside ``torch.func.vmap`` tensors have no values that Python could read, as on ``meta``: there nothing is checked.
    """
    if readable(condition) is not False:
        return
    given = "values outside the allowed range"
    if value is not None:
        given = f"{value.detach().expand(condition.shape)[~condition].flatten()[0].item():.6g}"
    fail(name, given, allowed)


def readable(condition: Tensor) -> bool | None:
    """Whether every entry is true; None where there are no values that Python could read, on ``meta`` and inside vmap."""
    try:
        return None if condition.device.type == "meta" else bool(condition.all())
    except RuntimeError as error:
        if "vmap" in str(error):
            return None
        raise


def with_values(name: str, value: Tensor) -> Tensor:
    """A tensor whose entries are needed here."""
    if value.device.type == "meta":
        fail(name, "device meta", "a device on which tensors have values")
    return value


def times(name: str, value, low: float, high: float, like: Tensor | None = None) -> Tensor:
    """SDE times in [low, high], in the precision of ``like``; what rounding put a few units beyond an end, at that end.

    Adaptive solvers probe one unit beyond an end, and a float32 time may lie above the float64 end that it stands for.
    """
    if isinstance(value, Tensor) and like is not None and value.dtype in (torch.float32, torch.float64):
        slack, value = 4 * torch.finfo(value.dtype).eps, value.to(like.dtype)
    else:
        slack = 4 * torch.finfo(torch.float64).eps
    value = tensor(name, value, like=like)
    slack = high * max(slack, 4 * torch.finfo(value.dtype).eps)
    if not _between(value, low - slack, high + slack):
        holds(name, (value >= low - slack) & (value <= high + slack), f"SDE times in [{low:g}, {high:g}]", value)
    return value.clamp(low, high)


def training_times(name: str, value, like: Tensor | None = None) -> Tensor:
    """Training times tau >= 0."""
    value = tensor(name, value, like=like)
    holds(name, value >= 0, "training times tau >= 0", value)
    return value


def _between(value, low: float, high: float) -> bool:
    """Whether every entry is seen at once to lie strictly between two numbers: of a CPU's tensor, but not inside vmap.

    It saves most of the time of a check that holds, which is nearly every one.
    """
    if value.device.type != "cpu" or not value.numel():
        return False
    try:
        least, most = (value, value) if value.ndim == 0 else (value.amin(), value.amax())
        return low < least.item() and most.item() < high  # NaN is not
    except RuntimeError:
        return False


def _in_short(value) -> str:
    """How a value is written, or where it is an array its beginning."""
    said = repr(value)
    return said if len(said) <= 80 else " ".join(said[:60].split()) + " ..."


def _scalar(value):
    """The entry of an array or tensor without dimensions."""
    array = isinstance(value, np.ndarray) or (isinstance(value, Tensor) and value.device.type != "meta")
    return value.item() if array and value.ndim == 0 else value


def _converted(value, dtype, device) -> Tensor:
    """A tensor of a list of tensors, which stays on its device, or of what NumPy takes as an array of real numbers.

    That goes through a copy in float64: torch takes only some of NumPy's byte orders, strides and types, and warns of
    read-only memory.
    """
    if isinstance(value, list | tuple) and value and all(isinstance(entry, Tensor) for entry in value):
        found = torch.stack(list(value))
        if found.is_complex() or found.dtype == torch.bool:
            raise TypeError
        return found.to(dtype)
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or np.ma.is_masked(value):
        raise TypeError
    with np.errstate(over="ignore"):  # a long double beyond float64 is infinite, which the caller refuses
        return torch.from_numpy(np.array(array, dtype=np.float64, order="C")).to(dtype=dtype, device=device)


def _fits(actual, wanted) -> bool:
    wanted = list(wanted)
    if wanted and wanted[0] is ...:
        wanted = wanted[1:]
        if len(actual) < len(wanted):
            return False
        actual = actual[len(actual) - len(wanted):]
    return len(actual) == len(wanted) and all(
        (isinstance(w, str) and a > 0) or a == w for a, w in zip(actual, wanted, strict=True))
