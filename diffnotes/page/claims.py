"""The claims of the paper (and a few of this book and of later work), and the verdicts that the chapters compute.

``claims.toml`` beside this file registers every item of the paper once.  A chapter's verdict cell calls
``claim``; its stored output, which CI recomputes, is the only place where a verdict is kept.  The ledger page is
made from the registry and those outputs, so the two cannot disagree.
"""

import tomllib
from dataclasses import asdict, dataclass, field
from html import escape
from importlib import resources
from pathlib import Path

from ..base import checks as check
from .quoting import outputs

GROUPS = ("the paper", "this book", "beyond the paper")
VERDICTS = (
    "holds", "holds in experiment", "holds with repair", "vacuous at this scale", "does not reproduce", "does not close",
    "not testable here")
EVIDENCE = ("identity", "inequality", "proof", "experiment", "illustration")
MIME = "application/vnd.diffnotes.claim+json"  # beside text/plain in a cell's output, so that nbval compares it too


@dataclass(frozen=True)
class Item:
    """One statement: its id, name and place in its source, what it says in our words, the chapter that treats it.

    ``group`` tells the paper's items from those of this book and of the literature beyond the paper; ``why`` says in a sentence
    why an item does not hold or could not be decided.  ``uses`` are the items that its proof builds on, for the map of the
    proofs, where ``role`` says in three words what it is for.
    """

    id: str
    name: str
    place: str
    says: str
    chapter: str
    group: str = "the paper"
    why: str = ""
    role: str = ""
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A verdict on one item: evidence and verdict from the fixed lists, the measured value, the number of seeds.

    ``says`` is the verdict as a person would say it; ``parts`` are the verdicts on parts of the item, where they differ.
    """

    id: str
    verdict: str
    evidence: str
    value: str
    seeds: int
    says: str = ""
    parts: dict[str, str] = field(default_factory=dict)

    def __str__(self):
        return f"{registry()[self.id].name}: {self.verdict.upper()} [{self.evidence}] {self.measured()}"

    def measured(self) -> str:
        """The value with the number of seeds."""
        return self.value + (f" ({self.seeds} seed{'s' * (self.seeds > 1)})" if self.seeds else "")

    def badges(self) -> str:
        """The verdict, or those of its parts, as HTML."""
        return ", ".join(f"{escape(part)} {badge(verdict)}" for part, verdict in self.parts.items()) or badge(self.verdict)

    def _repr_mimebundle_(self, include=None, exclude=None):
        name, line = registry()[self.id].name, f"<em>{self.evidence}</em>. {escape(self.measured())}"
        page = f"<p><strong>{name}</strong>: {self.badges()} {line}</p>"
        if self.says:
            fold = f"<details><summary>What was measured</summary><p>{line}</p></details>"
            page = f'<div class="claim"><p><strong>{name}</strong> {self.badges()}</p><p>{escape(self.says)}</p>{fold}</div>'
        kept = {key: value for key, value in asdict(self).items() if value or key not in ("says", "parts")}
        return {"text/plain": str(self), "text/html": page, MIME: kept}


def badge(verdict: str) -> str:
    """A verdict as HTML; the book's style sheet colours it."""
    return f'<span class="verdict {verdict.replace(" ", "-")}">{verdict}</span>'


def registry() -> dict[str, Item]:
    """Every registered item by id, in the paper's order."""
    rows = tomllib.loads(resources.files(__package__).joinpath("claims.toml").read_text(encoding="utf-8"))["item"]
    return {row["id"]: Item(**row) for row in rows}


def claim(id: str, verdict: str | dict[str, str], *, evidence: str, value: str, seeds: int = 0,
          says: dict[str, str] | None = None) -> None:
    """Show a verdict on the page, ``value`` with its uncertainty and rounded so that other CPUs print the same.

    Args:
        id: the item, of the registry.
        verdict: as computed; or one for each part of the item, of which the last in the list of verdicts is the item's.
        evidence: of the fixed list.
        value: what was measured.
        seeds: the number of independent repetitions, zero for a deterministic computation.
        says: for each verdict that may come out, the sentence in which a person would report it; without one for the
            verdict that did come out, the page shows what was measured.
    """
    if id not in registry():
        check.fail("id", repr(id), f"one of {', '.join(registry())}")
    parts = verdict if isinstance(verdict, dict) else {}
    for each in [*parts.values(), *(says or {})] if parts else [verdict, *(says or {})]:
        if each not in VERDICTS:
            check.fail("verdict", repr(each), f"one of {', '.join(VERDICTS)}")
    whole = verdict if isinstance(verdict, str) else max(parts.values(), key=VERDICTS.index)
    if evidence not in EVIDENCE:
        check.fail("evidence", repr(evidence), f"one of {', '.join(EVIDENCE)}")
    result = Claim(id, whole, evidence, value, check.integer("seeds", seeds, 0), (says or {}).get(whole, ""), parts)
    try:
        from IPython.display import display
    except ImportError:  # a plain Python session
        print(result)
    else:
        display(result)


def stored(notebook: Path) -> list[Claim]:
    """The claims in a chapter's stored outputs, in the order of its cells."""
    return [Claim(**data[MIME]) for data in outputs(notebook) if MIME in data]


def verdicts(notebook: Path) -> dict[str, str]:
    """The verdict on every claim in a chapter's stored outputs."""
    return {claim.id: claim.verdict for claim in stored(notebook)}


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
