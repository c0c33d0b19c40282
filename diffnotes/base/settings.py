"""The device and the precision that a computation takes when it is told none."""

import os

import torch

from . import checks as check


def device(name: str | None = None) -> torch.device:
    """A device by name, or by DIFFNOTES_DEVICE; ``auto``, the default, is CUDA where present and else the CPU."""
    name = name or os.environ.get("DIFFNOTES_DEVICE", "auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(name)
    except RuntimeError:
        check.fail("device", repr(name), "auto, cpu, cuda or cuda:0, ...")


def precision() -> torch.dtype:
    """The precision of trainings: float32, or what DIFFNOTES_DTYPE says."""
    name = os.environ.get("DIFFNOTES_DTYPE", "float32")
    if name not in ("float32", "float64"):
        check.fail("DIFFNOTES_DTYPE", repr(name), "float32 or float64")
    return getattr(torch, name)
