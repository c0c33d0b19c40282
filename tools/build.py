"""Build the HTML book with warnings as errors, and print the page to open: ``python -m tools.build``."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build() -> Path:
    """Run Jupyter Book; returns the first page, or exits with its status."""
    # Sphinx writes changed pages only, and then a site map of only these; what it has read it keeps.
    shutil.rmtree(ROOT / "_build" / "html", ignore_errors=True)
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]  # it has no __main__
    command = [*jupyter_book, "build", str(ROOT), "-W", "-n", "--keep-going", "-q"]
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(status)
    return ROOT / "_build" / "html" / "index.html"


if __name__ == "__main__":
    print(f"The book is ready.  Open {build()}")
