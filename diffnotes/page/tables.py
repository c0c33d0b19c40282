"""Small tables: HTML with a caption for readers, aligned text for terminals, nothing printed by hand.

    dn.table({"n = 32": {"least loss": 0.0138, "at τ": 1e5}}, caption="Where the test loss turns.")
"""

import math
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import torch

from ..base import checks as check

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(value: float, digits: int = 1) -> str:
    """A number as a reader writes it: 1300 as 1.3·10³ with two digits, 100000 as 10⁵."""
    if not value or not math.isfinite(value):
        return f"{value:g}".replace("-", "−").replace("inf", "∞")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    ten = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
    return ten if mantissa == "1" else f"{mantissa}·{ten}".replace("-", "−")


def shown(value, digits: int = 3, below: float = 0.0) -> str:
    """A cell of a table: text as it is, truth as yes or no, whole numbers in full, others with ``digits`` significant digits.

    A tensor of several seeds is shown as its ``spread``.  Sizes under ``below`` are rounding errors, and shown as such, so
    that every CPU shows the same.
    """
    if isinstance(value, torch.Tensor):
        if value.numel() > 1:
            return spread(value, digits)
        value = value.item()
    if isinstance(value, str) or value is None:
        return value or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, numbers.Real):
        value, size = float(value), abs(float(value))
        if size < below:
            return f"< {power(below)}"
        if not 1e-3 <= size < 10 ** (digits + 2):
            return power(value, digits)
        text = f"{value:#.{digits}g}" if size < 10 ** (digits - 1) else f"{value:.0f}"
        return text.rstrip(".").replace("-", "−")
    return str(value)


def spread(values, digits: int = 2) -> str:
    """Median over the seeds with the range from 10% to 90%: ``0.014 (0.008 to 0.031)``."""
    values = torch.as_tensor(values, dtype=torch.float64).flatten()
    low, middle, high = (shown(float(v), digits) for v in values.quantile(torch.tensor([0.1, 0.5, 0.9], dtype=values.dtype)))
    return f"{middle} ({low} to {high})"


@dataclass(frozen=True)
class Table:
    """Rows of cells that are text already; the first column tells the rows apart."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...]
    caption: str = ""

    def __str__(self):
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = ["  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, self.right, strict=True)).rstrip()
                 for row in (self.head, *self.rows)]
        return "\n".join([*lines, *([self.caption] if self.caption else [])])

    def html(self) -> str:
        side = ['style="text-align:right"' if right else 'style="text-align:left"' for right in self.right]

        def cells(row, kind):
            for k, cell in enumerate(row):
                tag, scope = ("th", f' scope="{kind}"') if cell and (kind == "col" or not k) else ("td", "")
                yield f"<{tag}{scope} {side[k]}>{escape(cell)}</{tag}>"

        body = "".join(f"<tr>{''.join(cells(row, 'row'))}</tr>" for row in self.rows)
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        head = f"<thead><tr>{''.join(cells(self.head, 'col'))}</tr></thead>"
        return f'<div class="dn-scroll" tabindex="0"><table class="dn">{caption}{head}<tbody>{body}</tbody></table></div>'

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": str(self), "text/html": self.html()}


def table(rows: Mapping | Sequence[Mapping], caption: str = "", *, corner: str = "", column: str = "", digits: int = 3,
          below: float = 0.0) -> Table:
    """A table of rows, {column: value} each; columns in the order in which they first appear, gaps left empty.

    Args:
        rows: a list of rows; or names of rows to their cells, or to a single value each.
        caption: a sentence below the table: what it says first, then how to read it.
        corner: heading of the column of names.
        column: heading of the values, where each row has one.
        digits: significant digits of numbers that are not whole; give text to show a number differently.
        below: sizes under it are rounding errors, shown as ``< 10⁻¹²``.
    """
    names, rows = (list(rows), list(rows.values())) if isinstance(rows, Mapping) else (None, check.sequence("rows", rows))
    if names is None and not all(isinstance(row, Mapping) for row in rows):
        check.fail("rows", "things that are no rows", "a dict of rows, or a list of dicts")
    if not rows:
        check.fail("rows", "none", "at least one row")
    digits, below = check.integer("digits", digits), check.number("below", below, 0.0)
    cells: list[Mapping] = [row if isinstance(row, Mapping) else {column: row} for row in rows]
    columns = list(dict.fromkeys(name for row in cells for name in row))
    words = [all(isinstance(row.get(c), str | None) and not re.search(r"\d", row.get(c) or "") for row in cells) for c in columns]
    body = [tuple(shown(row.get(c), digits, below) for c in columns) for row in cells]
    head, right = tuple(map(str, columns)), tuple(not w for w in words)
    if names:
        head, right = (corner, *head), (False, *right)
        body = [(str(name), *row) for name, row in zip(names, body, strict=True)]
    return Table(head, tuple(body), right, caption)


def turning(tau, curves, rise: float = 1.1) -> dict:
    """Where curves [seeds, k] over training times [k] turn, as a row of a table.

    Their least values; the time at which the median is least; their last values; in how many seeds the last is more than ``rise``
    times the least.
    """
    tau, curves = torch.as_tensor(tau), torch.as_tensor(curves)
    if tau.ndim != 1 or curves.ndim != 2 or curves.shape[1] != len(tau):
        check.fail("curves", f"shapes {tuple(tau.shape)} and {tuple(curves.shape)}", "times [k] and curves [seeds, k]")
    tau, curves = tau.cpu(), curves.cpu()
    least, last = curves.amin(1), curves[:, -1]
    rises = (last > check.number("rise", rise, 1.0) * least).sum().item()
    best = tau[curves.quantile(0.5, dim=0).argmin()].item()
    return {"least": spread(least), "at τ": power(best), "in the end": spread(last), "rises in": f"{rises} of {len(curves)}"}
