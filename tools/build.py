"""Build the HTML book with warnings as errors, and print the page to open: ``python -m tools.build``.

Pages that did not change are kept, unless something that they share did: contents, settings, styles, extensions, the package.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def anew() -> None:
    """Forget the last build: all pages are read and written again, and warn again."""
    for folder in ("html", ".doctrees"):
        shutil.rmtree(ROOT / "_build" / folder, ignore_errors=True)


def build() -> Path:
    """Run Jupyter Book; returns the first page, or exits with its status."""
    first = ROOT / "_build" / "html" / "index.html"
    shared = [ROOT / "_toc.yml", ROOT / "_config.yml"]
    for folder in ("book/_static", "book/_ext", "diffnotes"):
        shared += [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    if not first.exists() or any(path.stat().st_mtime > first.stat().st_mtime for path in shared):
        anew()  # Sphinx looks at pages only
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]  # it has no __main__
    command = [*jupyter_book, "build", str(ROOT), "-W", "-n", "--keep-going", "-q"]
    status = subprocess.run(command, check=False).returncode
    if status:
        anew()
        sys.exit(status)
    return first


if __name__ == "__main__":
    print(f"The book is ready.  Open {build()}")
