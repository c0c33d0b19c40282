"""Build the HTML book with warnings as errors, and print the page to open: ``python -m tools.build``.

Pages that did not change are kept, unless something that they share did: contents, settings, styles, extensions, the package.
They go into ``_build``, in the project or in the folder that DIFFNOTES_BUILD names, where the project cannot be written.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def out(root: Path = ROOT) -> Path:
    """Where everything goes that is made and not kept."""
    return Path(os.environ.get("DIFFNOTES_BUILD") or root).resolve() / "_build"


@contextlib.contextmanager
def alone(folder: Path):
    """One build at a time in a folder; another one waits.  One line where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = (folder / ".lock").open("w")
    except OSError as error:
        sys.exit(f"{folder} cannot be written ({error.strerror}): set DIFFNOTES_BUILD to a folder that can")
    with held:
        with contextlib.suppress(ImportError):  # Windows
            import fcntl
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def anew() -> None:
    """Forget the last build: all pages are read and written again, and warn again."""
    for folder in ("html", ".doctrees"):
        shutil.rmtree(out() / folder, ignore_errors=True)


def build() -> Path:
    """Run Jupyter Book; returns the first page, or exits with its status."""
    with alone(out()):
        first = out() / "html" / "index.html"
        shared = [ROOT / "_toc.yml", ROOT / "_config.yml"]
        for folder in ("book/_static", "book/_ext", "book/_templates", "diffnotes"):
            shared += [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        if not first.exists() or any(path.stat().st_mtime > first.stat().st_mtime for path in shared):
            anew()  # Sphinx looks at pages only
        jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]  # it has no __main__
        command = [*jupyter_book, "build", str(ROOT), "--path-output", str(out().parent), "-W", "-n", "--keep-going", "-q"]
        status = subprocess.run(command, check=False).returncode
        if status:
            anew()
            sys.exit(status)
        return first


if __name__ == "__main__":
    print(f"The book is ready.  Open {build()}")
