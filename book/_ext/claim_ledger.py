"""The ``claim-ledger`` directive: the registry of claims with the verdicts in the chapters' stored outputs.

Each verdict has an anchor, such as ``#holds-with-repair``; while an address ends in it, the style sheet written here shows the
items of that verdict alone.  So the filter is a row of links: it needs no script, and other pages can link to a filtered ledger.
"""

from collections import Counter
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from diffnotes.page import claims

MEANING = {
    "holds": "Checked as an identity or an inequality with its constant, or by a proof whose steps were checked.",
    "holds in experiment": "Seen over the stated seeds, or in a computation without chance.",
    "holds with repair": "True after a change that the chapter states.",
    "vacuous at this scale": "True, but the bound says nothing at sizes that one can run.",
    "does not close": "A step of the printed proof does not follow; what it proves may still be true.",
    "does not reproduce": "Measured otherwise, under a criterion stated before; the authors may well have seen what they print.",
    "not testable here": "Undecided: what was measured does not tell, or it needs what this book cannot run.",
}


class ClaimLedger(SphinxDirective):
    """The filter, and for each group a section with its items: what is said, the verdict, the reason, what was measured."""

    def run(self):
        book = Path(self.env.srcdir) / "book"
        for notebook in book.glob("*.ipynb"):
            self.env.note_dependency(str(notebook))
        rows = claims.ledger(book)
        counts = Counter(verdict.verdict for _, verdict in rows if verdict)
        found = [verdict for verdict in claims.VERDICTS if counts[verdict]]
        out = []
        for verdict in found:
            words = f"**{verdict.capitalize()}**: {counts[verdict]} of {len(rows)} items. {MEANING[verdict]}"
            out += self.parse([f"({slug(verdict)})=", "::::{div} shown", words, "::::"], nodes.container())
        out.append(nodes.raw("", filters(found, counts, len(rows)), format="html"))
        for group in claims.GROUPS:
            section = nodes.section(ids=[slug(group)])
            section += nodes.title(text=group.capitalize())
            self.parse([line for item, verdict in rows if item.group == group for line in entry(item, verdict)], section)
            out.append(section)
        return out

    def parse(self, lines, node):
        self.state.nested_parse(StringList(lines, "claim-ledger"), self.content_offset, node)
        return list(node.children)


def slug(words: str) -> str:
    return words.replace(" ", "-")


def filters(found, counts, total) -> str:
    """A link for each verdict with its number of items, and the rules that show these alone."""
    links, rules = "", ""
    for verdict in found:
        name = slug(verdict)
        links += f'<a class="verdict {name}" href="#{name}">{verdict} {counts[verdict]}</a> '
        rules += (f"#{name}:target ~ section .entry:not(.{name}) {{ display: none; }}\n"
                  f"#{name}:target ~ section:not(:has(.entry.{name})) {{ display: none; }}\n"
                  f"#{name}:target ~ nav .{name} {{ outline: 3px solid var(--box); outline-offset: 2px; }}\n")
    return (f'<nav class="verdicts" aria-label="Show the items of one verdict">{links}'
            f'<a class="verdict" href="#claim-ledger">all {total}</a></nav>\n<style>\n{rules}</style>')


def entry(item, verdict) -> list[str]:
    """The lines of MyST for one item."""
    name = f"[{item.name}](/book/{item.chapter}.ipynb)" if item.chapter else item.name
    about = f"{verdict.badges()} <small>{verdict.evidence}</small>" if verdict else "not examined yet"
    measured = [f"<details><summary>What was measured</summary><p>{escape(verdict.measured())}</p></details>"] if verdict else []
    found = f"<span>{escape(verdict.says)}</span>" if verdict and verdict.says else item.why
    return [f"(claim-{item.id.lower()})=", f"::::{{div}} entry {slug(verdict.verdict) if verdict else 'open'}",
            f"**{name}** <small>{item.place}</small> {about}", "", item.says, "",
            *([f"*What we find:* {found}", ""] if found else []), *measured, "::::", ""]


def table(name: str, widths: str, head: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a MyST list table with the classes ``ledger`` and ``name``."""
    body = [("* - " if column == 0 else "  - ") + cell for row in [head, *rows] for column, cell in enumerate(row)]
    return [":::{list-table}", ":header-rows: 1", f":widths: {widths}", f":class: ledger {name}", "", *body, ":::"]


def setup(app):
    app.add_directive("claim-ledger", ClaimLedger)
    return {"parallel_read_safe": True, "version": "1"}
