"""How long each chapter took in a check, and whether it passed, in ``_build/checked.json``.

The root ``conftest.py`` loads this plugin.  ``python -m tools.check --record`` puts it into ``book/checked.json``.
"""

import datetime
import json
import os
import platform
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

from tools.build import out
from tools.files import write

OUT = "checked.json"


class Timing:
    """Sums the durations of the cells of each notebook; with several workers the controlling process hears of all."""

    def __init__(self, root: Path):
        self.root, self.seconds, self.failed = root, defaultdict(float), set()

    def pytest_runtest_logreport(self, report):
        path, _, cell = report.nodeid.partition("::")
        if cell and path.endswith(".ipynb"):
            chapter = Path(path).stem
            self.seconds[chapter] += report.duration
            if report.failed:
                self.failed.add(chapter)

    def pytest_sessionfinish(self):
        if not self.seconds:
            return
        record = dict(date=datetime.date.today().isoformat(), machine=machine(),
                      versions={name: version(name) for name in ("torch", "numpy", "matplotlib")},
                      failed=sorted(self.failed), seconds={name: round(s) for name, s in sorted(self.seconds.items())})
        write(out(self.root) / OUT, json.dumps(record, indent=1) + "\n")


def machine() -> str:
    """The processor in words, and how many of its cores there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores, {name}"


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Timing(config.rootpath))
