"""*Stop the training*: the explorer of the density that a model generates and its divergence along training."""

import base64
from collections.abc import Mapping

import numpy as np

from ..base import checks as check
from . import figures
from .explorer import assemble, three, training_steps
from .figures import GROUND, HARM, HARM_INK, INK, SIZES, Picture, as_array
from .tables import power

_SAID = "Training brings the model near its target and then to its samples."


def stop_the_training(tau, kl: Mapping, densities: Mapping, points, target, data, *, caption: str,
                      name: str = "stop-the-training") -> Picture:
    """The explorer of up to four numbers of samples and, last, the population.

    Args:
        tau: training times [k], even in the logarithm.
        kl: numbers of samples, and a last name for the population, to divergences [seeds, k] in nats.
        densities: the same to the densities [k, P] that one of the seeds generates.
        points: where, [P], evenly spaced about zero.
        target: the target's density there, [P].
        data: that seed's samples, [n] for the largest n; smaller data sets are its beginning.
        caption: what is drawn, and over how many seeds.
    """
    tau, points, target, data = (as_array(value).astype(float) for value in (tau, points, target, data))
    kl, shown = ({key: as_array(value) for key, value in rows.items()} for rows in (kl, densities))
    *sizes, _ = kl
    if not 1 <= len(sizes) <= len(SIZES) or not all(isinstance(n, int) for n in sizes) or list(kl) != list(shown):
        check.fail("kl", list(kl), "one to four numbers of samples and the population, as in densities")
    for key in kl:
        if kl[key].shape[1:] != tau.shape or shown[key].shape != (len(tau), len(points)):
            check.fail("densities", f"{kl[key].shape} and {shown[key].shape} for {key}", "kl [seeds, k] and densities [k, P]")
    about = {"n": sizes, **_numbers(tau, kl), **_drawn(points, shown, target, data)}
    still = _still(tau, kl, shown, points, target, data)
    return assemble("stop", name, about, still, message=_SAID, caption=caption, alt=_words(tau, kl))


def _numbers(tau, kl: Mapping) -> dict:
    """The right panel: times, medians and quantiles."""
    quantiles = {key: [three(np.quantile(rows, q, axis=0)) for rows in kl.values()]
                 for key, q in (("kl", 0.5), ("q10", 0.1), ("q90", 0.9))}
    return {**training_steps(tau), **quantiles}


def _drawn(points, shown: Mapping, target, data) -> dict:
    """The left panel: densities and samples."""
    low, high = float(points[0]), float(points[-1])
    rows, peaks = _scaled(np.concatenate(list(shown.values())))
    truth, top = _scaled(target[None])
    rug = np.rint((data - low) / (high - low) * 65535).clip(0, 65535).astype("<u2")
    return {"low": low, "high": high, "points": len(points), "top": float(f"{2.1 * target.max():.3g}"), "peak": peaks,
            "peakTarget": top, "model": rows, "target": truth, "rug": _encoded(rug)}


def _words(tau, kl: Mapping) -> str:
    """What the picture shows, with its numbers, for those who cannot see it."""
    (*sizes, _), first = kl, np.median(next(iter(kl.values())), 0)
    n, best = sizes[0], first.argmin()
    others = ", ".join(map(str, sizes))
    return (
        f"Above, the density that a model generates at three moments of its training on {n} samples, over the target's: "
        "too early, one broad bump; in time, the modes of the target; too late, spikes where samples crowd. "
        f"Below, the divergence from the target against training time, for {others} samples and for the population: "
        f"for {n} samples it falls to {first[best]:.2g} nats near τ = {power(tau[best])} and climbs back to {first[-1]:.2g}; "
        "with more samples the least is lower and later and the rise smaller; for the population it only falls.")


def _scaled(rows) -> tuple[str, list[float]]:
    """Rows of densities [k, P] as bytes, each relative to its peak: error below 1/510 of the peak."""
    peak = rows.max(1, keepdims=True)
    return _encoded(np.rint(rows / peak * 255).astype(np.uint8)), three(peak.ravel())


def _encoded(values) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _still(tau, kl: Mapping, shown: Mapping, points, target, data):
    """The same story without controls: three moments above, the curves below."""
    axes = figures.mosaic("abc;ddd", width=7.6, height=4.4, ratios=(1, 1.25))
    under, n, last = axes["d"], next(iter(kl)), len(tau) - 1
    middle = np.median(kl[n], 0)
    best, top = int(middle.argmin()), target.max()
    for (key, rows), color in zip(kl.items(), [*SIZES[:len(kl) - 1], INK], strict=True):
        curve, bold = np.median(rows, 0), key == n
        figures.line(under, tau, curve, color, linewidth=2.5 if bold else 1.3, linestyle="-" if isinstance(key, int) else "--")
        figures.note(under, f"n = {key}" if bold else str(key), (tau[-1], curve[-1]), color, shift=(8, 0), bold=bold)
    figures.line(under, tau[best:], middle[best:], HARM, linewidth=2.5)
    for letter, k, word, ink in (("a", 2, "too early", INK), ("b", best, "in time", SIZES[1]), ("c", last, "too late", HARM_INK)):
        ax, hue = axes[letter], HARM if k == last else SIZES[0]
        ax.fill_between(points, target, color=GROUND, linewidth=0)
        figures.line(ax, points, shown[n][k], hue)
        ax.vlines(data[:n], -0.1 * top, -0.03 * top, color=HARM, linewidth=1.1)
        figures.axes(ax, y=f"{word}: KL {middle[k]:#.2g}", xlim=(points[0], points[-1]), ylim=(-0.11 * top, 2.1 * top),
                     xticks=[], yticks=[])
        figures.dots(under, [tau[k]], [middle[k]], hue, 9)
        side = dict(shift=(-8, 11), align="right") if k == last else dict(shift=(8, -11 if k == best else 8))
        figures.note(under, word, (tau[k], middle[k]), ink, bold=True, **side)
    figures.axes(under, "training time τ", "KL(target || model), nats", log="xy", xlim=(tau[0], 12 * tau[-1]), ylim=(1e-4, 1.05),
                 xticks=10.0 ** np.arange(2, 11, 2), yticks=10.0 ** np.arange(-4, 1))
    return under.get_figure(root=True)
