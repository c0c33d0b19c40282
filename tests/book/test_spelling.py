"""Common misspellings in the chapters' prose and comments, the pages, the package and its tests."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = "Theis,Ue,loner"  # an author, a formula, and a cluster of one


def misspelled(*paths) -> str:
    command = [sys.executable, "-m", "codespell_lib", "--skip", "*/runs/*.json", "--builtin", "clear,rare,usage", "--ignore-words-list", NAMES, *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout


def test_no_common_misspelling(tmp_path):
    for notebook in (ROOT / "book").glob("*.ipynb"):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        (tmp_path / f"{notebook.stem}.md").write_text("\n".join("".join(cell["source"]) for cell in cells), encoding="utf-8")
    pages = [*(ROOT / "book").glob("*.md"), *ROOT.glob("*.md")]
    assert misspelled(tmp_path, *pages, "diffnotes", "tools", "tests", "benchmarks") == ""


def test_a_misspelling_is_found(tmp_path):
    (tmp_path / "page.md").write_text("The " + "wei" + "ght is " + "recie" + "ved.", encoding="utf-8")
    assert "received" in misspelled(tmp_path)
