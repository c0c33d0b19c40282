"""Long runs made once, kept with their provenance, and shown beside what a page has just computed.

A chapter calls ``beside`` with its main numbers.  ``python -m tools.record book/NAME.ipynb`` executes it in the authors' full
setting, in double precision and with other seeds, and writes the numbers and verdicts to ``records/NAME.json`` in this folder.
Runs with tools of their own, which no preset of a chapter could hold, are in ``records/runs``; ``long_run`` reads them.
"""

import base64
import io
import json
from dataclasses import dataclass
from importlib import resources

import numpy as np
from PIL import Image

from ..base import checks as check
from .tables import table

MIME = "application/vnd.diffnotes.record+json"


@dataclass(frozen=True)
class Beside:
    """Numbers of this run, by name, with the record where there is one."""

    values: dict[str, str]
    record: dict | None

    def __str__(self):
        width, column = max(map(len, self.values)), max(22, *map(len, self.values.values()))
        kept = self.record["values"] if self.record else {}
        lines = [f"{'':{width}}  {'this run':{column}}" + ("  paper preset" if kept else "")]
        lines += [f"{name:{width}}  {value:{column}}  {kept.get(name, '')}" for name, value in self.values.items()]
        if self.record:
            lines += ["", *provenance(self.record)]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_mimebundle_(self, include=None, exclude=None):
        rows, origin = {name: {"this run": text} for name, text in self.values.items()}, ""
        if self.record:
            kept, origin = self.record["values"], " ".join(line.strip() for line in provenance(self.record))
            rows = {name: row | {"paper preset": kept.get(name, "")} for name, row in rows.items()}
        return {"text/plain": str(self), "text/html": table(rows, origin, corner="setting").html(), MIME: {"values": self.values}}


def provenance(record: dict) -> list[str]:
    """Where a record comes from, in words, and whether its verdicts are those of the ``ci`` preset."""
    lines = [f"recorded {record['date']} in {record['minutes']} min: {record['command']}",
             f"  {record['seeds']} seeds; {record['versions']}; {record['machine']}", f"  commit {record['commit']}"]
    here = record["verdicts"]["ci"]
    for variant, verdicts in record["verdicts"].items():
        if variant != "ci":
            other = [f"{id} {verdicts.get(id)}" for id in here if verdicts.get(id) != here[id]]
            lines.append(f"  verdicts, {variant}: {'; '.join(other) if other else 'the same as in ci'}")
    return lines


def beside(chapter: str, values: dict[str, str]) -> None:
    """Show ``values`` (name to rounded text) beside those recorded for a chapter, with the record's provenance.

    Without a record of that name only this run's are shown.
    """
    if not values or not all(isinstance(text, str) for pair in values.items() for text in pair):
        check.fail("values", repr(values), "at least one name with a text")
    result = Beside(dict(values), load(chapter))
    try:
        from IPython.display import display
    except ImportError:  # a plain Python session
        print(result)
    else:
        display(result)


def load(chapter: str) -> dict | None:
    """The record of a chapter, or None."""
    path = resources.files(__package__).joinpath("records", f"{chapter}.json")
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def long_run(name: str) -> dict:
    """A run that was made once and kept with its pictures, such as "digits" of ``python -m tools.digits``.

    Each of its pictures has, beside the PNG in base64, its grey levels 0, ..., 255 under "grey", uint8 [height, width].
    """
    path = resources.files(__package__).joinpath("records", "runs", f"{name}.json")
    if not path.is_file():
        check.fail("name", repr(name), "a run in the package's folder page/records/runs")
    run = json.loads(path.read_text(encoding="utf-8"))
    for row in run["pictures"]:
        row["grey"] = grey(row["png"])
    return run


def grey(png: str) -> np.ndarray:
    """A PNG in base64 as grey levels, uint8 [height, width]."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("L"))
