"""The ``proof-map`` directive: who uses whom, from the registry's ``uses``, coloured by the verdicts in the stored outputs.

Plain SVG without a script: every node is a link, its colour the verdict on the statement, the dot on it the verdict on the
printed proof.  What a node uses stands above it.
"""

import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from diffnotes.page import claims

# Where the nodes stand; the paper's on the right, this book's on the left.
GRID = """
.    L3   .    .    L1   .
.    L2   L4   L5   L6   L7
O1   .    E5   T1   .    L8
O7   O2   O5   T2   .    .
.    O4   .    .    .    .
"""
WIDTH, HEIGHT, GAP_X, GAP_Y = 124, 50, 10, 38
SHORT = re.compile(r"^(?:Eqs\.|The(?= )|Theorem(?= A)|(\w)(?:emma|heorem|orollary)) ?")  # for phones
PLACES = {id: (row, column) for row, line in enumerate(GRID.strip("\n").split("\n"))
          for column, id in enumerate(line.split()) if id != "."}


class ProofMap(SphinxDirective):
    def run(self):
        book = Path(self.env.srcdir) / "book"
        for notebook in book.glob("*.ipynb"):
            self.env.note_dependency(str(notebook))
        return [nodes.raw("", drawing(claims.ledger(book)), format="html")]


def corner(id: str) -> tuple[int, int]:
    row, column = PLACES[id]
    return column * (WIDTH + GAP_X) + 2, row * (HEIGHT + GAP_Y) + 2


def drawing(ledger) -> str:
    """The map as one line of HTML."""
    items = {item.id: (item, verdict.verdict if verdict else "") for item, verdict in ledger}
    edges = [(used, id) for id, (item, _) in items.items() for used in item.uses]
    drawn = {id for edge in edges for id in edge}
    if drawn != set(PLACES):
        raise ValueError(f"GRID: got {sorted(PLACES)}; allowed: all items that use or are used, {sorted(drawn)}")
    lines = "".join(line(*edge) for edge in edges)
    boxes = "".join(node(id, items) for id in PLACES)
    width, height = (max(corner(id)[axis] for id in PLACES) + size + 2 for axis, size in ((0, WIDTH), (1, HEIGHT)))
    return (f'<svg class="proof-map" viewBox="0 0 {width} {height}" role="group" aria-label="Map of the proofs: what uses what">'
            f"{lines}{boxes}</svg>")


def line(used: str, user: str) -> str:
    """From the foot of what is used to the head of what uses it."""
    (x0, y0), (x1, y1) = corner(used), corner(user)
    x0, y0, x1 = x0 + WIDTH / 2, y0 + HEIGHT, x1 + WIDTH / 2
    if y1 > y0:
        bend = min(GAP_Y, y1 - y0) * 0.8
        return f'<path d="M{x0:g},{y0:g} C{x0:g},{y0 + bend:g} {x1:g},{y1 - bend:g} {x1:g},{y1:g}"/>'
    side = 1 if x1 > x0 else -1  # of one row: from side to side
    middle = y1 + HEIGHT / 2
    return f'<path d="M{x0 + side * WIDTH / 2:g},{middle:g} L{x1 - side * WIDTH / 2:g},{middle:g}"/>'


def node(id: str, items) -> str:
    item, verdict = items[id]
    x, y = corner(id)
    _, proof = items.get(f"P-{id}", (None, ""))
    uses = ", ".join(items[used][0].name for used in item.uses) or "no other item"
    label = f"{item.name}, {item.role}: {verdict}{f'; its proof: {proof}' if proof else ''}; uses {uses}"
    dot = f'<circle class="{slug(proof)}" cx="{x + WIDTH - 10}" cy="{y + 11}" r="5"/>' if proof else ""
    name = item.name.partition(",")[0].replace("Equations", "Eqs.")
    short = SHORT.sub(r"\1", name) + "′" * ("repaired" in item.name)
    whose = "ours" if item.group == "this book" else "printed"
    return (f'<a href="{item.chapter}.html" class="{whose} {slug(verdict)}" aria-label="{escape(label)}">'
            f"<title>{escape(label)}</title>"
            f'<rect class="box" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>'
            f'<rect class="mark" x="{x}" y="{y}" width="6" height="{HEIGHT}" rx="3"/>'
            f'<text class="name" x="{x + 13}" y="{y + 21}">{escape(name)}</text>'
            f'<text class="short" x="{x + 16}" y="{y + 34}">{escape(short)}</text>'
            f'<text class="role" x="{x + 13}" y="{y + 40}">{escape(item.role)}</text>{dot}</a>')


def slug(verdict: str) -> str:
    return verdict.replace(" ", "-")


def setup(app):
    app.add_directive("proof-map", ProofMap)
    return {"parallel_read_safe": True, "version": "1"}
