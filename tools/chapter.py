"""Start a chapter: ``python -m tools.chapter 61_name "Title"`` writes ``book/61_name.ipynb`` with the parts that all have.

It runs as it is.  What is left to do is printed: the page in ``_toc.yml``, the item in ``claims.toml``, and the text.
"""

import json
import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.build import ROOT
from tools.store import METADATA

QUESTION = """# {title}

The question that this page answers, in two or three sentences.

Claim on this page: **Name of the item**, from its source."""
STATEMENT = """## The statement

> **Statement (Name of the item).** <a id="{anchor}"></a> What is said, with its assumptions.

The smallest instance, in numbers:"""
INSTANCE = """sde = dn.OU()
x0 = torch.ones(1, 1, dtype=torch.float64, device=device)
print(f"scale {sde.scale(1.0):.3f}, std {sde.std(1.0):.3f}")"""
PROOF = """<details><summary>Proof</summary>

1. One step a line.

</details>

## Measured"""
MEASURE = """seeds = dn.seeds(ci=4, paper=20)
values = [sde.perturb(x0, 1.0, dn.normal(np.random.default_rng(seed), (1, 1), device=device)).item() for seed in seeds]
print(f"mean over seeds: {dn.mean_interval(values)}")"""
FIGURE = """t = torch.linspace(0.1, sde.T, 20, dtype=torch.float64, device=device)
noise = torch.stack([dn.normal(np.random.default_rng(seed), (20, 1), device=device) for seed in seeds])
paths = torch.stack([sde.perturb(x0.expand(20, 1), t, z)[:, 0] for z in noise])
ax, = dn.figures.panels()
dn.figures.line(ax, t, paths, dn.figures.SIZES[0])
dn.figures.axes(ax, "SDE time t", "x(t)")
dn.figures.show([ax], "fig-{anchor}", "What the picture says.", "What is drawn, over how many seeds, with which bands.",
                alt="What one sees, for those who cannot: the panels, the axes with their ranges, the curves, how they run.")"""
VERDICT = """## Verdict

The criterion in words, before the cell that applies it."""
EXERCISES = """## Exercises

> **Exercise 1 (Name).** <a id="ex-{number}-1"></a> The task.

<details><summary>Solution</summary>

The solution.

</details>"""
SOLUTION = """assert abs(sde.scale(1.0) ** 2 + sde.std(1.0) ** 2 - 1) < 1e-12"""
NEXT = """**Next:** [the claim ledger](03_claim_ledger.md). References are in the [bibliography](90_bibliography.md)."""
LEFT = """written: {path}
1. put "- file: book/{name}" where it belongs in _toc.yml
   and let the "Next:" line of the chapter before lead to it, its own to the one after it (or to the ledger)
2. register its item in diffnotes/page/claims.toml, like those there, with chapter = "{name}" (and why = "one sentence"
   if it does not reproduce, is vacuous or not testable), and compute its verdict in a cell after "## Verdict":
       dn.claim("O4", "holds in experiment" if ... else "does not reproduce", evidence="experiment",
                seeds=len(seeds), value=f"...")
3. write the chapter; symbols that are new go into book/02_notation.md, sources into book/references.bib;
   put the run times that you measure into dn.start(...) in its first cell
4. python -m tools.store {path}, look at every figure, make test"""


def chapter(name: str, title: str, folder: Path = ROOT / "book") -> Path:
    """Write the notebook, with the set-up cell that all chapters share; an existing file is left alone."""
    number = name.partition("_")[0]
    if not re.fullmatch(r"\d\d_[a-z0-9_]+", name):
        raise ValueError(f"name: got {name!r}; allowed: two digits, then words in lower case, joined by _")
    path = folder / f"{name}.ipynb"
    if path.exists():
        raise ValueError(f"name: got {name!r}, which is there already; allowed: a new name")
    anchor = name.partition("_")[2].replace("_", "-")
    cells = [
        new_markdown_cell(QUESTION.format(title=title)), new_code_cell(setup()),
        new_markdown_cell(STATEMENT.format(anchor=anchor)), new_code_cell(INSTANCE),
        new_markdown_cell(PROOF), new_code_cell(MEASURE),
        new_code_cell(FIGURE.format(anchor=anchor), metadata={"tags": ["hide-input"]}),
        new_markdown_cell(VERDICT),
        new_markdown_cell(EXERCISES.format(number=number)), new_code_cell(SOLUTION, metadata={"tags": ["hide-cell"]}),
        new_markdown_cell(NEXT)]
    nbformat.write(new_notebook(cells=cells, metadata=METADATA), path)
    return path


def setup() -> str:
    """The first cell of a chapter, with its run times to be filled in."""
    cells = json.loads((ROOT / "book" / "21_exact_gradient_flow.ipynb").read_text(encoding="utf-8"))["cells"]
    source = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    # What follows in that cell is the chapter's own.
    return re.sub(r"dn\.start\(.*", 'device = dn.start(ci="5 s", paper="5 s")', source, flags=re.S)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    made = chapter(*sys.argv[1:]).relative_to(ROOT)
    print(LEFT.format(path=made, name=made.stem))
