"""SHA-256 sums beside files, as ``sha256sum`` writes and checks them."""

import hashlib
from pathlib import Path

SUMS = "SHA256SUMS"


def summed(file: Path) -> str:
    """The line for a file."""
    return f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}"


def matches(file: Path) -> bool:
    """Whether the file is what the sums beside it say; where there are none, nothing speaks against it."""
    sums = file.with_name(SUMS)
    return not sums.exists() or summed(file) in sums.read_text(encoding="utf-8").splitlines()
