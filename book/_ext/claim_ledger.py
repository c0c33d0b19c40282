"""The ``claim-ledger`` directive: the registry of claims with the verdicts in the chapters' stored outputs."""

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from diffnotes.page import claims


class ClaimLedger(SphinxDirective):
    """A table of the items with a verdict and what was measured for each group, and the items that nobody has examined yet."""

    def run(self):
        book = Path(self.env.srcdir) / "book"
        for notebook in book.glob("*.ipynb"):
            self.env.note_dependency(str(notebook))
        rows, lines = claims.ledger(book), []
        for group in claims.GROUPS:
            members = [(item, verdict) for item, verdict in rows if item.group == group]
            done = [(item, verdict) for item, verdict in members if verdict]
            still_open = [item for item, verdict in members if not verdict]
            lines += [f"**{group.capitalize()}**: {len(done)} of {len(members)} items have a verdict.", "",
                      *table("examined", "15 30 17 38", ["Item", "What it says", "Verdict", "What was measured"], [
                          [f"[{item.name}](/book/{item.chapter}.ipynb) <br><small>{item.place}</small>", item.says,
                           f"{verdict.badges()} <br><small>{verdict.evidence}</small>", verdict.measured()]
                          for item, verdict in done]), ""]
            if still_open:
                lines += ["Not examined yet:", "", *table("open", "30 70", ["Item", "What it says"], [
                    [f"{item.name} <br><small>{item.place}</small>", item.says] for item in still_open]), ""]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, "claim-ledger"), self.content_offset, container)
        return container.children


def table(name: str, widths: str, head: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a MyST list table with the classes ``ledger`` and ``name``."""
    body = [("* - " if column == 0 else "  - ") + cell for row in [head, *rows] for column, cell in enumerate(row)]
    return [":::{list-table}", ":header-rows: 1", f":widths: {widths}", f":class: ledger {name}", "", *body, ":::"]


def setup(app):
    app.add_directive("claim-ledger", ClaimLedger)
    return {"parallel_read_safe": True, "version": "1"}
