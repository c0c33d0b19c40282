"""A check-up in words and numbers; ``pictures`` has its figures."""

import base64
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..base import Interval
from ..page import Table, table
from . import pictures

if TYPE_CHECKING:
    from .result import Checkup

REASONS = {
    "shift": "Training and held-out records differ without any model: split at random, or hold out others. What follows may come "
             "from that, and not from memory.",
    "exchanged": "It knows the held-out records far better than the training records: are the two exchanged?",
    "near copies": "Many held-out records are near copies of training records, so that memory cannot show: hold out others.",
    "wiring": "Even its own training records it denoises worse than the best Gaussian denoises new ones: it is hardly trained, "
              "or asked in a wrong way. Look at the scale and order of the records, at what the network predicts, its times, its "
              "label."}


def sentences(found: "Checkup") -> list[str]:
    """What was found, what was not resolved, and what would resolve it."""
    said = [*_warned(found), _verdict(found), _learned(found), _gap(found), _where(found), _position(found), _copies(found),
            _likelihood(found), _clocks(found), _asked(found)]
    return [one for one in said if one]


def numbers(found: "Checkup") -> Table:
    """The check-up as a table: what was measured, its value with limits, and what a model without memory has."""
    worst, most = (max(range(len(found.levels)), key=lambda k: of[k].mean) for of in (found.auc, found.by_level))
    rows = {
        "gap, nats a record": {"found": f"{found.gap:.3g}", "if none": "0", "p": p_text(found.p_value)},
        "without regression": {"found": f"{found.gap_raw:.3g}", "if none": "0"},
        "share of the held-out loss": {"found": f"{found.gap_share:.1%}", "if none": "0"},
        f"share at σ = {found.levels[most]:.2g}": {"found": f"{found.by_level[most]:.1%}", "if none": "0",
                                                 "p": p_text(found.p_by_level[most].item())},
        f"AUC at σ = {found.levels[worst]:.2g}": {"found": f"{found.auc[worst]:.2f}", "if none": "0.50"}}
    if found.copies:
        rows["copies among samples"] = {"found": f"{found.copies.samples:.1%}", "if none": f"{found.copies.held_out:.1%}"}
        rows["nearer training records"] = {"found": f"{found.copies.nearer:.0%}", "if none": "50%",
                                           "p": p_text(found.copies.p_value)}
    if found.likelihood:
        rows["likelier, bits a dimension"] = {"found": f"{found.likelihood:.3g}", "if none": "0"}
    rows["below the Gaussian's loss"] = {"found": f"{found.gaussian_share:.1%}"}
    rows["sets alike?"] = {"p": p_text(found.p_differ)}
    return table(rows, f"{found.pairs} pairs of a training and a held-out record. If none: what a model without memory has. "
                       f"Limits at {found.confidence:.0%}; those of a level hold for all levels together.", corner="measured")


def text(found: "Checkup") -> str:
    """Sentences and numbers."""
    return "\n".join([*(f"- {one}" for one in sentences(found)), "", str(numbers(found))])


def bundle(found: "Checkup") -> dict[str, str]:
    """Sentences, table and figures for front ends."""
    drawn = pictures.figures(found)
    listed = "".join(f"<li>{escape(one)}</li>" for one in sentences(found))
    return {"text/plain": text(found),
            "text/html": f"<ul>{listed}</ul>{numbers(found).html()}{''.join(one.html for one in drawn)}",
            "image/png": base64.b64encode(drawn[0].png).decode()}


def _warned(found) -> list[str]:
    said = found.warnings if found.verdict == "no verdict" else []
    if not said and found.p_differ <= 0.05:
        said = [f"Training and held-out records may differ without any model (p = {p_text(found.p_differ)}; in one split of "
                "twenty that is chance)."]
    return said


def _verdict(found) -> str:
    most = max(range(len(found.levels)), key=lambda k: found.by_level[k].mean)
    at = f"at σ = {found.levels[most]:.3g} its loss on training records is {found.by_level[most].mean:.0%} lower than on others"
    copied = f"{found.copies.samples.mean:.1%} of its samples are copies" if found.copied else ""
    if found.verdict == "memorises":
        half = any(one.low > 0.5 for one in found.by_level)
        few = " A few records seem to be known by heart, and most are not." if copied and not found.told else ""
        return f"It memorises: {' and '.join(one for one in (at if half else '', copied) if one)}.{few}"
    return {"generalises": "It generalises, as far as this can be seen: it denoises new records better than the best Gaussian, "
                           f"and nowhere can more than {max(one.high for one in found.by_level):.0%} of their loss be gone on "
                           "training records.",
            "does not memorise": "It does not memorise, and does not denoise new records better than the best Gaussian.",
            "not resolved": f"Whether it memorises is not resolved: {at}, with limits on both sides of one half.",
            "no verdict": "So there is no verdict."}[found.verdict]


