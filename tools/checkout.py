"""What git knows of this checkout.  The project also comes as a zip, of which git knows nothing."""

import subprocess
import sys
from pathlib import Path

from tools.build import ROOT

NEEDED = "this works on the last commit: it needs git, and a clone of the repository"


def commit() -> str:
    """The commit of this checkout, marked if there are changes on top of it; ``unknown`` without git, and in a zip."""
    # Without the first condition git would answer for a repository in which the zip was unpacked.
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = (ROOT / ".git").exists() and subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        found = ""
    return found or "unknown"


def clone(folder: Path, *options: str) -> Path:
    """A copy of the last commit in ``folder``; without one, the end in one line."""
    if commit() == "unknown":
        sys.exit(NEEDED)
    subprocess.run(["git", "clone", "-q", *options, ROOT, folder], check=True)
    return folder
