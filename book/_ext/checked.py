"""The directives ``figure-gallery``, ``run-times`` and ``not-reproduced``, made from the chapters and ``checked.json``."""

import base64
import io
import json
import re
from pathlib import Path

from claim_ledger import table
from docutils import nodes
from docutils.statemachine import StringList
from PIL import Image
from sphinx.util.docutils import SphinxDirective

from diffnotes import claims

SLIDER = re.compile(r'<figure class="slider".*?src="data:image/png;base64,([^"]+)" alt="([^"]*)"'
                    r'.*?<figcaption>(.*?)</figcaption>', re.S)
WIDTH = 360  # pixels of a small picture


class FromChapters(SphinxDirective):
    """A directive whose MyST lines are computed from the book's folder."""

    def run(self):
        book = Path(self.env.srcdir) / "book"
        for source in [*book.glob("*.ipynb"), book / "checked.json"]:
            self.env.note_dependency(str(source))
        container = nodes.container()
        self.state.nested_parse(StringList(self.lines(book), self.name), self.content_offset, container)
        return container.children


class FigureGallery(FromChapters):
    """A card for every stored figure: the picture, made small, its caption, and the chapter that draws it."""

    def lines(self, book):
        folder = book.parent / "_build" / "gallery"
        folder.mkdir(parents=True, exist_ok=True)
        record, out = recorded(book)["check"], ["::::{grid} 1 2 2 3", ":gutter: 2", ""]
        for notebook, title, cells in chapters(book):
            passed = "failed" if notebook.stem in record["failed"] else "re-executed and equal"
            last = f"{record['date']}: {passed}" if notebook.stem in record["seconds"] else "not in the last recorded check"
            for number, (png, alt, caption) in enumerate(figures(cells)):
                path = folder / f"{notebook.stem}-{number}.png"
                picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
                picture.thumbnail((WIDTH, WIDTH))
                picture.quantize(64).save(path, optimize=True)
                out += [f":::{{grid-item-card}} [{title}](/book/{notebook.name})", f":img-top: /_build/gallery/{path.name}",
                        f":img-alt: {' '.join(alt.split())}", "", caption, "+++", last, ":::"]
        return [*out, "::::"]


class RunTimes(FromChapters):
    """Seconds of every chapter in the last recorded check, and minutes of its other presets."""

    def lines(self, book):
        check, paper, rows = recorded(book)["check"], recorded(book)["presets"]["paper"], []
        for notebook, title, _ in chapters(book):
            minutes = paper["minutes"].get(notebook.stem)
            rows.append([f"[{title}](/book/{notebook.name})", str(check["seconds"].get(notebook.stem, "")),
                         "" if minutes is None else f"{minutes:g}"])
        versions = ", ".join(f"{name} {number}" for name, number in check["versions"].items())
        return [f"`ci`: {check['date']}, {check['machine']}, a thread for each chapter; {versions}.",
                f"`paper`: {paper['machine']}.", "",
                *table("times", "60 20 20", ["Chapter", "`ci`, seconds", "`paper`, minutes"], rows)]


class NotReproduced(FromChapters):
    """The items that do not hold, or could not be decided, what was measured, and why in one sentence."""

    def lines(self, book):
        rows = [[f"[{item.name}](/book/{item.chapter}.ipynb) <br>{verdict.badge()}", verdict.measured(), item.why]
                for item, verdict in claims.ledger(book) if verdict and item.why]
        return table("reasons", "24 38 38", ["Item", "What was measured", "Why"], rows)


def recorded(book):
    return json.loads((book / "checked.json").read_text(encoding="utf-8"))


def chapters(book):
    """Path, title and cells of every chapter, in order."""
    for notebook in sorted(book.glob("*.ipynb")):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        yield notebook, "".join(cells[0]["source"]).splitlines()[0].removeprefix("# "), cells


def figures(cells):
    """(PNG in base64, alternative text, caption) of every figure and of a slider's first picture, in the order of the cells."""
    for cell in cells:
        about = cell["metadata"].get("mystnb", {})
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                yield "".join(data["image/png"]), about["image"]["alt"], about["figure"]["caption"]
            yield from SLIDER.findall("".join(data.get("text/html", "")))


def setup(app):
    for name, directive in (("figure-gallery", FigureGallery), ("run-times", RunTimes), ("not-reproduced", NotReproduced)):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "version": "1"}
