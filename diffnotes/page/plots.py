"""Small drawing helpers: they take an Axes and arrays, draw, and return the Axes."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch

# Okabe and Ito's colours, which stay apart under the common kinds of colour blindness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#6B6B6B")
SEQUENCE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)

_STYLE: dict[Any, Any] = {
    "figure.facecolor": "white", "axes.facecolor": "white", "figure.dpi": 110, "figure.constrained_layout.use": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.grid": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.7,
}


def panels(columns: int = 1, *, rows: int = 1, height: float = 3.6, width: float = 7.6, **kwargs):
    """A figure with rows of panels in the book's style, on an opaque white background: (figure, axes).

    The session's rcParams stay as they are.
    """
    # Not plt.rc_context: it would also restore "interactive", which IPython's backend switches on when it is first used.
    before: dict[Any, Any] = {key: plt.rcParams[key] for key in _STYLE}
    plt.rcParams.update(_STYLE)
    try:
        return plt.subplots(rows, columns, figsize=(width, height), **kwargs)
    finally:
        plt.rcParams.update(before)


def band(ax, x, y, *, color, label=None, low=0.1, high=0.9, **kwargs):
    """Median over seeds of y [seeds, k] against x [k], with the band between two quantiles (10% to 90%); NaN is left out."""
    x, y = as_array(x), as_array(y)
    ax.fill_between(x, np.nanquantile(y, low, axis=0), np.nanquantile(y, high, axis=0), color=color, alpha=0.22, linewidth=0)
    ax.plot(x, np.nanmedian(y, axis=0), color=color, label=label, **kwargs)
    return ax


def label(ax, x: str = "", y: str = "", title: str = "", log: str = ""):
    """Axis labels, title, and logarithmic axes named in ``log`` ('x', 'y' or 'xy')."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(title, loc="left", fontsize=11)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
    return ax


def ticks(ax, values):
    """Mark exactly these values on the x axis; for a logarithmic axis over few values, where automatic labels collide."""
    ax.set_xticks(values, [f"{value:g}" for value in values])
    ax.minorticks_off()
    return ax


def as_array(x) -> np.ndarray:
    """A NumPy array of a tensor on any device, or of anything array-like."""
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
