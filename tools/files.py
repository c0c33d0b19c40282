"""Writing files so that nobody ever finds half of one."""

import json
import os
from pathlib import Path


def write(path: Path, text: str) -> Path:
    """Put a text into a file in one rename; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    return temporary.replace(path)


def change(path: Path, how, otherwise=None) -> None:
    """Let ``how`` change what a JSON file holds (or ``otherwise``, where there is none), and write it."""
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else otherwise
    how(record)
    write(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
