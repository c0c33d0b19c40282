"""The manifest for an independent check, as CODECHECK has it: ``python -m tools.codecheck`` writes ``codecheck.yml``.

Every verdict of the ledger with its notebook, the command that makes it again and the value; then the recorded long runs.
"""

import json
from pathlib import Path

import yaml

import diffnotes as dn
from tools import files
from tools.address import present
from tools.build import ROOT

HEAD = "# Made by python -m tools.codecheck.  Who checks adds codechecker, summary, check_time and certificate.\n"
CHECK = "python -m pytest --nbval --nbval-current-env book/{}.ipynb"


def manifest(root: Path = ROOT) -> list[dict]:
    """One entry a verdict and one a record: the file, what it shows, the command and the value."""
    found = [dict(file=f"book/{item.chapter}.ipynb", comment=f"{item.name}: {verdict.verdict}", claim=item.id,
                  command=CHECK.format(item.chapter), value=verdict.measured())
             for item, verdict in dn.ledger(root / "book") if verdict]
    for path in sorted((root / "diffnotes" / "page" / "records").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        verdicts = "; ".join(f"{id} {verdict}" for id, verdict in record["verdicts"]["paper preset"].items())
        found.append(dict(file=str(path.relative_to(root).as_posix()), comment=f"the paper preset, {record['minutes']} minutes",
                          command=record["command"], value=verdicts or "no verdict"))
    return found


def text(root: Path = ROOT) -> str:
    """The whole file."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    paper = citation["references"][0]
    about = dict(
        version="https://codecheck.org.uk/spec/config/1.0/", repository=present(root).repository,
        paper=dict(title=paper["title"], reference="https://arxiv.org/abs/" + paper["identifiers"][0]["value"].partition(":")[2],
                   authors=[dict(name=f"{author['given-names']} {author['family-names']}") for author in paper["authors"]]),
        manifest=manifest(root))
    return HEAD + yaml.safe_dump(about, sort_keys=False, allow_unicode=True, width=130)


def write(root: Path = ROOT) -> Path:
    return files.write(root / "codecheck.yml", text(root))


if __name__ == "__main__":
    print(write())
