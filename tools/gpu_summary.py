"""What of a run of ``tools.gpu`` goes into ``book/checked.json``, and so on the page *What was checked*."""

import json
from pathlib import Path

from tools.files import change

WHERE = ("date", "commit", "card", "torch", "cuda", "driver", "processor")


def put(folder: Path, checked: Path) -> None:
    """Put every part that was run in the place of what was recorded of it before."""
    run = json.loads((folder / "gpu.json").read_text(encoding="utf-8"))
    if not run["device"].startswith("cuda"):
        raise SystemExit(f"--record: got a run on {run['device']}; allowed: one on CUDA")
    where = {name: run[name] for name in WHERE}
    parts = {name: {"run": where, "found": SUMMARIES[name](found)} for name, found in run["parts"].items()}
    change(checked, lambda record: record.setdefault("gpu", {}).update(parts))


def chapters(found: dict) -> dict:
    """How each chapter ended."""
    return {name: {key: one[key] for key in ("status", "errors", "seconds")} for name, one in found.items()}


def timings(found: dict) -> dict:
    """Seconds on GPU and CPU of the cells that take a second on one of them: {chapter: {cell: [GPU, CPU]}}."""
    result = {}
    for item, one in found.items():
        chapter, _, device = item.partition(" ")
        other = found.get(f"{chapter} cpu", {"cells": {}})["cells"]
        pairs = {cell: [seconds, other[cell]] for cell, seconds in one["cells"].items() if cell in other}
        if device != "cpu":
            result[chapter] = {cell: pair for cell, pair in pairs.items() if max(pair) >= 1}
    return result


def without_text(found: dict) -> dict:
    """All but what was printed and the seconds of cells."""
    return {name: value for name, value in found.items() if name not in ("printed", "cells")}


SUMMARIES = {"tests": without_text, "chapters": chapters, "timings": timings, "mnist": without_text}
