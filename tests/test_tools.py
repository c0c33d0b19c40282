"""The template of a chapter runs and obeys the rules; a chapter that is alone in an empty folder gives its verdicts."""

import json
import sys
from pathlib import Path

import pytest
import test_claims_and_chapters as rules

from diffnotes.claims import stored
from tools import elsewhere
from tools.chapter import chapter
from tools.store import store

ROOT = Path(__file__).resolve().parents[1]


def test_a_new_chapter_runs_as_it_is_and_obeys_the_rules(tmp_path):
    path = chapter("61_trial", "A trial", tmp_path)
    store(path)
    for name in (name for name in dir(rules.TestChapter) if name.startswith("test_")):
        getattr(rules.TestChapter(), name)(path)
    for bad in ("trial", "61_Trial", "61_trial"):
        with pytest.raises(ValueError, match=r"^name: got "):
            chapter(bad, "A trial", tmp_path)


def test_a_chapter_alone_in_an_empty_folder_gives_its_verdicts(tmp_path):
    source = ROOT / "book" / "32_why_modes_shift.ipynb"
    found, seconds = elsewhere.run(Path(sys.executable), source, tmp_path, {})
    assert found == {claim.id: claim.verdict for claim in stored(source)} and seconds > 0
    assert [path.name for path in tmp_path.iterdir()] == [source.name]
    executed = json.loads((tmp_path / source.name).read_text(encoding="utf-8"))
    assert all(cell["execution_count"] for cell in executed["cells"] if cell["cell_type"] == "code")


def test_the_environments_are_made_from_the_package_s_own_bounds():
    lowest, newest = elsewhere.requirements("lowest"), elsewhere.requirements("newest")
    assert "torch==2.2" in lowest and "torch" in newest and len(lowest) == len(newest)
    with pytest.raises(ValueError, match=r"^environment: got 'oldest'; allowed: "):
        elsewhere.requirements("oldest")
