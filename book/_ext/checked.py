"""The directives ``run-times``, ``mutants`` and ``gpu-runs``, from chapters and records."""

import json
from pathlib import Path

from claim_ledger import table
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from diffnotes.page import claims


class FromChapters(SphinxDirective):
    """A directive whose MyST lines are computed from the book's folder."""

    def run(self):
        book = Path(self.env.srcdir) / "book"
        for source in [*book.glob("*.ipynb"), book / "checked.json", book / "mutants.json"]:
            self.env.note_dependency(str(source))
        container = nodes.container()
        self.state.nested_parse(StringList(self.lines(book), self.name), self.content_offset, container)
        return container.children


class RunTimes(FromChapters):
    """Seconds of every chapter in the last recorded check, and minutes of its other presets."""

    def lines(self, book):
        check, presets, rows = recorded(book)["check"], recorded(book)["presets"], []
        for notebook in sorted(book.glob("*.ipynb")):
            here = {claim.id: claim.verdict for claim in claims.stored(notebook)}
            runs = [larger(preset, runs[notebook.stem], here) for preset, runs in presets.items() if notebook.stem in runs]
            record = book.parent / "diffnotes" / "page" / "records" / f"{notebook.stem}.json"
            if record.exists():
                run = json.loads(record.read_text(encoding="utf-8"))
                runs.append(larger("paper", run | {"verdicts": run["verdicts"]["paper preset"]}, here))
            rows.append([f"[](/book/{notebook.name})", str(check["seconds"].get(notebook.stem, "")), " <br>".join(runs)])
        versions = ", ".join(f"{name} {number}" for name, number in check["versions"].items())
        failed = ", ".join(check["failed"]) or "none"
        return [f"The last recorded check is of {check['date']}, on {check['machine']}, one thread a chapter, with {versions}. "
                f"Chapters that failed: {failed}.", "",
                *table("times", "45 15 40", ["Chapter", "`ci`, seconds", "Larger presets, minutes"], rows)]


class Mutants(FromChapters):
    """How many changes the tests see, by module, and every line whose change they did not see."""

    def lines(self, book):
        record = json.loads((book / "mutants.json").read_text(encoding="utf-8"))
        rows, survivors = [], []
        for name, run in record.items():
            seen = f"{run['killed']} of {run['mutants']} ({run['killed'] / run['mutants']:.0%})"
            rows.append([f"`{name}`", seen, f"{run['date']}, commit {run['commit'][:7]}"])
            changes = [line for before, after in run["survivors"] for line in (f"- {before}", f"+ {after}")]
            survivors += [f"{name}.py", *changes, ""]
        killed, mutants = (sum(run[kind] for run in record.values()) for kind in ("killed", "mutants"))
        modules = table("mutants", "25 40 35", ["Module", "Changes seen", "When"], rows)
        return [f"The tests see {killed:,} of {mutants:,} changes ({killed / mutants:.0%}).", "",
                "::::{dropdown} Module by module", *modules, "::::", "",
                "::::{dropdown} The changes that no test sees", "```diff", *survivors, "```", "::::"]


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
    """Minutes, verdicts against those of the page, date and commit of one chapter's run in a larger preset, in words."""
    if "verdicts" not in run:
        return f"`{preset}`: {run['minutes']:g}, by hand, November 2026"
    other = [f"{id}: {run['verdicts'].get(id, 'none')}" for id, verdict in here.items() if run["verdicts"].get(id) != verdict]
    verdicts = "other verdicts: " + "; ".join(other) if other else "same verdicts"
    commit, _, dirty = run.get("commit", "").partition("-")
    when = run["date"] + (f", commit {commit[:7]}" if commit else "") + (", changed" if dirty else "")
    return f"`{preset}`: {run['minutes']:g}, {verdicts} ({when})"


def recorded(book):
    return json.loads((book / "checked.json").read_text(encoding="utf-8"))


def setup(app):
    for name, directive in (("run-times", RunTimes), ("mutants", Mutants), ("gpu-runs", GpuRuns)):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "version": "1"}
