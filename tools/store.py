"""Execute chapters and store their outputs: ``python -m tools.store book/*.ipynb``.

The stored outputs are what readers see and what ``make test`` compares with.  Look at every figure before committing.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tools import address, codecheck, hero
from tools.build import ROOT
from tools.files import write
from tools.setting import ci

METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


def store(path: Path) -> float:
    """Execute one notebook in its folder and rewrite it, in one rename; returns the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    begin = time.perf_counter()
    # How a kernel cuts its stream into pieces is chance, and no time stamp is the same twice.
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}},
                   coalesce_streams=True, record_timing=False).execute()
    seconds = time.perf_counter() - begin
    notebook.metadata = METADATA
    write(path, nbformat.writes(notebook) + "\n")
    return seconds


if __name__ == "__main__":
    ci(os.environ)
    for name in sys.argv[1:]:
        print(f"{name}: {store(Path(name)):.0f} s", flush=True)
    address.put(ROOT, address.present(ROOT))  # the README has the chapters' titles
    codecheck.write()
    hero.write()
