r"""Chapters that read well raw become a book with theorem boxes and working links.

In a notebook's Markdown (plain on GitHub, in Colab and in JupyterLab)

    > **Lemma 4 (Rate of the flow).** <a id="lem-4"></a>
    > For every ...

becomes, before MyST parses the cell, a box titled "Lemma 4 (Rate of the flow)"; any other line
``<a id="eq-5"></a>`` becomes a MyST target; and links ``[Lemma 4](21_exact_gradient_flow.ipynb#lem-4)``, or into a ``.md`` page,
go to targets by name, so that Sphinx warns of a broken one.  Links of ``.md`` pages do so too.
The paper's own numbers stand in the text and in ``\tag{5}``.
Folded proofs are plain ``<details>``, which need no conversion.  A code cell tagged ``hide-cell`` right after a cell that ends
with a folded solution is its check: the page shows both in one fold.  Code is said to be IPython's, so that
sphinx-codeautolink can read all cells of a page, and lead from the package's names to the reference.
"""

import json
import re
from pathlib import Path

import front

BOX = re.compile(
    r"^> \*\*(?P<title>(?P<kind>Statement|Theorem|Lemma|Corollary|Proposition|Definition|Remark|Assumption|Equation|Figure"
    r"|Exercise)s?\b"
    r"[^*]*?)\.?\*\*"
    r"(?: *<a id=\"(?P<name>[\w-]+)\"></a>)? *(?P<first>.*)$")
ANCHOR = re.compile(r"^<a id=\"([\w-]+)\"></a>[ ]*$", re.M)
SOLUTION, END = "<details><summary>Solution</summary>", "</details>"
LINK = re.compile(r"\]\([\w./-]*\.(?:ipynb|md)#([\w-]+)\)")


def boxes(text: str) -> str:
    """Every block quote that opens with a bold kind and number becomes an admonition of that class."""
    out, lines = [], iter(text.split("\n"))
    line = next(lines, None)
    while line is not None:
        box = BOX.match(line)
        if not box:
            out.append(line)
            line = next(lines, None)
            continue
        out += [f":::::{{admonition}} {box['title']}", f":class: paper {box['kind'].lower()}"]
        out += [f":name: {box['name']}"] if box["name"] else []
        out += ["", box["first"]]
        while (line := next(lines, None)) is not None and line.startswith(">"):
            out.append(re.sub(r"^> ?", "", line))
        out.append(":::::")
    return "\n".join(out)


def convert(text: str) -> str:
    """Portable Markdown to MyST."""
    return LINK.sub(r"](#\1)", ANCHOR.sub(r"(\1)=", boxes(text)))


def one_fold(cells: list[dict]) -> list[dict]:
    """Let every folded solution close after the check that follows it, with a line that says so."""
    out: list[dict] = []
    for cell in cells:
        tags = cell["metadata"].get("tags", [])
        before = "".join(out[-1]["source"]).rstrip() if out and out[-1]["cell_type"] == "markdown" else ""
        if cell["cell_type"] == "code" and "hide-cell" in tags and before.endswith(END) and SOLUTION in before:
            at = before.rindex(SOLUTION)
            solution = before[at:].removesuffix(END).replace("Solution<", "Solution and check<", 1)
            out[-1]["source"] = before[:at] + solution + "\n*Check.*"
            cell = cell | {"metadata": cell["metadata"] | {"tags": [tag for tag in tags if tag != "hide-cell"]}}
            out += [cell, {"cell_type": "markdown", "id": f"end-{len(out)}", "metadata": {}, "source": END}]
        else:
            out.append(cell)
    return out


def source_read(app, docname, source):
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        source[0] = LINK.sub(r"](#\1)", source[0])
        return
    notebook, book = json.loads(source[0]), Path(app.srcdir) / "book"
    if front.MARK in source[0].replace('\\"', '"'):  # its numbers are those of all chapters
        for other in book.glob("*.ipynb"):
            app.env.note_dependency(str(other))
    notebook["cells"] = one_fold(notebook["cells"])
    notebook["metadata"].setdefault("language_info", {})["pygments_lexer"] = "ipython3"  # which knows %pip
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = convert(front.convert("".join(cell["source"]), book))
    source[0] = json.dumps(notebook)


def setup(app):
    app.connect("source-read", source_read)
    return {"parallel_read_safe": True, "version": "1"}