def _learned(found) -> str:
    better = found.against_gaussian
    if better.low > 0:
        return (f"On new records its loss is {found.gaussian_share:.0%} below that of the best Gaussian, which knows mean and "
                "covariance only.")
    if better.high < 0:
        why = ": it has overfitted" if found.verdict == "memorises" else ""
        worse = Interval(-found.gaussian_share.high, -found.gaussian_share.mean, -found.gaussian_share.low)
        return f"On new records its loss is {worse:.0%} above that of the best Gaussian of mean and covariance{why}."
    return f"Whether it knows more than mean and covariance is not resolved: {found.gaussian_share:.0%} below its loss."


def _gap(found) -> str:
    by = f"by {found.gap:.3g} nats a record, {found.gap_share:.2%} of the held-out loss (p {_sign(found.p_value)})"
    if found.told:
        usual = ("" if found.verdict == "memorises" else
                 " That is usual for a model at its best and is not memorisation; it matters where records are private.")
        return f"Its training records can be told from others: on average their loss is lower {by}.{usual}"
    return (f"Whether its training records can be told from others is not resolved: their loss is lower {by}. To resolve 1% of "
            f"that loss takes about {max(found.needed, 20):,} pairs.")


def _where(found) -> str:
    seen = [f"{s:.3g}" for s, p in zip(found.levels.tolist(), found.p_by_level.tolist(), strict=True) if p <= 0.05]
    edge = f"σ = {found.collapse.at(0.5):.2g}"
    if not seen:
        return f"Memory would show up to about {edge}, where the noise hides half of what tells the training records apart."
    where = f"σ = {', '.join(seen)}" if len(seen) < len(found.levels) else "every level"
    return f"The gap is beyond chance at {where}. The noise hides half of what tells the training records apart at {edge}."


def _position(found) -> str:
    k = int(np.argmin(abs(found.levels.log().numpy() - np.log(found.collapse.at(0.5)))))
    train, held = (side[k] for side in found.position)
    return (f"At σ = {found.levels[k]:.2g} its answers go {train:.2f} of the way from the empirical denoiser of other records to "
            f"that with this record too, for training records, and {held:.2f} for new ones; only the difference is memory.")


def _copies(found) -> str:
    one = found.copies
    if not one:
        return ""
    many = "more than" if found.copied else "not resolved to be more than"
    told = "beyond chance" if one.p_value <= 0.05 else "which may be chance"
    return (f"{one.samples:.1%} of {len(one.ratio[0])} samples are copies, {many} the {one.held_out:.1%} of held-out records. "
            f"{one.nearer:.0%} lie nearer a training than a held-out record, {told} (p {_sign(one.p_value)}).")


def _likelihood(found) -> str:
    one = found.likelihood
    if not one:
        return ""
    told = "likelier" if one.low > 0 else "not resolved to be likelier"
    return f"Training records are {told} than held-out ones: by {one:.3g} bits per dimension."


def _clocks(found) -> str:
    clock = found.clocks
    if not clock:
        return ""
    best, first, last = map(pictures.when, clock.stop)
    like = f"from {first} to {last} it cannot be told from that" if first != last else "at all others it is higher beyond chance"
    edge = {clock.tau[0]: " It is the first checkpoint: the best may lie before it.",
            clock.tau[-1]: " It is the last checkpoint: the best may lie beyond it."}.get(clock.stop[0], "")
    if len(clock.tau) == 1:
        like, edge = "it is the only checkpoint", ""
    told, known = clock.remembering, clock.memorising
    return " ".join((
        f"Stop at τ = {best}: there the held-out loss is least; {like}.{edge}",
        "Training records cannot be told at the last checkpoint." if told is None else
        f"Training records can be told from τ = {pictures.when(told)} on.",
        "It does not memorise by the last checkpoint." if known is None else f"It memorises from τ = {pictures.when(known)} on."))


def _asked(found) -> str:
    cut = f" of {found.chosen:,}, when the budget ended" if found.pairs < found.chosen else ""
    many = f", {len(found.copies.ratio[0]):,} samples" if found.copies else ""
    left = ""
    if found.duplicates or found.twins:
        left = f" Left out: {found.duplicates} training records that are equal to others, {found.twins} pairs that nearly are."
    return f"Asked: {found.pairs:,} pairs{cut}, {len(found.levels)} noise levels, {found.draws} draws of the noise{many}.{left}"


def p_text(p: float) -> str:
    """A p-value; the least that 1999 swaps can give is a bound."""
    return "≤ 0.0005" if p <= 0.0005 else f"{p:.4f}" if p < 0.01 else f"{p:.2f}"


def _sign(p: float) -> str:
    return p_text(p) if p <= 0.0005 else f"= {p_text(p)}"
