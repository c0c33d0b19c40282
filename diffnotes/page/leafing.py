"""A figure to leaf through with a slider, drawn as those of ``figures`` are."""

from collections.abc import Sequence
from html import escape

from matplotlib.axes import Axes

from ..base import checks as check
from .figures import Picture, captioned, figures_of, framed, sheet, svg


def leaf(frames: Sequence[Sequence[Axes]], values: Sequence[str], parameter: str, name: str, message: str, reading: str,
         *, alts: Sequence[str], start: int = 0, still: Sequence[int] | None = None) -> Picture:
    """A figure to leaf through with a slider: panels for each value of a parameter, of which ``start`` is seen first.

    It moves without a kernel, by mouse, touch or keys.  ``alts`` says what one sees at each value; the rest is as in ``show``.
    The PNG has all of them, one below the other, or those that ``still`` names, where all would be heavy.
    """
    rows = [figures_of(frame) for frame in frames]
    if not rows or not len(rows) == len(values) == len(alts):
        check.fail("frames", f"{len(rows)} of them, {len(values)} values, {len(alts)} alts", "as many of each, at least one")
    if check.integer("start", start, 0) >= len(rows):
        check.fail("start", start, f"an index below {len(rows)}")
    kept = range(len(rows)) if still is None else [check.integer("still", k, 0) for k in check.sequence("still", still)]
    if not kept or max(kept) >= len(rows):
        check.fail("still", repr(still), f"indices below {len(rows)}, at least one")
    captioned(name, message, *alts)
    body = ""
    for k, (figures, value, alt) in enumerate(zip(rows, values, alts, strict=True)):
        drawn = "".join(svg(figure, f"{name}-{k}-{i}") for i, figure in enumerate(figures))
        hidden = "" if k == start else ' style="display:none"'  # the attribute hidden loses against the style sheet
        body += f'<div class="dn-panels" role="img" aria-label="{escape(alt)}" data-value="{escape(value)}"{hidden}>{drawn}</div>'
    move = ("const all = [...this.closest('figure').querySelectorAll('.dn-panels')], at = all[this.value].dataset.value; "
            "all.forEach((e, i) => e.style.display = i == this.value ? '' : 'none'); "
            "this.nextElementSibling.value = at; this.setAttribute('aria-valuetext', at)")
    # autocomplete: on the way back to a page a browser would else put the handle where it was, and not the picture.
    control = (f'<label style="display:flex;gap:.8rem;align-items:center;margin:.5rem 0;color:var(--dn-ink)">{escape(parameter)} '
               f'<input type="range" style="flex:1" min="0" max="{len(rows) - 1}" value="{start}" autocomplete="off" '
               f'aria-valuetext="{escape(values[start])}" oninput="{escape(move)}">'
               f'<output style="min-width:3rem">{escape(values[start])}</output></label>')
    picture = sheet([rows[k] for k in kept])
    said = " ".join(f"{parameter} = {values[k]}: {alts[k]}" for k in kept)
    return Picture(framed(name, control + body, picture, message, reading, said), picture, f"{message} {reading}")
