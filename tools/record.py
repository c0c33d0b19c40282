"""Run chapters in the ``paper`` preset and two variants and keep the result: ``python -m tools.record book/NAME.ipynb``.

Each notebook is executed three times, elsewhere and without changing it: in the ``paper`` preset, in the ``ci`` preset with
trainings in double precision, and in the ``ci`` preset with other seeds.  What its ``dn.beside`` call shows in the first, and
the verdicts of all, go to ``diffnotes/page/records/NAME.json`` with the provenance.
"""

import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import torch

from diffnotes.page import claims, quoting, records
from tools.build import ROOT
from tools.checkout import commit
from tools.files import write
from tools.setting import ci

VARIANTS = {
    "paper preset": {"DIFFNOTES_PRESET": "paper"},
    "float64": {"DIFFNOTES_DTYPE": "float64"},
    "seeds from 1000": {"DIFFNOTES_FIRST_SEED": "1000"},
}


def record(notebook: Path) -> Path:
    """Execute the variants of one chapter and write its record in one rename."""
    if "dn.beside(" not in notebook.read_text(encoding="utf-8"):
        sys.exit(f"{notebook}: no dn.beside in it, nothing to record")
    verdicts, minutes, shown, made_from = {"ci": claims.verdicts(notebook)}, 0.0, None, commit()
    with tempfile.TemporaryDirectory() as folder:
        for name, environment in VARIANTS.items():
            copy = Path(folder) / notebook.name
            begin = time.perf_counter()
            execute(notebook, copy, environment)
            verdicts[name] = claims.verdicts(copy)
            if shown is None:
                minutes = (time.perf_counter() - begin) / 60
                shown = next(data[records.MIME] for data in quoting.outputs(copy) if records.MIME in data)
                seeds = max(claim.seeds for claim in claims.stored(copy))
    result = {
        "command": f"python -m tools.record book/{notebook.name}",
        "commit": made_from,
        "date": datetime.date.today().isoformat(),
        "minutes": round(minutes, 1),
        "seeds": seeds,
        "versions": f"torch {torch.__version__.split('+')[0]}, numpy {numpy.__version__}, Python {platform.python_version()}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, cpu",
        "values": shown["values"],
        "verdicts": verdicts,
    }
    target = ROOT / "diffnotes" / "page" / "records" / f"{notebook.stem}.json"
    return write(target, json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def execute(notebook: Path, copy: Path, environment: dict) -> None:
    """Run a copy of the notebook in a process of its own, in the setting of stored chapters but for what ``environment`` says."""
    code = ("import sys, nbformat; from nbclient import NotebookClient; nb = nbformat.read(sys.argv[1], 4); "
            "NotebookClient(nb, timeout=None, kernel_name='python3').execute(); nbformat.write(nb, sys.argv[2])")
    variables = dict(os.environ)
    ci(variables)
    command = [sys.executable, "-c", code, str(notebook), str(copy)]
    subprocess.run(command, check=True, cwd=copy.parent, env=variables | environment)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(record(Path(argument).resolve()), flush=True)
