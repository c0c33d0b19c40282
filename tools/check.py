"""Everything that must hold: ``python -m tools.check``.

Builds the book, lints, runs the unit, book and browser tests, and executes every chapter through nbval with figures
compared as pictures.  One worker for each core, one thread for each worker.
"""

import os
import subprocess
import sys

from tools.build import ROOT, build


def main() -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    build()
    python = [sys.executable, "-m"]
    commands = [
        [*python, "ruff", "check", "."],
        # Chapters first: they take longest.
        [*python, "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=300", "-n", "2", "--dist", "loadfile",
         "-q", "book", "tests"],
    ]
    return max(subprocess.run(command, cwd=ROOT, check=False).returncode for command in commands)


if __name__ == "__main__":
    sys.exit(main())
