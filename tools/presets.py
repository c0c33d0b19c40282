"""Run chapters in a larger preset and keep how long they take, and their verdicts: ``python -m tools.presets paper``.

After the preset come the notebooks, or none for all.  The result goes to ``book/checked.json``, from which the page *What was
checked* takes it; the chapters do not change.
"""

import datetime
import os
import sys
import tempfile
import time
from pathlib import Path

from tools.build import ROOT
from tools.check import keep
from tools.record import commit, execute, verdicts_of
from tools.timing import machine


def measure(preset: str, notebook: Path) -> dict:
    """One execution of a copy of the notebook: minutes, verdicts by id, and where it was."""
    with tempfile.TemporaryDirectory() as folder:
        copy, made_from, begin = Path(folder) / notebook.name, commit(), time.perf_counter()
        execute(notebook, copy, {"DIFFNOTES_PRESET": preset})
        minutes = round((time.perf_counter() - begin) / 60, 1)
        return dict(minutes=minutes, date=datetime.date.today().isoformat(), commit=made_from, machine=machine(),
                    threads=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())), verdicts=verdicts_of(copy))


def main(preset: str, notebooks: list[Path]) -> None:
    if preset not in ("paper", "gpu"):
        raise SystemExit(f"preset: got {preset!r}; allowed: paper, gpu")
    for notebook in notebooks or sorted((ROOT / "book").glob("*.ipynb")):
        found = measure(preset, notebook)
        keep(lambda record, found=found, name=notebook.stem: record["presets"].setdefault(preset, {}).update({name: found}))
        print(f"{preset} {notebook.stem}: {found['minutes']} minutes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], [Path(path).resolve() for path in sys.argv[2:]])
