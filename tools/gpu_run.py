"""What the parts of ``tools.gpu`` share: where results lie, when the time is over, and processes with a limit."""

import datetime
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from tools.build import ROOT
from tools.checkout import commit
from tools.files import write
from tools.setting import ci
from tools.timing import machine

STOPPED = "out of time"


@dataclass
class Run:
    """One call of the command: where its results lie, what it may use, and when it ends."""

    folder: Path
    device: str
    jobs: int
    digits: Path
    until: float
    record: dict

    def left(self) -> float:
        """Seconds."""
        return self.until - time.monotonic()

    def open(self, part: str, item: str = "") -> bool:
        """Whether something has not been run to its end yet, and there is time for it."""
        found = self.record["parts"].get(part, {})
        found = found.get(item, {}) if item else found
        return self.left() > 0 and found.get("status", STOPPED) == STOPPED

    def save(self, part: str, found: dict, item: str = "") -> None:
        """Keep one result, and say so in a line."""
        parts = self.record["parts"]
        if item:
            parts.setdefault(part, {})[item] = found
        else:
            parts[part] = found
        write(self.folder / "gpu.json", json.dumps(self.record, indent=1, ensure_ascii=False) + "\n")
        words = "; ".join([found["status"], *found.get("errors", [])])
        print(f"{part} {item}".strip() + f": {words}, {found['seconds']:.0f} s", flush=True)


def here(device: str) -> dict:
    """The machine and the versions that results belong to."""
    found = dict(date=datetime.date.today().isoformat(), commit=commit(), device=device, torch=torch.__version__,
                 processor=machine(), card="none", cuda=torch.version.cuda, driver="unknown")
    if device.startswith("cuda"):
        found["card"] = torch.cuda.get_device_name(device)
        try:
            ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            found["driver"] = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.split()[0]
        except (OSError, subprocess.CalledProcessError, IndexError):
            pass
    return found


def opened(folder: Path, device: str) -> dict:
    """The record in a folder, to go on with, or a new one."""
    path, now = folder / "gpu.json", here(device)
    if not path.exists():
        return now | {"parts": {}}
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in ("commit", "device", "card", "torch"):
        if record[name] != now[name]:
            raise SystemExit(f"--out: got a folder with a run of {name} {record[name]}; allowed: {now[name]}, or another folder")
    return record


def process(command: list, seconds: float, place: Path, stdout=None, **variables: str) -> tuple[str, int, float]:
    """Run Python with a limit of time, in a folder: how it ended, its exit status, and seconds."""
    environment, begin = dict(os.environ), time.monotonic()
    ci(environment)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment |= {"PYTHONPATH": path, "MPLBACKEND": "Agg"} | variables
    try:
        done = subprocess.run([sys.executable, *map(str, command)], cwd=place, env=environment, timeout=seconds, check=False,
                              stdout=stdout, stderr=subprocess.PIPE, text=True)
    except subprocess.TimeoutExpired:
        return STOPPED, -1, round(time.monotonic() - begin, 1)
    last = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    return " ".join(["done", *last]), done.returncode, round(time.monotonic() - begin, 1)
