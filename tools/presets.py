"""Run chapters in a larger preset and keep how long they take, and their verdicts: ``python -m tools.presets paper``.

After the preset come the notebooks, or none for all that have the preset and no record.  The result goes to
``book/checked.json``, from which the page *What was checked* takes it; the chapters do not change.  The ``gpu`` preset runs
on the device that DIFFNOTES_DEVICE names, or on CUDA.
"""

import datetime
import os
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from diffnotes.page.claims import verdicts
from tools.build import ROOT
from tools.check import CHECKED
from tools.checkout import commit
from tools.files import change
from tools.record import execute
from tools.timing import machine


def measure(preset: str, notebook: Path) -> dict:
    """One execution of a copy of the notebook: minutes, verdicts by id, and where it was."""
    device = os.environ.get("DIFFNOTES_DEVICE", "cuda") if preset == "gpu" else "cpu"
    threads = os.environ.get("OMP_NUM_THREADS", os.cpu_count())
    with tempfile.TemporaryDirectory() as folder:
        copy, begin = Path(folder) / notebook.name, time.perf_counter()
        execute(notebook, copy, {"DIFFNOTES_PRESET": preset, "DIFFNOTES_DEVICE": device})
        minutes = round((time.perf_counter() - begin) / 60, 1)
        return dict(minutes=minutes, date=datetime.date.today().isoformat(),
                    machine=f"{machine()}, {device}, threads: {threads}", verdicts=verdicts(copy))


def knows(notebook: Path, preset: str) -> bool:
    """Whether a chapter's first cell names the preset."""
    return re.search(rf"dn\.start\([^)]*\b{preset}=", notebook.read_text(encoding="utf-8")) is not None


def keep(preset: str, name: str, found: dict, record: dict) -> None:
    """Put what was found for a chapter into the record."""
    record["presets"].setdefault(preset, {})[name] = found


def main(preset: str, notebooks: list[Path]) -> int:
    """How many did not run; the others are kept."""
    if preset not in ("paper", "gpu"):
        raise SystemExit(f"preset: got {preset!r}; allowed: paper, gpu")
    recorded = {path.stem for path in (ROOT / "diffnotes" / "page" / "records").glob("*.json")} if preset == "paper" else set()
    made_from, failed = commit(), 0
    for notebook in notebooks or [path for path in sorted((ROOT / "book").glob("*.ipynb")) if path.stem not in recorded]:
        if not knows(notebook, preset):
            print(f"{notebook.stem} has no preset {preset}")
            continue
        try:
            found = measure(preset, notebook) | {"commit": made_from}
        except subprocess.CalledProcessError:  # has said why
            print(f"{preset} {notebook.stem}: it did not run", flush=True)
            failed += 1
            continue
        change(CHECKED, partial(keep, preset, notebook.stem, found))
        print(f"{preset} {notebook.stem}: {found['minutes']} minutes", flush=True)
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1], [Path(path).resolve() for path in sys.argv[2:]]) > 0)
