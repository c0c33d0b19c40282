"""The ``proof-map`` directive: who uses whom, from the registry's ``uses``, coloured by the verdicts in the stored outputs.

Plain SVG without a script: every node is a link, its colour the verdict on the statement, the dot on it the verdict on the
printed proof.  What a node uses stands above it.  The directive's lines, ``L1: how far noise carries a sample``, say each node in
plain words; they make the list below the map, and show over a node.
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
WIDTH, HEIGHT, GAP_X, GAP_Y = 130, 50, 10, 38
ANCHOR = {"L": "lem-", "E": "eq-"}  # where a statement stands in its chapter, and those that stand elsewhere
STATED = {"T1": "22_decomposition_and_rate.html#thm-1-printed", "T2": "31_modes_shift.html#thm-2",
          "O1": "24_a_bound_that_can_be_evaluated.html#thm-abc", "O2": "24_a_bound_that_can_be_evaluated.html#cor-1",
          "O4": "25_both_theorems_repaired.html#thm-1", "O5": "25_both_theorems_repaired.html#thm-2",
          "O7": "26_where_the_rate_can_hold.html#thm-1-bracket"}
KEY = (("holds", "holds"), ("holds-with-repair", "holds with a repair"), ("does-not-close", "fails, or does not close"),
       ("vacuous-at-this-scale", "a test at these sizes tells nothing"), ("ours", "theorem of this book"))
SHORT = re.compile(r"^(?:Eqs\.|The(?= )|Theorem(?= A)|(\w)(?:emma|heorem|orollary)) ?")  # for phones
PLACES = {id: (row, column) for row, line in enumerate(GRID.strip("\n").split("\n"))
          for column, id in enumerate(line.split()) if id != "."}


class ProofMap(SphinxDirective):
    has_content = True

    def run(self):
        book = Path(self.env.srcdir) / "book"
        for notebook in book.glob("*.ipynb"):
            self.env.note_dependency(str(notebook))
        plain = dict(line.split(": ", 1) for line in self.content if line)
        return [nodes.raw("", drawing(claims.ledger(book), plain), format="html")]


def corner(id: str) -> tuple[int, int]:
    row, column = PLACES[id]
    return column * (WIDTH + GAP_X) + 2, row * (HEIGHT + GAP_Y) + 2


def drawing(ledger, plain: dict[str, str]) -> str:
    """The map, its key and its list as one line of HTML."""
    items = {item.id: (item, verdict.verdict if verdict else "") for item, verdict in ledger}
    edges = [(used, id) for id, (item, _) in items.items() for used in item.uses]
    drawn = {id for edge in edges for id in edge}
    if drawn != set(PLACES):
        raise ValueError(f"GRID: got {sorted(PLACES)}; allowed: all items that use or are used, {sorted(drawn)}")
    if plain.keys() != drawn:
        raise ValueError(f"proof-map: got lines for {sorted(plain)}; allowed: one for each of {sorted(drawn)}")
    lines = "".join(line(*edge) for edge in edges)
    boxes = "".join(node(id, items, plain[id]) for id in PLACES)
    key = "".join(f'<li class="{kind}"><i></i>{words}</li>' for kind, words in KEY)
    said = "".join(f'<li class="{slug(verdict)}"><i></i><a href="{stated(id, items)}">{named(item)}</a>: {raised(plain[id])}</li>'
                   for id, (item, verdict) in ((id, items[id]) for id in plain))
    width, height = (max(corner(id)[axis] for id in PLACES) + size + 2 for axis, size in ((0, WIDTH), (1, HEIGHT)))
    return (f'<svg class="proof-map" viewBox="0 0 {width} {height}" role="group" aria-label="Map of the proofs: what uses what">'
            f'{lines}{boxes}</svg><ul class="proof-key" aria-label="Colours of the map">{key}</ul>'
            f'<ul class="proof-list">{said}</ul>')


def line(used: str, user: str) -> str:
    """From the foot of what is used to the head of what uses it, and behind no box on the way."""
    (x0, y0), (x1, y1) = corner(used), corner(user)
    x0, y0, x1 = x0 + WIDTH / 2, y0 + HEIGHT, x1 + WIDTH / 2
    if y1 > y0:
        x = lane(used, user)
        first, last = y0 + GAP_Y, y1 - GAP_Y  # between them the line goes straight down
        down = f"{curve(x0, y0, x, first)} L{x:g},{last:g} {curve(x, last, x1, y1)}" if last > first else curve(x0, y0, x1, y1)
        return f'<path d="M{x0:g},{y0:g} {down}"/>'
    side = 1 if x1 > x0 else -1  # of one row: from side to side
    middle = y1 + HEIGHT / 2
    return f'<path d="M{x0 + side * WIDTH / 2:g},{middle:g} L{x1 - side * WIDTH / 2:g},{middle:g}"/>'


def curve(x0: float, y0: float, x1: float, y1: float) -> str:
    bend = (y1 - y0) * 0.8
    return f"C{x0:g},{y0 + bend:g} {x1:g},{y1 - bend:g} {x1:g},{y1:g}"


def lane(used: str, user: str) -> float:
    """Where a line can pass the rows in between: below its start, above its end, or beside the column of its start."""
    (top, start), (bottom, end) = PLACES[used], PLACES[user]
    for column in (end, start):
        if not any((row, column) in PLACES.values() for row in range(top + 1, bottom)):
            return corner(user if column == end else used)[0] + WIDTH / 2
    beside = start + (1 if end > start else -1)
    if any((row, beside) in PLACES.values() for row in range(top + 1, bottom)):
        raise ValueError(f"GRID: got no way for the line from {used} to {user}; allowed: a free column beside {used}")
    return corner(used)[0] + (WIDTH + GAP_X if end > start else -GAP_X)


def stated(id: str, items) -> str:
    """The address of the box or the equation."""
    return STATED.get(id) or f"{items[id][0].chapter}.html#{ANCHOR[id[0]]}{id[1:]}"


def named(item) -> str:
    """The name as it is drawn; a theorem that was repaired is primed."""
    return escape(item.name.partition(",")[0].replace("Equations", "Eqs.").replace("-", "–") + "′" * ("repaired" in item.name))


def raised(text: str) -> str:
    """Powers are raised, in SVG and in HTML."""
    return re.sub(r"\^(\d+(?:\.\d+)?)", r"<sup>\1</sup>", escape(text))


def node(id: str, items, plain: str) -> str:
    item, verdict = items[id]
    x, y = corner(id)
    _, proof = items.get(f"P-{id}", (None, ""))
    uses = ", ".join(items[used][0].name for used in item.uses) or "no other item"
    label = f"{item.name}, {item.role}: {verdict}{f'; its proof: {proof}' if proof else ''}; uses {uses}"
    dot = f'<circle class="{slug(proof)}" cx="{x + WIDTH - 10}" cy="{y + 11}" r="5"/>' if proof else ""
    name = named(item)
    role = re.sub("<sup>(.*?)</sup>", r'<tspan class="power" dy="-5">\1</tspan>', raised(item.role))
    short = SHORT.sub(r"\1", name)
    whose = "ours" if item.group == "this book" else "printed"
    return (f'<a href="{stated(id, items)}" class="{whose} {slug(verdict)}" aria-label="{escape(label)}">'
            f"<title>{escape(f'{item.name}: {plain} {verdict.capitalize()}')}</title>"
            f'<rect class="box" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>'
            f'<rect class="mark" x="{x}" y="{y}" width="6" height="{HEIGHT}" rx="3"/>'
            f'<text class="name" x="{x + 13}" y="{y + 21}">{name}</text>'
            f'<text class="short" x="{x + 16}" y="{y + 34}">{short}</text>'
            f'<text class="role" x="{x + 13}" y="{y + 40}">{role}</text>{dot}</a>')


def slug(verdict: str) -> str:
    return verdict.replace(" ", "-")


def setup(app):
    app.add_directive("proof-map", ProofMap)
    return {"parallel_read_safe": True, "version": "1"}
