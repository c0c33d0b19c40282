"""The template of a chapter runs and obeys the rules; a chapter that is alone in an empty folder gives its verdicts."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import test_claims_and_chapters as rules
import yaml

from diffnotes.page.claims import stored
from tools import checkout, elsewhere, mutants
from tools.chapter import chapter
from tools.store import store

ROOT = Path(__file__).resolve().parents[2]


def test_a_new_chapter_runs_as_it_is_and_obeys_the_rules(tmp_path):
    path = chapter("61_trial", "A trial", tmp_path)
    store(path)
    for name in (name for name in dir(rules.TestChapter) if name.startswith("test_")):
        getattr(rules.TestChapter(), name)(path)
    for bad in ("trial", "61_Trial", "61_trial"):
        with pytest.raises(ValueError, match=r"^name: got "):
            chapter(bad, "A trial", tmp_path)


def test_a_chapter_alone_in_an_empty_folder_gives_its_verdicts(tmp_path):
    source = ROOT / "book" / "58_open_ends.ipynb"  # the shortest
    found, seconds = elsewhere.run(Path(sys.executable), source, tmp_path)
    assert found == {claim.id: claim.verdict for claim in stored(source)} and seconds > 0
    assert [path.name for path in tmp_path.iterdir()] == [source.name]
    executed = json.loads((tmp_path / source.name).read_text(encoding="utf-8"))
    assert all(cell["execution_count"] for cell in executed["cells"] if cell["cell_type"] == "code")


def test_the_environments_are_made_from_the_package_s_own_bounds():
    lowest, newest = elsewhere.requirements("lowest"), elsewhere.requirements("newest")
    assert "torch==2.10" in lowest and "torch" in newest and len(lowest) == len(newest)
    cluster = re.search(r'cluster = \["(.*?)"\]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
    assert f'pip install "{cluster}"' in (ROOT / "book" / "05_larger_runs.md").read_text(encoding="utf-8")
    colab = tomllib.loads(elsewhere.COLAB.read_text(encoding="utf-8"))  # a table with its date and where it comes from
    assert colab["date"] and re.fullmatch("[0-9a-f]{40}", colab["commit"]) and colab["source"].startswith("https://github.com/googlecolab/")
    packages = {re.match(r"[\w-]+", bound)[0] for bound in lowest}
    assert packages <= set(colab["versions"]) and f"torch=={colab['versions']['torch']}" in elsewhere.requirements("colab")
    weekly = yaml.safe_load((ROOT / ".github" / "workflows" / "elsewhere.yml").read_text(encoding="utf-8"))
    pythons = {each["environment"]: each["python"] for each in weekly["jobs"]["chapters"]["strategy"]["matrix"]["include"]}
    assert pythons["colab"] == colab["python"] and set(pythons) == {"colab", "lowest", "newest"}
    with pytest.raises(ValueError, match=r"^environment: got 'oldest'; allowed: "):
        elsewhere.requirements("oldest")


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git found")


def repository(folder):
    """A repository with one commit in a folder."""
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git[:3], "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)


@needs_git
def test_a_clone_names_its_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    repository(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", checkout.commit())
    assert (checkout.clone(tmp_path / "copy") / ".git").is_dir()


@pytest.mark.parametrize("kind", ["a zip", pytest.param("a zip inside a repository", marks=needs_git), "no commit", "no git"])
def test_without_git_the_commit_is_unknown_and_what_needs_it_ends_in_one_line(tmp_path, monkeypatch, kind):
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.setattr(checkout, "ROOT", root)
    monkeypatch.setattr(elsewhere, "environment", lambda name: pytest.fail("gigabytes are installed before it is seen that git is missing"))
    if kind == "a zip inside a repository":
        repository(tmp_path)
    elif kind != "a zip":
        (root / ".git").mkdir()
    if kind == "no git":
        monkeypatch.setenv("PATH", "")
    assert checkout.commit() == "unknown"
    for main in (lambda: elsewhere.main("lowest", []), lambda: mutants.main([])):
        with pytest.raises(SystemExit, match=r"^this works on the last commit: it needs git, and a clone of the repository$"):
            main()


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
# The first major version on Node 24, for a composite action the first that calls only such: Node 20 was removed in September 2026.
LEAST = {"actions/checkout": 5, "actions/setup-python": 6, "actions/upload-artifact": 6, "actions/upload-pages-artifact": 5,
         "actions/deploy-pages": 5}
PINNED = re.compile(r"([\w./-]+)@[0-9a-f]{40} # v(\d+)\.\d+\.\d+")


def dead(workflow: str) -> list[str]:
    """What follows ``uses:`` in a workflow and is not pinned with its version, not known here, or too old to run."""
    uses = [line.partition("uses:")[2].strip() for line in workflow.splitlines() if re.match(r"\s*(- )?uses:", line)]
    pins = [(use, PINNED.fullmatch(use)) for use in uses]
    return [use for use, pin in pins if not pin or int(pin[2]) < LEAST.get(pin[1], sys.maxsize)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_use_actions_that_still_run(path):
    assert dead(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("use", ["actions/checkout@v7", f"actions/checkout@{'0' * 40}", f"actions/checkout@{'0' * 40} # v4.2.0",
                                 f"actions/upload-pages-artifact@{'0' * 40} # v4.0.0", f"somebody/else@{'0' * 40} # v9.0.0"])
def test_actions_that_are_not_pinned_not_known_or_too_old_are_refused(use):
    assert dead(f"    steps:\n      - uses: {use}\n") == dead(f"      - id: x\n        uses: {use}") == [use]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_pinned_and_may_only_read(path):
    """Every action by the hash of a commit, nothing written but by the jobs that publish, no job without a limit of time."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90 and (name in ("deploy", "address", "release") or "permissions" not in job)
        for step in job["steps"]:
            assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step.get("uses", "actions/x@" + 40 * "0"))
            assert "checkout" not in step.get("uses", "") or step["with"]["persist-credentials"] is False
            for target in re.findall(r"^make (\S+)$", step.get("run", ""), re.M):
                rule = re.escape(target.replace(".venv", "$(VENV)")) + ":"
                assert re.search(f"^{rule}", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M), target
