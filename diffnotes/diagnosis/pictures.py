"""The figures of a check-up."""

import numpy as np

from ..base import Interval
from ..page import figures as fig
from ..page import power

_SIDES = (("training", fig.HARM, 13), ("held-out", fig.SIZES[1], -15))  # name, colour, points upwards to the name


def figures(found) -> list[fig.Picture]:
    """Where in the noise the memory sits; then the clocks, or where there are no checkpoints how near the samples lie."""
    return [_noise(found), *([_training(found)] if found.clocks else [_near(found)] if found.copies else [])]


def _noise(found):
    left, right = fig.panels(2)
    sigma, share = found.levels.numpy(), _columns(found.by_level)
    wide, middle = (sigma[0] * 0.9, sigma[-1] * 1.1), len(sigma) // 2
    ticks = [t for t in (m * 10.0**k for k in range(-9, 9) for m in ((1, 3) if sigma[-1] < 300 * sigma[0] else (1,)))
             if wide[0] <= t <= wide[1]]
    _band(left, sigma, share, fig.HARM)
    fig.level(left, 0.0, fig.MUTE)
    fig.axes(left, "noise level σ", "held-out loss that is gone on training records", log="x", xlim=wide, xticks=ticks)
    left.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.3g}%")
    for k, intervals in enumerate(found.position):
        name, color, up = _SIDES[k]
        rows = _columns(intervals)
        rows = np.where(rows[2] - rows[0] < 0.8, np.clip(rows, -0.5, 1.5), np.nan)  # what is not resolved is not shown
        _band(right, sigma, rows, color)
        shown = np.flatnonzero(np.isfinite(rows[1]))
        if len(shown):
            at = shown[abs(shown - middle).argmin()]
            fig.note(right, name, (sigma[at], rows[1, at]), color, shift=(4, up))
    fig.level(right, 1.0, fig.MUTE, "with this record", (wide[0], 1.09))
    fig.level(right, 0.0, fig.MUTE, "all other records", (wide[0], 0.09))
    fig.axes(right, "noise level σ", "position of the answer", log="x", xlim=wide, xticks=ticks, ylim=(-0.55, 1.55))
    k = int(share[1].argmax())
    return fig.show(
        [left, right], "fig-checkup-noise",
        f"Up to {share[1, k]:.1%} of the held-out loss is gone on training records, at σ = {sigma[k]:.2g}.",
        f"Left: the gap as a share of the held-out loss, limits at {found.confidence:.0%} for all levels together. Right: how "
        "far the answer goes from the empirical denoiser of all other training records to the one with this record too, where "
        "that is resolved. Memory is the distance between the curves, not their height.",
        alt="Left, the share of the held-out denoising loss that is gone on training records, by noise level, with limits. "
            "Right, the position of the model's answers for training and for held-out records between the empirical denoiser "
            "of all other records and the one with this record too, by noise level.")


def _training(found):
    (left, right), clock = fig.panels(2), found.clocks
    tau, (best, first, last) = np.array(clock.tau), clock.stop
    log = "x" if tau[0] > 0 and tau[-1] > 20 * tau[0] else ""
    for (name, color, up), curve in zip(_SIDES, clock.loss.numpy(), strict=True):
        fig.line(left, tau, curve, color)
        fig.dots(left, tau, curve, color, 5)
        at = max(len(tau) - 2, 0)  # there may be one
        fig.note(left, name, (tau[at], curve[at]), color, shift=(-4, -up), align="right" if up > 0 else "center")
    fig.axes(left, "training time τ", "denoising loss, nats", log=log + "y")
    _band(right, tau, _columns(clock.share), fig.HARM)
    fig.axes(right, "training time τ", "held-out loss that is gone", log=log)
    right.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.3g}%")
    for ax in (left, right):
        ax.axvspan(first, last, color=fig.GROUND, alpha=0.5, linewidth=0)
        ax.axvline(best, color=fig.MUTE, linewidth=1.2, linestyle=(0, (1, 2)))
    return fig.show(
        [left, right], "fig-checkup-clocks", f"The held-out loss is least at τ = {when(best)}.",
        "Left: losses on training and on held-out records, summed over levels. Right: the gap as a share of the held-out loss, "
        f"limits at {found.confidence:.0%}. Dotted: the best checkpoint; grey: those that cannot be told from it.",
        alt="Left, the denoising losses on training and on held-out records along training. Right, the share of the held-out "
            "loss that is gone on training records. A dotted line marks the best checkpoint, a grey band those that equal it.")


def _near(found):
    ax, = fig.panels(1, width=5)
    one = found.copies
    for ratio, color, name, at, align in ((one.ratio[0], fig.HARM, "samples", 0.8, "right"),
                                         (one.ratio[1], fig.SIZES[1], "held-out", 0.4, "left")):
        x = np.sort(ratio.numpy())
        share = (np.arange(len(x)) + 1) / len(x)
        fig.line(ax, x, share, color, name, (x[int(at * len(x))], at), align=align, drawstyle="steps-post")
    ax.axvline(1 / 3, color=fig.MUTE, linewidth=1.2, linestyle=(0, (1, 2)))
    fig.note(ax, "copies", (0.32, 0.95), fig.MUTE, align="right")
    fig.axes(ax, "distance to the nearest over the second nearest training record", "share below", xlim=(0, 1.02),
             ylim=(0, 1.02))
    return fig.show(
        [ax], "fig-checkup-samples",
        f"{one.samples.mean:.1%} of the samples are copies, {one.held_out.mean:.1%} of held-out records.",
        "A copy is less than a third as far from its nearest training record as from the second one. Where the curves are one, "
        "the samples lie no nearer to the training records than new records do.",
        alt="The share of samples and of held-out records whose distance to the nearest training record, over that to the "
            "second nearest, is below a value, as two curves; a dotted line at one third marks copies.")


def when(tau: float) -> str:
    """A training time in words."""
    return f"{tau:g}" if 1e-3 <= abs(tau) < 1e5 else power(tau, 2)


def _columns(intervals: list[Interval]) -> np.ndarray:
    """[3, L]: low, mean, high."""
    return np.array([[one.low, one.mean, one.high] for one in intervals]).T


def _band(ax, x, rows, color):
    low, middle, high = rows
    ax.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
    fig.line(ax, x, middle, color)
    fig.dots(ax, x, middle, color, 5)
