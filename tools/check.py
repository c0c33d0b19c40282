"""Everything that must hold: ``python -m tools.check``.

Builds the book, lints, runs the unit, book and browser tests, and executes every chapter through nbval with figures
compared as pictures.  Two workers, one thread for each.  With ``--record`` the run times and the date go into
``book/checked.json``, from which the book's page *What was checked* is made.
"""

import json
import os
import subprocess
import sys

from tools.build import ROOT, build, out
from tools.files import change
from tools.timing import OUT

CHECKED = ROOT / "book" / "checked.json"


def run(command: list[str]) -> int:
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def main() -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    python = [sys.executable, "-m"]
    test = [*python, "pytest", "-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    # The longest first, so that neither worker is left alone with one; xdist would begin with the files of most tests.
    seconds = json.loads(CHECKED.read_text(encoding="utf-8"))["check"]["seconds"]
    chapters = sorted((ROOT / "book").glob("*.ipynb"), key=lambda path: -seconds.get(path.stem, 0))
    chapters = [*chapters[4:12], *chapters[:4], *chapters[12:]]  # beside the build go some that may take longer for it
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=300"]
    with subprocess.Popen([*test, *options, *(str(path.relative_to(ROOT)) for path in chapters)], cwd=ROOT) as executed:
        os.nice(10)  # chapters first: none should seem slow because the book is built beside it
        try:  # the tests of pages need the book, the chapters do not
            build()
        except SystemExit:
            executed.terminate()
            raise
        status = [run([*python, "ruff", "check", "."]), run([*python, "mypy"])]
    status += [executed.returncode, run([*test, "tests"])]
    if "--record" in sys.argv[1:]:
        times = json.loads((out() / OUT).read_text(encoding="utf-8"))
        change(CHECKED, lambda record: record.update(check=times))
    return max(map(abs, status))


if __name__ == "__main__":
    sys.exit(main())
