"""Texts and JSON in files that nobody ever finds half of."""

import json
from pathlib import Path

from diffnotes.base import files


def write(path: Path, text: str) -> Path:
    """Put a text into a file in one rename; the folder is made."""
    return files.write(path, text.encode())


def change(path: Path, how, otherwise=None) -> None:
    """Let ``how`` change what a JSON file holds (or ``otherwise``, where there is none), and write it."""
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else otherwise
    how(record)
    write(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
