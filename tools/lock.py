"""The hashes of what the book is built with: ``python -m tools.lock`` writes ``requirements.lock`` from ``requirements.txt``.

pip itself says which files it would take on this system; ``pip install --no-deps --require-hashes -r requirements.lock`` then
takes these and no others.  Torch stays out: its builds, for the CPU and each kind of GPU, are different files of one version.
"""

import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.build import ROOT

LEFT = {"torch"}


def pins(text: str) -> dict[str, str]:
    """Version by package, of the lines name==version."""
    return dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", text))


def text(report: dict, system: str) -> str:
    """The lock, from what pip reports that it would install."""
    lines = [f"# Made by python -m tools.lock on {system}, from requirements.txt without torch; elsewhere make it again."]
    for found in sorted(report["install"], key=lambda found: found["metadata"]["name"].lower()):
        about, kept = found["metadata"], found["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{about['name']}=={about['version']} --hash=sha256:{kept}")
    return "\n".join(lines) + "\n"


def lock(root: Path = ROOT) -> Path:
    """Ask pip and write the lock."""
    wanted = pins((root / "requirements.txt").read_text(encoding="utf-8"))
    asked = [f"{name}=={version}" for name, version in wanted.items() if name not in LEFT]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", report]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *asked], check=True)
        system = f"{platform.system()} {platform.machine()} with Python {sys.version_info[0]}.{sys.version_info[1]}"
        (root / "requirements.lock").write_text(text(json.loads(report.read_text(encoding="utf-8")), system), encoding="utf-8")
    return root / "requirements.lock"


if __name__ == "__main__":
    print(lock())
