"""Small drawing helpers: they take an Axes and arrays, draw, and return the Axes."""

import matplotlib.pyplot as plt
import numpy as np
import torch

# Okabe and Ito's colours, which stay apart under the common kinds of colour blindness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#6B6B6B")
SEQUENCE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)

_STYLE = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white", "figure.dpi": 110,
    "savefig.dpi": 110, "font.size": 10.5, "font.family": "DejaVu Sans", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.7, "axes.axisbelow": True, "legend.frameon": False,
    "lines.linewidth": 1.9, "axes.titlesize": 11, "axes.titlelocation": "left", "figure.constrained_layout.use": True,
}


def panels(columns: int = 1, *, height: float = 3.6, width: float = 7.6, **kwargs):
    """A figure with one row of panels in the book's style, on an opaque white background: (figure, axes).

    The style is applied to this figure only; the session's rcParams stay as they are.
    """
    with plt.rc_context(_STYLE):
        return plt.subplots(1, columns, figsize=(width, height), **kwargs)


def band(ax, x, y, *, color, label=None, low=0.1, high=0.9, **kwargs):
    """Median over seeds of y [seeds, k] against x [k], with the band between two quantiles (10% to 90%)."""
    x, y = as_array(x), as_array(y)
    ax.fill_between(x, np.quantile(y, low, axis=0), np.quantile(y, high, axis=0), color=color, alpha=0.22, linewidth=0)
    ax.plot(x, np.median(y, axis=0), color=color, label=label, **kwargs)
    return ax


def label(ax, x: str = "", y: str = "", title: str = "", log: str = ""):
    """Axis labels, title, and logarithmic axes named in ``log`` ('x', 'y' or 'xy')."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(title)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
    return ax


def as_array(x) -> np.ndarray:
    """A NumPy array of a tensor on any device, or of anything array-like."""
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
