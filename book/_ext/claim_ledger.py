"""The ``claim-ledger`` directive: the registry of claims with the verdicts in the chapters' stored outputs."""

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from diffnotes import claims

OPEN = "not examined yet"


class ClaimLedger(SphinxDirective):
    """A table of all items: item, what it says, verdict, what was measured."""

    def run(self):
        book = Path(self.env.srcdir) / "book"
        for notebook in book.glob("*.ipynb"):
            self.env.note_dependency(str(notebook))
        rows = claims.ledger(book)
        done = sum(verdict is not None for _, verdict in rows)
        lines = [f"{done} of the paper's {len(rows)} items have a verdict so far.", "",
                 ":::{list-table}", ":header-rows: 1", ":widths: 18 34 16 32", ":class: ledger", "",
                 "* - Item", "  - What it says", "  - Verdict", "  - What was measured"]
        for item, verdict in rows:
            name = f"[{item.name}](/book/{item.chapter}.ipynb)" if item.chapter else item.name
            lines += [f"* - {name} <br><small>{item.place}</small>", f"  - {item.says}"]
            if verdict is None:
                lines += [f"  - <span class=\"verdict open\">{OPEN}</span>", "  - "]
            else:
                style = verdict.verdict.replace(" ", "-")
                seeds = f" ({verdict.seeds} seeds)" if verdict.seeds else ""
                lines += [f"  - <span class=\"verdict {style}\">{verdict.verdict}</span> <br><small>{verdict.evidence}</small>",
                          f"  - {verdict.value}{seeds}"]
        lines += [":::"]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, "claim-ledger"), self.content_offset, container)
        return container.children


def setup(app):
    app.add_directive("claim-ledger", ClaimLedger)
    return {"parallel_read_safe": True, "version": "1"}
