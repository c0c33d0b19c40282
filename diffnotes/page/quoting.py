"""Numbers that other pages quote: kept in the output of the cell that computed them, so that no page types them again."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..base import checks as check

MIME = "application/vnd.diffnotes.measured+json"


@dataclass(frozen=True)
class Measured:
    """Rounded numbers by name."""

    values: dict[str, str]

    def __str__(self):
        return "\n".join(f"{name}: {text}" for name, text in self.values.items())

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": str(self), MIME: self.values}


def measured(**values: str) -> Measured:
    """Numbers of this chapter for other pages, as texts, rounded so that other CPUs give the same; the last line of a cell.

    A page quotes one with its interval as ``{measured}`41_early_stopping:seeds_needed```, a figure as
    ``{picture} 41_early_stopping fig-best-epoch``.
    """
    for name, text in values.items():
        if not isinstance(text, str) or not re.search(r"\d", text):
            check.fail(name, repr(text), "a text with a number in it")
    if not values:
        check.fail("values", "none", "at least one")
    return Measured(values)


def outputs(notebook: Path) -> list[dict]:
    """The data of all stored outputs of a chapter."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    return [output["data"] for cell in cells for output in cell.get("outputs", []) if "data" in output]


def quoted(notebook: Path, name: str) -> str:
    """A number of a chapter, from its stored outputs."""
    values = {key: text for data in outputs(notebook) for key, text in data.get(MIME, {}).items()}
    if name not in values:
        check.fail("name", f"{name!r} of {Path(notebook).stem}", f"one of {', '.join(values) or 'none'}")
    return values[name]


def picture(notebook: Path, name: str) -> str:
    """The HTML of a chapter's figure, from its stored outputs."""
    for data in outputs(notebook):
        page = "".join(data.get("text/html", ""))
        if f'id="{name}"' in page and "<figure" in page:
            return page
    check.fail("name", f"{name!r} of {Path(notebook).stem}", "the anchor of one of its figures")
