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


def store(path: Path) -> float:
    """Execute one notebook in its folder and rewrite it, in one rename; returns the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    begin = time.perf_counter()
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    seconds = time.perf_counter() - begin
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # time stamps
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    write(path, nbformat.writes(notebook) + "\n")
    return seconds


def joined(outputs: list) -> list:
    """The outputs with neighbouring pieces of one stream as one: how a kernel cuts its stream up is chance."""
    result = []
    for output in outputs:
        if result and output.output_type == "stream" and result[-1].get("name") == output.name:
            result[-1].text += output.text
        else:
            result.append(output)
    return result


if __name__ == "__main__":
    ci(os.environ)
    for name in sys.argv[1:]:
        print(f"{name}: {store(Path(name)):.0f} s", flush=True)
    address.put(ROOT, address.present(ROOT))  # the README has the chapters' titles
    codecheck.write()
    hero.write()
