"""The directives ``figure-gallery``, ``run-times``, ``not-reproduced``, ``mutants``, ``gpu-runs``, from chapters and records."""

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

from diffnotes.page import claims

SLIDER = re.compile(r'<figure class="slider".*?src="data:image/png;base64,([^"]+)" alt="([^"]*)"'
                    r'.*?<figcaption>(.*?)</figcaption>', re.S)
WIDTH = 360  # pixels of a small picture


class FromChapters(SphinxDirective):
    """A directive whose MyST lines are computed from the book's folder."""

    def run(self):
        book = Path(self.env.srcdir) / "book"
        for source in [*book.glob("*.ipynb"), book / "checked.json", book / "mutants.json"]:
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
        check, presets, rows = recorded(book)["check"], recorded(book)["presets"], []
        for notebook, title, _ in chapters(book):
            here = {claim.id: claim.verdict for claim in claims.stored(notebook)}
            runs = [larger(preset, runs[notebook.stem], here) for preset, runs in presets.items() if notebook.stem in runs]
            record = book.parent / "diffnotes" / "page" / "records" / f"{notebook.stem}.json"
            if record.exists():
                run = json.loads(record.read_text(encoding="utf-8"))
                runs.append(larger("paper", run | {"verdicts": run["verdicts"]["paper preset"]}, here))
            rows.append([f"[{title}](/book/{notebook.name})", str(check["seconds"].get(notebook.stem, "")), " <br>".join(runs)])
        versions = ", ".join(f"{name} {number}" for name, number in check["versions"].items())
        return [f"`ci`: {check['date']}, {check['machine']}, a thread for each chapter; {versions}.", "",
                *table("times", "45 15 40", ["Chapter", "`ci`, seconds", "Larger presets, minutes"], rows)]


class Mutants(FromChapters):
    """How many changes of each module the tests see, and every line whose change they did not see."""

    def lines(self, book):
        record = json.loads((book / "mutants.json").read_text(encoding="utf-8"))
        rows, survivors = [], []
        for name, run in record.items():
            seen = f"{run['killed']} of {run['mutants']} ({run['killed'] / run['mutants']:.0%})"
            rows.append([f"`{name}`", seen, f"{run['date']}, commit {run['commit'][:7]}"])
            changes = [line for before, after in run["survivors"] for line in (f"- {before}", f"+ {after}")]
            survivors += [f"{name}.py", *changes, ""]
        return [*table("mutants", "25 40 35", ["Module", "Changes seen by the tests", "When"], rows), "",
                "::::{dropdown} The changes that no test sees", "```diff", *survivors, "```", "::::"]


class NotReproduced(FromChapters):
    """The items that do not hold, or could not be decided, what was measured, and why in one sentence."""

    def lines(self, book):
        rows = [[f"[{item.name}](/book/{item.chapter}.ipynb) <br>{verdict.badges()}", verdict.measured(), item.why]
                for item, verdict in claims.ledger(book) if verdict and item.why]
        return table("reasons", "24 38 38", ["Item", "What was measured", "Why"], rows)


class GpuRuns(FromChapters):
    """Each part of ``python -m tools.gpu``: what was found, and by which run; or that nobody has run it."""

    def lines(self, book):
        record, rows = recorded(book).get("gpu", {}), []
        for name, (words, text) in GPU_PARTS.items():
            one = record.get(name)
            rows.append([words, text(one["found"]), made_by(one["run"])] if one else [words, "never run", ""])
        return table("gpu", "25 45 30", ["Part", "What was found", "Card and date"], rows)


def gpu_tests(found):
    return "; ".join([f"{found['status']}: {found['passed']} of {found['passed'] + len(found['errors'])}", *found["errors"]])


def gpu_chapters(found):
    same = sum(one["status"] == "the same verdicts" for one in found.values())
    return " <br>".join([f"{same} of {len(found)} with the stored verdicts", *(
        f"{name}: {'; '.join([one['status'], *one['errors']])}" for name, one in found.items()
        if one["errors"] or one["status"] != "the same verdicts")])


def gpu_timings(found):
    return " <br>".join(f"{name}, cell {cell}: {gpu:.1f} s, CPU {cpu:.1f} s"
                        for name, cells in found.items() for cell, (gpu, cpu) in cells.items())


def gpu_mnist(found):
    verdicts = [f"{id}: {verdict}" for id, verdict in found["verdicts"].items()]
    about = [found["status"], f"digits: {found['digits']}", f"{found['seconds'] / 60:.0f} minutes"]
    return "; ".join([*about, *verdicts, *found["errors"]])


# Name in the record: (in words, a function that says what was found)
GPU_PARTS = {"tests": ("Tests that need CUDA", gpu_tests), "chapters": ("Chapters, `ci` preset, verdicts", gpu_chapters),
             "timings": ("Cells of a second or more, beside the CPU", gpu_timings), "mnist": ("MNIST, `gpu` preset", gpu_mnist)}


def made_by(run):
    """Card, versions, date and commit of a run, in words."""
    commit, _, dirty = run["commit"].partition("-")
    return (f"{run['card']}, torch {run['torch']}, driver {run['driver']}; {run['processor']}; {run['date']}, commit {commit[:7]}"
            + (", changed" if dirty else ""))


def larger(preset, run, here):
    """Minutes, verdicts against those of the page, machine and date of one chapter's run in a larger preset, in words."""
    if "verdicts" not in run:
        return f"`{preset}`: {run['minutes']:g}, by hand, November 2026"
    other = [f"{id}: {run['verdicts'].get(id, 'none')}" for id, verdict in here.items() if run["verdicts"].get(id) != verdict]
    verdicts = "other verdicts: " + "; ".join(other) if other else "same verdicts"
    commit, _, dirty = run.get("commit", "").partition("-")
    where = f"{run['machine']}; {run['date']}" + (f", commit {commit[:7]}" if commit else "") + (", changed" if dirty else "")
    return f"`{preset}`: {run['minutes']:g}, {verdicts} ({where})"


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
    for name, directive in (("figure-gallery", FigureGallery), ("run-times", RunTimes), ("not-reproduced", NotReproduced),
                            ("mutants", Mutants), ("gpu-runs", GpuRuns)):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "version": "1"}
