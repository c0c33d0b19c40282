"""Paths that a user names, and writing files so that nobody ever finds half of one."""

import os
from pathlib import Path
from uuid import uuid4

from . import checks as check


def folder(name: str, value) -> Path:
    """The folder at a path, with ``~`` expanded; ``name`` is the argument's."""
    if not isinstance(value, str | os.PathLike):
        check.fail(name, type(value).__name__, "the path of a folder")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        check.fail(name, f"{str(value)!r} ({error})", "a path that is known on this machine")


def write(path: Path, content: bytes) -> Path:
    """Put bytes into a file in one rename; its folder is made.

    The temporary file's name is random: process ids are the same in containers that share a folder, and in threads.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content)
        return temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
