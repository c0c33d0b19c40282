"""Build the HTML book with warnings as errors, and print the page to open: ``python -m tools.build``.

Pages that did not change are kept, unless the table of contents or the settings did.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build() -> Path:
    """Run Jupyter Book; returns the first page, or exits with its status."""
    first = ROOT / "_build" / "html" / "index.html"
    if not first.exists() or any((ROOT / name).stat().st_mtime > first.stat().st_mtime for name in ("_toc.yml", "_config.yml")):
        shutil.rmtree(first.parent, ignore_errors=True)  # no page is left that the contents do not name
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]  # it has no __main__
    command = [*jupyter_book, "build", str(ROOT), "-W", "-n", "--keep-going", "-q"]
    status = subprocess.run(command, check=False).returncode
    if status:
        for folder in ("html", ".doctrees"):  # the next build begins anew, and warns again
            shutil.rmtree(ROOT / "_build" / folder, ignore_errors=True)
        sys.exit(status)
    return first


if __name__ == "__main__":
    print(f"The book is ready.  Open {build()}")
