"""What links lead to, beside each page: its boxes, equations, claims and words, as ``previews.js`` shows them over a link.

``_previews/PAGE.js`` holds them by anchor, and a box also by kind and number, such as ``Lemma 4``, for links to a page whose
text says it.  They are scripts, as a page opened from a file may read no other kind, and are read on the first hover: a page
weighs what it did.  Each file comes from its own page alone, so that a build that writes one page need not know the others.
"""

import json
import re
from pathlib import Path

from docutils import nodes

LABEL = re.compile(r"(?:Theorem|Lemma|Corollary|Proposition|Remark|Assumption|Figure) [\w-]+")  # as in previews.js


def shown(node) -> bool:
    """Whether a link to this node is better shown than described."""
    if isinstance(node, nodes.admonition):
        return "paper" in node["classes"]
    if isinstance(node, nodes.paragraph):
        return bool(node["ids"])  # a word's meaning, or what an anchor stands before
    return isinstance(node, nodes.math_block) or (isinstance(node, nodes.container) and "entry" in node["classes"])


def plain(node):
    """A copy without anchors, which the page that shows it may have too, and without links and folds, which no key reaches."""
    copy = node.deepcopy()
    for part in list(copy.findall(nodes.Element)):
        part["ids"] = []
        if isinstance(part, nodes.reference):
            part.replace_self(nodes.inline("", "", *part.children))
        elif isinstance(part, nodes.raw) and part.astext().startswith("<details"):
            part.parent.remove(part)
    return copy


def found(doctree, render) -> dict[str, str]:
    """The page's previews by name."""
    out: dict[str, str] = {}
    for node in doctree.findall(shown):
        title = node.next_node(nodes.title)
        label = LABEL.match(title.astext()) if title else None
        names = [*node["ids"], *([label[0]] if label and label[0] not in out else [])]
        if names:
            out |= dict.fromkeys(names, render(plain(node)))
    return out


def write(app, pagename, templatename, context, doctree):
    if doctree is None or app.builder.format != "html":
        return
    boxes = found(doctree, lambda node: app.builder.render_partial(node)["fragment"])
    path = Path(app.outdir, "_previews", f"{pagename}.js")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"(window.previews ??= {{}})[{json.dumps(pagename)}] = {json.dumps(boxes)};\n", encoding="utf-8")


def setup(app):
    app.connect("html-page-context", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
