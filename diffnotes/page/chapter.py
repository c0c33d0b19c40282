"""What the first cell of a chapter needs: the preset, and one line that says what will run where."""

import os

import torch

from ..base import checks as check
from ..base import device

PRESETS = ("ci", "paper", "gpu")


def preset() -> str:
    """The value of DIFFNOTES_PRESET: ``ci`` (the stored one, minutes on 2 cores), ``paper`` or ``gpu``."""
    name = os.environ.get("DIFFNOTES_PRESET", "ci")
    if name not in PRESETS:
        check.fail("DIFFNOTES_PRESET", repr(name), ", ".join(PRESETS))
    return name


def start(**duration: str) -> torch.device:
    """Print preset, device and expected run time, and return the device.

    Without DIFFNOTES_DEVICE the preset ``ci`` takes the CPU, since it gains nothing from a GPU, any other one CUDA where present.
    ``duration`` says how long the chapter takes for each preset it knows, such as ``start(ci="20 s", paper="3 min")``.
    """
    known = duration.get(preset())
    if known is None:
        check.fail("DIFFNOTES_PRESET", repr(preset()), f"{', '.join(duration)} in this chapter")
    chosen = device(os.environ.get("DIFFNOTES_DEVICE") or ("cpu" if preset() == "ci" else "auto"))
    print(f"preset {preset()}, about {known}; device {chosen.type}")
    return chosen


def by_preset(**values):
    """The value for the current preset: ``by_preset(ci=8, paper=32)``; a preset that is not named takes ``ci``'s."""
    name = preset() if preset() in values else "ci"
    if name not in values:
        check.fail("ci", "nothing", "a value for the preset ci")
    return values[name]


def seeds(**count: int) -> range:
    """Seeds first, first + 1, ...: as many as ``count`` says for the preset; first is DIFFNOTES_FIRST_SEED, 0 without it."""
    text = os.environ.get("DIFFNOTES_FIRST_SEED", "0")
    if not text.isdecimal():
        check.fail("DIFFNOTES_FIRST_SEED", repr(text), "an integer of at least 0")
    return range(int(text), int(text) + by_preset(**count))
