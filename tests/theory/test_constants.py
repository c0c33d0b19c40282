"""Changing a constant inside diffnotes makes a chapter fail: the stored outputs really depend on the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MUTANTS = {
    "the rate of the flow": ("theory/flow.py", "z = 2 * self.eigenvalues * tau", "z = 2.02 * self.eigenvalues * tau"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_changed_constant_fails_the_chapter(tmp_path, name):
    file, old, new = MUTANTS[name]
    shutil.copytree(ROOT / "diffnotes", tmp_path / "diffnotes", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "conftest.py", tmp_path)
    shutil.copy(ROOT / "book" / "21_exact_gradient_flow.ipynb", tmp_path)
    text = (tmp_path / "diffnotes" / file).read_text()
    assert text.count(old) == 1
    (tmp_path / "diffnotes" / file).write_text(text.replace(old, new))
    # PYTHONPATH goes to the kernel too: it imports the mutant.  -x: one failing cell is enough.
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path), "-x", "--nbval",
               "--nbval-current-env", "-q", "21_exact_gradient_flow.ipynb"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 1 and ("pixels differ" in result.stdout or "mismatch" in result.stdout), result.stdout
