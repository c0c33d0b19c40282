"""Execute a chapter's code cells in this process, without Jupyter: ``python -m tools.plain NOTEBOOK RESULT``.

It needs no more than the package does.  RESULT, a JSON file written after every cell, gets the seconds of each cell, the
verdicts, and where a cell failed; the cells after it run all the same.  With ``--keep FOLDER`` trainings and clusters stay
there, and a second run takes them from there; RESULT then has what was printed, too.  ``--sample``: 5,000 digits stand for all.
"""

import argparse
import contextlib
import io
import json
import linecache
import re
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from unittest import mock

import torch

import diffnotes as dn
from tools.files import write


class Kept:
    """Results of a chapter's long calls, a file for each, found again by the cell and by which call of the cell it was."""

    def __init__(self, folder: Path):
        self.folder, self.cell, self.calls = folder, 0, Counter()
        self.made = {"train": dn.train, "kmeans": dn.kmeans}
        folder.mkdir(parents=True, exist_ok=True)

    def kmeans(self, *args, **kwargs):
        """``dn.kmeans``, kept."""
        return self._kept("kmeans", lambda: self.made["kmeans"](*args, **kwargs))

    def train(self, *args, **kwargs):
        """``dn.train`` for a loop that reads every loss, and of the networks only the last average: nothing else is kept."""
        def whole():
            losses = []
            for point in self.made["train"](*args, **kwargs):
                losses.append(point.loss)
            return torch.stack(losses), point.average

        losses, average = self._kept("train", whole)
        for epoch, loss in enumerate(losses, 1):
            yield dn.Checkpoint(epoch, None, average if epoch == len(losses) else None, loss)

    def _kept(self, what, make):
        self.calls[self.cell, what] += 1
        path = self.folder / f"{what}-{self.cell}-{self.calls[self.cell, what]}.pt"
        if not path.exists():
            begin, temporary = time.perf_counter(), path.with_suffix(".tmp")
            torch.save(make(), temporary)
            temporary.replace(path)
            print(f"  {path.stem}: {time.perf_counter() - begin:.0f} s", file=sys.__stdout__, flush=True)
        return torch.load(path, weights_only=False)  # a file of our own


def execute(notebook: Path, result: Path, keep: Path | None = None, sample: bool = False) -> dict:
    """Run the cells one after the other; returns what RESULT holds in the end."""
    found = {"threads": torch.get_num_threads(), "cells": {}, "verdicts": {}, "errors": []}
    device, claim, mnist, kept = dn.device(), dn.claim, dn.mnist, Kept(keep) if keep else None

    def collecting(id, verdict, **rest):
        claim(id, verdict, **rest)
        found["verdicts"][id] = verdict

    replaced = {"claim": collecting} | ({"train": kept.train, "kmeans": kept.kmeans} if kept else {})
    replaced |= {"mnist": lambda source="sample": mnist("sample")} if sample else {}
    torch.ones(64, 64, device=device).mm(torch.ones(64, 64, device=device)).sum().item()  # a GPU's start is no cell's time
    namespace = {"__name__": "__main__"}
    with mock.patch.multiple(dn, **replaced):
        for number, source in code(notebook):
            if kept:
                kept.cell = number
            begin = time.perf_counter()
            error, text = run(source, f"<{notebook.stem}, cell {number}>", namespace, device)
            found["cells"][str(number)] = round(time.perf_counter() - begin, 2)
            found["errors"] += [f"cell {number}: {error}"] if error else []
            if kept:
                found.setdefault("printed", {})[str(number)] = text
            write(result, json.dumps(found))
    return found


def code(notebook: Path):
    """Number in the notebook and source of every code cell; the line that installs the package in Colab is left out."""
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            yield number, re.sub(r"(?m)^( *)%pip .*$", r"\1pass", "".join(cell["source"]))


def run(source: str, name: str, namespace: dict, device: torch.device) -> tuple[str, str]:
    """Execute one cell to its end on the device: the last line of its traceback, if it failed, and what it printed."""
    linecache.cache[name] = len(source), None, source.splitlines(True), name  # for tracebacks
    error, text = "", io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            exec(compile(source, name, "exec"), namespace)
            if device.type == "cuda":
                torch.cuda.synchronize()
        except Exception:
            error = traceback.format_exc().strip().splitlines()[-1]
    return error, text.getvalue()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tools.plain", description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--sample", action="store_true")
    execute(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    main(sys.argv[1:])
