"""Everything that must hold: ``python -m tools.check``.

Builds the book, lints, runs the unit, book and browser tests, and executes every chapter through nbval with figures
compared as pictures.  Two workers, one thread for each.  With ``--record`` the run times and the date go into
``book/checked.json``, from which the book's page *What was checked* is made.
"""

import json
import os
import subprocess
import sys

from tools.build import ROOT, build
from tools.files import change
from tools.timing import OUT

CHECKED = ROOT / "book" / "checked.json"


def main() -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    build()
    python = [sys.executable, "-m"]
    # The longest first, so that neither worker is left alone with one; xdist would begin with the files of most tests.
    seconds = json.loads(CHECKED.read_text(encoding="utf-8"))["check"]["seconds"]
    chapters = sorted((ROOT / "book").glob("*.ipynb"), key=lambda path: -seconds.get(path.stem, 0))
    commands = [
        [*python, "ruff", "check", "."],
        [*python, "mypy"],
        [*python, "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=300", "-n", "2", "--dist", "loadfile",
         "--no-loadscope-reorder", "-q", *(str(path.relative_to(ROOT)) for path in chapters), "tests"],
    ]
    status = max(subprocess.run(command, cwd=ROOT, check=False).returncode for command in commands)
    if "--record" in sys.argv[1:]:
        times = json.loads((ROOT / OUT).read_text(encoding="utf-8"))
        change(CHECKED, lambda record: record.update(check=times))
    return status


if __name__ == "__main__":
    sys.exit(main())
