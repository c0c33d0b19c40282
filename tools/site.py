"""Every published version as one site: ``python -m tools.site FOLDER ZIP...``, with the zips of all releases.

The newest lies at the top, every version under its tag; ``versions.json`` beside each tells its pages what else there is.
Zips are compared with the SHA256SUMS beside them.  Where the host's room is not enough, the oldest stay away.
"""

import json
import re
import sys
from pathlib import Path
from zipfile import ZipFile

from tools.sums import SUMS, matches

ROOM = 950_000_000  # bytes; GitHub's pages take 1 GB


def number(file: Path) -> tuple[int, ...]:
    """The version in a zip's name; the end in one line if there is none."""
    found = re.fullmatch(r"diffnotes-(\d+(?:\.\d+)*)\.zip", file.name)
    return tuple(map(int, found[1].split("."))) if found else sys.exit(f"{file} is not named diffnotes-VERSION.zip")


def unpack(file: Path, into: Path) -> None:
    """The pages in a zip, without the folder that they are in."""
    with ZipFile(file) as packed:
        for inside in packed.infolist():
            inside.filename = inside.filename.partition("/")[2]
            if inside.filename:
                packed.extract(inside, into)  # which keeps to the folder


def fitting(files: list[Path], room: int) -> list[Path]:
    """The newest zips, newest first, whose pages have room; the first of them is unpacked twice."""
    kept: list[Path] = []
    for file in sorted(files, key=number, reverse=True):
        with ZipFile(file) as packed:
            room -= sum(inside.file_size for inside in packed.infolist()) * (1 if kept else 2)
        if kept and room < 0:
            break
        kept.append(file)
    return kept


def lay(files: list[Path], site: Path, room: int = ROOM) -> list[str]:
    """Unpack the versions into an empty folder; their tags, newest first."""
    for file in files:
        if not matches(file):
            sys.exit(f"{file} is not what {SUMS} beside it says")
    kept = {f"v{'.'.join(map(str, number(file)))}": file for file in fitting(files, room)}
    newest, *older = kept
    for tag, place in [(newest, site), *((tag, site / tag) for tag in kept)]:
        unpack(kept[tag], place)
        up = "" if place == site else "../"
        at = {newest: up or "./"} | {other: f"{up}{other}/" for other in older}
        (place / "versions.json").write_text(json.dumps({"here": tag, "at": at}) + "\n", encoding="utf-8")
    return list(kept)


if __name__ == "__main__":
    print("versions:", *lay([Path(name) for name in sys.argv[2:]], Path(sys.argv[1])))
