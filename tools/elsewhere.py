"""Run every chapter in another environment, alone in an empty folder, and compare its verdicts with the stored ones.

``python -m tools.elsewhere colab`` (or ``lowest``, ``newest``, ``here`` for the running one with its ``diffnotes``, ``inside``
for the running one without, such as Colab's own image), then chapters, or none for all.  Pictures and digits may differ between
versions; verdicts may not.  But for ``here`` the first chapter finds no ``diffnotes`` and installs it by its own set-up cell,
from the last commit of this checkout; the others use that.  ``colab.toml`` has the versions for ``colab``, with date and source.
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

from diffnotes.page.claims import verdicts
from tools import address
from tools.build import ROOT, out
from tools.checkout import clone
from tools.setting import ci

COLAB = ROOT / "tools" / "colab.toml"
RUNNER = ["nbclient", "nbformat", "ipykernel"]
EXECUTE = """
import nbclient, nbformat, sys
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[1])
"""


def requirements(name: str) -> list[str]:
    """What to install for an environment, diffnotes left out."""
    if name == "colab":
        versions = tomllib.loads(COLAB.read_text(encoding="utf-8"))["versions"]
        return [f"{package}=={version}" for package, version in versions.items()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = project["dependencies"] + project["optional-dependencies"]["images"]
    if name == "lowest":
        return [bound.replace(">=", "==") for bound in bounds]
    if name == "newest":
        return [bound.partition(">=")[0] for bound in bounds]
    raise ValueError(f"environment: got {name!r}; allowed: colab, lowest, newest, here, inside")


def environment(name: str) -> Path:
    """The interpreter of an environment in ``_build/elsewhere``, made or brought up to date, without diffnotes."""
    if name in ("here", "inside"):
        return Path(sys.executable)
    folder = out() / "elsewhere" / name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "-U", *RUNNER, *requirements(name)], check=True)
    subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "diffnotes"], check=True)
    return python


def repository(folder: Path) -> str:
    """The address of a copy of this checkout, with its version's tag."""
    copy = clone(folder / "repository", "--bare")
    subprocess.run(["git", "-C", copy, "tag", "-f", f"v{address.version(ROOT)}"], check=True, capture_output=True)
    return copy.as_uri()


def run(python: Path, chapter: Path, folder: Path, repository: str = "") -> tuple[dict, float]:
    """Verdicts by id, and seconds, of one chapter executed alone in an empty ``folder``; it installs from ``repository``."""
    copy = Path(shutil.copy(chapter, folder))
    if repository:
        text = address.notebook(copy.read_text(encoding="utf-8"), address.new(ROOT, repository))
        copy.write_text(text, encoding="utf-8")
    variables = os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    variables.pop("PYTHONPATH", None)
    ci(variables)
    begin = time.perf_counter()
    subprocess.run([python, "-c", EXECUTE, copy.name], cwd=folder, env=variables, check=True, capture_output=True, text=True)
    return verdicts(copy), time.perf_counter() - begin


def main(name: str, chapters: list[Path]) -> int:
    different = 0
    with tempfile.TemporaryDirectory() as place:
        source = "" if name == "here" else repository(Path(place))
        python = environment(name)
        for chapter in chapters or sorted((ROOT / "book").glob("*.ipynb")):
            folder = Path(place) / chapter.stem
            folder.mkdir()
            expected = verdicts(chapter)
            try:
                found, seconds = run(python, chapter, folder, source)
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
