"""A check-up in words and numbers; ``pictures`` has its figures."""

import base64
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..base import Interval
from ..page import Table, power, table
from . import pictures

if TYPE_CHECKING:
    from .result import Checkup

_VERDICTS = {
    "memorises": "It memorises: its loss on its own records is less than half of that on others, or its samples are copies.",
    "generalises": "It generalises, as far as this can be seen: it knows more than mean and covariance, and does not memorise.",
    "does not memorise": "It does not memorise.",
    "not resolved": "Whether it memorises is not resolved: at some level the limits leave both open."}


def sentences(found: "Checkup") -> list[str]:
    """What was found, what was not resolved, and what would resolve it."""
    said = [_data(found), _VERDICTS[found.verdict], _learned(found), _gap(found), _where(found), _position(found), _copies(found),
            _likelihood(found), _clocks(found)]
    return [one for one in said if one]


def numbers(found: "Checkup") -> Table:
    """The check-up as a table: what was measured, its value with limits, and what a model without memory has."""
    worst, most = (max(range(len(found.levels)), key=lambda k: of[k].mean) for of in (found.auc, found.by_level))
    rows = {
        "gap, nats a record": {"found": f"{found.gap:.3g}", "without memory": "0", "p": p_text(found.p_value)},
        "the same without regression": {"found": f"{found.gap_raw:.3g}", "without memory": "0"},
        "gap, share of the held-out loss": {"found": f"{found.gap_share:.2%}", "without memory": "0"},
        f"the same at σ = {found.levels[most]:.3g}": {"found": f"{found.by_level[most]:.1%}", "without memory": "0",
                                                    "p": p_text(found.p_by_level[most].item())},
        f"members told, AUC at σ = {found.levels[worst]:.3g}": {"found": f"{found.auc[worst]:.2f}", "without memory": "0.50"}}
    if found.copies:
        rows["copies among samples"] = {"found": f"{found.copies.samples:.1%}", "without memory": f"{found.copies.held_out:.1%}"}
        rows["samples nearer a training record"] = {"found": f"{found.copies.nearer:.0%}", "without memory": "50%",
                                                    "p": p_text(found.copies.p_value)}
    if found.likelihood:
        rows["likelier by, bits per dimension"] = {"found": f"{found.likelihood:.3g}", "without memory": "0"}
    rows["below the Gaussian's loss, nats"] = {"found": f"{found.against_gaussian:.3g}", "without memory": ""}
    rows["train and held-out alike?"] = {"found": "", "without memory": "", "p": p_text(shift(found))}
    return table(rows, f"{found.pairs} pairs of a training and a held-out record. Limits at {found.confidence:.0%}; those of a "
                       "level hold for all levels together.", corner="measured")


def bundle(found: "Checkup") -> dict[str, str]:
    """Sentences, table and figures for front ends."""
    words, rows, drawn = sentences(found), numbers(found), pictures.figures(found)
    listed = "".join(f"<li>{escape(one)}</li>" for one in words)
    return {"text/plain": "\n".join([*(f"- {one}" for one in words), "", str(rows)]),
            "text/html": f"<ul>{listed}</ul>{rows.html()}{''.join(one.html for one in drawn)}",
            "image/png": base64.b64encode(drawn[0].png).decode()}


def shift(found) -> float:
    """The smaller of the two p-values, adjusted for there being two."""
    return min(1.0, 2 * min(found.p_shift))


def _data(found) -> str:
    said = []
    if shift(found) <= 0.05:
        said.append(f"Training and held-out records differ without any model (p = {p_text(shift(found))}): what follows may come "
                    "from that, and not from memory. Split at random, or hold out others.")
    if found.duplicates or found.twins:
        said.append(f"{found.duplicates} training records were left out as equal to others, {found.twins} pairs as nearly so.")
    return " ".join(said)


def _learned(found) -> str:
    better = found.against_gaussian
    if better.low > 0:
        return f"On new records its loss is {better:.3g} nats below that of the best Gaussian, which knows mean and covariance."
    worse = Interval(-better.high, -better.mean, -better.low)
    if better.high < 0:
        why = "" if found.verdict == "memorises" else ": it has learned little, or on records that were scaled in another way"
        return f"On new records its loss is {worse:.3g} nats above the best Gaussian's, which knows mean and covariance{why}."
    return f"Whether it knows more than mean and covariance is not resolved: {better:.3g} nats below the best Gaussian's loss."


def _gap(found) -> str:
    by = f"by {found.gap:.3g} nats a record, {found.gap_share:.2%} of the held-out loss (p = {p_text(found.p_value)})"
    if found.told:
        return f"Its training records can be told from others: on them its loss is lower {by}."
    return (f"Whether its training records can be told from others is not resolved on {found.pairs} pairs: their loss is lower "
            f"{by}. To resolve 1% of that loss takes about {max(found.needed, 20):,} pairs.")


def _where(found) -> str:
    edge = found.collapse.at(0.5)
    said = f"Half of what tells the training records apart is gone at σ = {edge:.2g}; far above it memory can show in nothing."
    seen = [f"{s:.3g}" for s, p in zip(found.levels.tolist(), found.p_by_level.tolist(), strict=True) if p <= 0.05]
    if not seen:
        return said
    where = f"σ = {', '.join(seen)}" if len(seen) < len(found.levels) else "every level"
    most = max(found.by_level, key=lambda one: one.mean)
    return f"The gap is beyond chance at {where}; at most {most:.1%} of the held-out loss is gone. {said}"


def _position(found) -> str:
    k = int(np.argmin(abs(found.levels.log().numpy() - np.log(found.collapse.at(0.5)))))
    train, held = (side[k] for side in found.position)
    return (f"At σ = {found.levels[k]:.2g} its answers stand at {train:.2f} for training records and {held:.2f} for others, on "
            "the way from not having seen the record (0) to knowing it by heart (1).")


def _copies(found) -> str:
    one = found.copies
    if not one:
        return ""
    many = "more than" if found.copied else "not resolved to be more than"
    said = f"{one.samples:.1%} of {len(one.ratio[0])} samples are copies, {many} the {one.held_out:.1%} of held-out records."
    told = "beyond chance" if one.p_value <= 0.05 else "which may be chance"
    return f"{said} {one.nearer:.0%} lie nearer a training than a held-out record, {told} (p = {p_text(one.p_value)})."


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
    best, first, last = map(when, clock.stop)
    like = f"from {first} to {last} it cannot be told from that" if first != last else "at all others it is higher beyond chance"
    told, known = clock.remembering, clock.memorising
    return " ".join((
        f"Stop at τ = {best}: there the held-out loss is least; {like}.",
        "Training records cannot be told at the last checkpoint." if told is None else
        f"Training records can be told from τ = {when(told)} on.",
        "It does not memorise by the last checkpoint." if known is None else f"It memorises from τ = {when(known)} on."))


def when(tau: float) -> str:
    """A training time in words."""
    return f"{tau:g}" if 1e-3 <= abs(tau) < 1e5 else power(tau, 2)


def p_text(p: float) -> str:
    return f"{p:.4f}" if p < 0.01 else f"{p:.2f}"
