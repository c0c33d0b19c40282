"""Where what is built goes, one build at a time, and a folder that cannot be written."""

import subprocess
import sys
import time

import pytest

from tools import build

HOLD = """
import sys, time
from pathlib import Path
from tools import build
with build.alone(Path(sys.argv[1])):
    print("in", time.time(), flush=True)
    time.sleep(0.5)
    print("out", time.time(), flush=True)
"""


def test_what_is_made_goes_into_the_project_or_where_a_variable_says(tmp_path, monkeypatch):
    monkeypatch.delenv("DIFFNOTES_BUILD", raising=False)
    assert build.out() == build.ROOT / "_build" and build.out(tmp_path) == tmp_path / "_build"
    monkeypatch.setenv("DIFFNOTES_BUILD", str(tmp_path / "else where"))
    assert build.out() == tmp_path / "else where" / "_build"


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind there")
def test_two_builds_in_one_folder_go_one_after_the_other(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "a place")]
    both = [subprocess.Popen(command, cwd=build.ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    times = sorted([float(line.split()[1]) for line in one.communicate()[0].splitlines()] for one in both)
    assert times[0][1] <= times[1][0] and time.time() > times[1][1]


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"cannot be written \(.*\): set DIFFNOTES_BUILD to a folder that can$"), build.alone(tmp_path / "file" / "x"):
        pass
