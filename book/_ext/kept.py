"""A full stop or comma stays beside the formula before it: browsers may break a line between the two."""

import re

from docutils import nodes

MARKS = re.compile(r"^[.,;:!?)\]’”]+")


def keep(app, doctree, docname):
    for math in list(doctree.findall(nodes.math)):
        last = math
        while isinstance(last.parent, (nodes.emphasis, nodes.strong)) and last is last.parent.children[-1]:
            last = last.parent
        at = last.parent.index(last) + 1
        text = last.parent[at] if at < len(last.parent) else None
        marks = MARKS.match(text) if isinstance(text, nodes.Text) else None
        if marks:
            last.parent[at] = nodes.Text(text[marks.end():])
            math.replace_self(nodes.inline("", "", math.deepcopy(), nodes.Text(marks[0]), classes=["kept"]))


def setup(app):
    app.connect("doctree-resolved", keep)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
