"""The claims of the paper (and a few of this book and of later work), and the verdicts that the chapters compute.

``claims.toml`` beside this file registers every item of the paper once.  A chapter's verdict cell calls
``claim``; its stored output, which CI recomputes, is the only place where a verdict is kept.  The ledger page is
made from the registry and those outputs, so the two cannot disagree.
"""

import json
import tomllib
from dataclasses import asdict, dataclass
from html import escape
from importlib import resources
from pathlib import Path

from ..base import checks as check

GROUPS = ("the paper", "this book", "beyond the paper")
VERDICTS = (
    "holds", "holds in experiment", "holds with repair", "vacuous at this scale", "does not reproduce", "not testable here")
EVIDENCE = ("identity", "inequality", "proof", "experiment", "illustration")
MIME = "application/vnd.diffnotes.claim+json"  # beside text/plain in a cell's output, so that nbval compares it too


@dataclass(frozen=True)
class Item:
    """One statement: its id, name and place in its source, what it says in our words, the chapter that treats it.

    ``group`` tells the paper's items from those of this book and of the literature beyond the paper; ``why`` says in a sentence
    why an item does not hold or could not be decided.
    """

    id: str
    name: str
    place: str
    says: str
    chapter: str
    group: str = "the paper"
    why: str = ""


@dataclass(frozen=True)
class Claim:
    """A verdict on one item: evidence and verdict from the fixed lists, the measured value, the number of seeds."""

    id: str
    verdict: str
    evidence: str
    value: str
    seeds: int

    def __str__(self):
        return f"{registry()[self.id].name}: {self.verdict.upper()} [{self.evidence}] {self.measured()}"

    def measured(self) -> str:
        """The value with the number of seeds."""
        return self.value + (f" ({self.seeds} seed{'s' * (self.seeds > 1)})" if self.seeds else "")

    def badge(self) -> str:
        """The verdict as HTML; the book's style sheet colours it."""
        return f'<span class="verdict {self.verdict.replace(" ", "-")}">{self.verdict}</span>'

    def _repr_mimebundle_(self, include=None, exclude=None):
        name = registry()[self.id].name
        page = f"<p><strong>{name}</strong>: {self.badge()} <em>{self.evidence}</em>. {escape(self.measured())}</p>"
        return {"text/plain": str(self), "text/html": page, MIME: asdict(self)}


def registry() -> dict[str, Item]:
    """Every registered item by id, in the paper's order."""
    rows = tomllib.loads(resources.files(__package__).joinpath("claims.toml").read_text(encoding="utf-8"))["item"]
    return {row["id"]: Item(**row) for row in rows}


def claim(id: str, verdict: str, *, evidence: str, value: str, seeds: int = 0) -> None:
    """Show a verdict on the page, ``value`` with its uncertainty and rounded so that other CPUs print the same.

    ``seeds`` is the number of independent repetitions, zero for a deterministic computation.
    """
    if id not in registry():
        check.fail("id", repr(id), f"one of {', '.join(registry())}")
    if verdict not in VERDICTS:
        check.fail("verdict", repr(verdict), f"one of {', '.join(VERDICTS)}")
    if evidence not in EVIDENCE:
        check.fail("evidence", repr(evidence), f"one of {', '.join(EVIDENCE)}")
    result = Claim(id, verdict, evidence, value, check.integer("seeds", seeds, 0))
    try:
        from IPython.display import display
    except ImportError:  # a plain Python session
        print(result)
    else:
        display(result)


def stored(notebook: Path) -> list[Claim]:
    """The claims in a chapter's stored outputs, in the order of its cells."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    outputs = (output for cell in cells for output in cell.get("outputs", []))
    return [Claim(**output["data"][MIME]) for output in outputs if MIME in output.get("data", {})]


def ledger(book: Path) -> list[tuple[Item, Claim | None]]:
    """Every registered item with its stored verdict, or None where no chapter has examined it yet.

    Raises ``ValueError`` if a verdict stands in another chapter than the registry says, or twice.
    """
    found: dict[str, Claim] = {}
    items = registry()
    for notebook in sorted(Path(book).glob("*.ipynb")):
        for verdict in stored(notebook):
            if items[verdict.id].chapter != notebook.stem:
                check.fail(f"claim {verdict.id}", f"a verdict in {notebook.stem}", f"its chapter, {items[verdict.id].chapter}")
            if verdict.id in found:
                check.fail(f"claim {verdict.id}", "two verdicts", "one")
            found[verdict.id] = verdict
    return [(item, found.get(id)) for id, item in items.items()]
