"""The mixer: the explorer of one training run as bars that fill, a bar for each family of modes, with the losses below."""

import numpy as np

from ..base import checks as check
from . import figures
from .explorer import assemble, three, training_steps
from .figures import HARM, INK, MUTE, SIGNAL, Picture, as_array
from .tables import power

_SAID = "Signal first, memory later."
_WIDTH = 0.5  # of a family, in powers of ten of the learning time 1 / (2 b_k)
_DECADES = 4.5  # of effects that the height of a bar can show, down from an effect of one
_MARKS = (1, 0.1, 0.01, 0.001)  # effects on the scale beside the bars


def mixer(rates, effects, tau, train, test, *, n: int, name: str = "mixer") -> Picture:
    """The mixer of a run on n samples: bars for its modes, blue where they lower the test loss, orange where they raise it.

    Args:
        rates: the eigenvalues b_k [m] of the flow.
        effects: what each mode does, in the end, to the test loss [m] (``GradientFlow.effects``).
        tau: training times [k], even in the logarithm.
        train, test: the losses there, [k] each.
        n: the number of samples.
    """
    rates, effects, tau, train, test = (as_array(value).astype(float) for value in (rates, effects, tau, train, test))
    for key, value, like in (("effects", effects, rates), ("train", train, tau), ("test", test, tau)):
        if value.ndim != 1 or value.shape != like.shape:
            check.fail(key, f"shape {value.shape}", f"shape {like.shape}")
    steps, least = training_steps(tau), min(train.min(), test.min())
    found = families(rates, effects, tau[0], tau[-1])
    beyond = len(rates) - sum(len(family["time"]) for family in found)
    about = {
        **steps, "n": check.integer("n", n), "modes": len(rates), "width": _WIDTH, "families": found,
        "marks": [[mark, round(_tall(mark), 3)] for mark in _MARKS],
        "train": three(train), "test": three(test), "low": float(np.floor(2 * np.log10(least)) / 2),
        "ticks": [tick for tick in (1, 0.1, 0.01, 0.001, 0.0001) if tick >= least / 2]}
    at = int(test.argmin())
    caption = (
        f"One training run on {n} samples, with {len(rates)} random features. Each bar is a family of modes of nearly the "
        "same speed b_k, placed at its learning time 1/(2\u00a0b_k); the number above counts them. "
        + (f"Modes off the axis, {beyond} here, are not drawn. " if beyond else "") +
        "A bar fills as 1\u00a0−\u00a0exp(−2\u00a0b_k\u00a0τ). Its height, on the scale at the left, is the size of what it "
        "does, in the end, to the test loss; its colour says which way. Below: the test loss is the distance from the true "
        "score, the training loss that from the score of the noised samples. Their targets differ, so either may be the higher.")
    alt = (
        f"Bars in order of speed. Most families that are learned before τ = {power(tau[at])} are blue: they lower the test "
        f"loss. Most slower ones, with the greater part of the {len(rates)} modes, are orange: they raise it, each a little. "
        f"Below, the training loss falls throughout; the test loss falls to {test[at]:.2g} and climbs to {test[-1]:.2g}.")
    return assemble("mixer", name, about, _still(about, tau, at), message=_SAID, caption=caption, alt=alt)


def families(rates, effects, first: float, last: float) -> list[dict]:
    """The modes with learning times 1 / (2 b_k) from ``first`` to ``last``, grouped by half powers of ten.

    For each: ``low``, the exponent where it begins; ``time``, the exponents of its modes; ``effect``, the sum of theirs;
    ``tall``, the height of its bar, up to 1.
    """
    time, found = -np.log10(2 * np.maximum(rates, 1e-300)), []
    for low in np.arange(np.log10(first), np.log10(last) - 1e-9, _WIDTH):
        inside = (time >= low) & (time < low + _WIDTH)
        if inside.any():
            effect = effects[inside].sum()
            found.append({"low": round(float(low), 6), "time": sorted(time[inside].round(2).tolist()),
                          "effect": three([effect])[0], "tall": round(_tall(effect), 3)})
    return found


def _tall(effect: float) -> float:
    """The height of a bar: 1 for an effect of one, 0.05 for one so small that the scale does not show it."""
    return 0.05 + 0.95 * min(1.0, max(0.0, 1 + np.log10(abs(effect) + 1e-300) / _DECADES))


def _still(about: dict, tau, at: int):
    """The mixer as a picture, at step ``at`` of the training times."""
    axes = figures.mosaic("a;b", width=6.9, height=4.2, ratios=(1, 1.1))
    bars, loss, ends = axes["a"], axes["b"], (tau[0], tau[-1])
    for family in about["families"]:
        tall, full = family["tall"], family["tall"] * float(np.mean(-np.expm1(-tau[at] / 10 ** np.array(family["time"]))))
        left, right = 10 ** family["low"] * 1.06, 10 ** (family["low"] + about["width"]) / 1.06
        color = SIGNAL if family["effect"] < 0 else HARM
        bars.bar(left, tall, right - left, align="edge", color=color, alpha=0.15, linewidth=0)
        bars.bar(left, full, right - left, align="edge", color=color, linewidth=0)
        figures.note(bars, str(len(family["time"])), ((left * right) ** 0.5, tall), MUTE, shift=(0, 7), align="center")
    marks, heights = zip(*about["marks"], strict=True)
    figures.axes(bars, y=f"{about['modes']} modes, in families of like speed", log="x", xlim=ends, ylim=(0, 1.35), yticks=heights)
    bars.set_yticklabels([f"{mark:g}" for mark in marks])
    bars.tick_params(labelbottom=False)
    figures.note(bars, "signal: lowers the test loss", (1.2 * tau[0], 1.28), SIGNAL, bold=True)
    figures.note(bars, "memory: raises it", (0.9 * tau[-1], 1.28), HARM, align="right", bold=True)
    test = np.array(about["test"])
    figures.line(loss, tau, about["train"], MUTE)
    figures.line(loss, tau[:at + 1], test[:at + 1], SIGNAL, linewidth=3)
    figures.line(loss, tau[at:], test[at:], HARM, linewidth=3)
    figures.dots(loss, tau[[at]], test[[at]], SIGNAL, 9)
    figures.axes(loss, "training time τ", "loss", log="xy", xlim=ends, ylim=(10 ** about["low"], 1.05), yticks=about["ticks"])
    figures.note(loss, "test", (tau[-1], test[-1]), HARM, shift=(0, 9), align="right", bold=True)
    words = f"training, {about['n']} samples"
    figures.note(loss, words, (tau[-1], about["train"][-1]), MUTE, shift=(0, -10), align="right", bold=True)
    figures.note(loss, "stop here", (tau[at], test[at]), INK, shift=(-8, -9), align="right")
    return loss.get_figure(root=True)
