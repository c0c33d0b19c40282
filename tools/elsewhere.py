"""Run every chapter in another environment, alone in an empty folder, and compare its verdicts with the stored ones.

``python -m tools.elsewhere colab`` (or ``lowest``, ``newest``, or ``here`` for the running one), then chapters, or none for all.
Pictures and digits may differ between versions; verdicts may not.  The first chapter finds no ``diffnotes`` and
installs it by its own set-up cell, from the last commit of this checkout in the place of the repository; the others use that.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path

import yaml

import diffnotes
from diffnotes.page.claims import stored
from tools.build import ROOT
from tools.checkout import clone
from tools.setting import ci

RUNNER = ["nbclient", "nbformat", "ipykernel"]
EXECUTE = """
import nbclient, nbformat, sys
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[1])
"""


def requirements(name: str) -> list[str]:
    """What to install for an environment, diffnotes left out."""
    if name == "colab":  # its versions in November 2026; torch is the build that these chapters are stored with
        return ["numpy==2.1.3", "matplotlib==3.10.0", "scipy==1.16.3", "scikit-learn==1.6.1", "torch==2.13.0", "tqdm", "mlxtend"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = project["dependencies"] + project["optional-dependencies"]["images"]
    if name == "lowest":
        return [bound.replace(">=", "==") for bound in bounds]
    if name == "newest":
        return [bound.partition(">=")[0] for bound in bounds]
    raise ValueError(f"environment: got {name!r}; allowed: colab, lowest, newest, here")


def environment(name: str) -> Path:
    """The interpreter of an environment in ``_build/elsewhere``, made or brought up to date, without diffnotes."""
    if name == "here":
        return Path(sys.executable)
    folder = ROOT / "_build" / "elsewhere" / name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "-U", *RUNNER, *requirements(name)], check=True)
    subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "diffnotes"], check=True)
    return python


def repository(folder: Path) -> dict:
    """Variables under which git takes a copy of this checkout, with its version's tag, for the project's address."""
    copy = clone(folder / "repository", "--bare")
    subprocess.run(["git", "-C", copy, "tag", "-f", f"v{diffnotes.__version__}"], check=True, capture_output=True)
    address = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{copy}.insteadOf", "GIT_CONFIG_VALUE_0": address}


def run(python: Path, chapter: Path, folder: Path, extra: dict) -> tuple[dict, float]:
    """Verdicts by id, and seconds, of one chapter executed alone in ``folder``, which must be empty."""
    copy = Path(shutil.copy(chapter, folder))
    variables = os.environ | extra | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    variables.pop("PYTHONPATH", None)
    ci(variables)
    begin = time.perf_counter()
    subprocess.run([python, "-c", EXECUTE, copy.name], cwd=folder, env=variables, check=True, capture_output=True, text=True)
    return {claim.id: claim.verdict for claim in stored(copy)}, time.perf_counter() - begin


def main(name: str, chapters: list[Path]) -> int:
    different = 0
    with tempfile.TemporaryDirectory() as place:
        extra = {} if name == "here" else repository(Path(place))
        python = environment(name)
        for chapter in chapters or sorted((ROOT / "book").glob("*.ipynb")):
            folder = Path(place) / chapter.stem
            folder.mkdir()
            expected = {claim.id: claim.verdict for claim in stored(chapter)}
            try:
                found, seconds = run(python, chapter, folder, extra)
            except subprocess.CalledProcessError as error:
                found, seconds = {"": f"it did not run: {error.stderr.strip().splitlines()[-1]}"}, 0.0
            wrong = {id: (expected.get(id), found.get(id)) for id in expected | found if expected.get(id) != found.get(id)}
            print(f"{name} {chapter.stem}: {'the same verdicts' if not wrong else wrong}, {seconds:.0f} s", flush=True)
            different += bool(wrong)
    return different


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], [Path(path).resolve() for path in sys.argv[2:]]) > 0)
