"""``make`` with a Python that does not fit, or an environment that is broken: one line, and it works with the right one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="no make found")

# A Python that makes environments with a stand-in for pip, so that nothing is downloaded.  The shell's line, a text for Python,
# starts it where its path has spaces, too.
FITTING = """#!/bin/sh
'''exec' '{python}' "$0" "$@"
' '''
import os, pathlib, subprocess, sys
REAL = {python!r}
if sys.argv[1:3] != ["-m", "venv"]:
    os.execv(REAL, [REAL, *sys.argv[1:]])
subprocess.run([REAL, *sys.argv[1:3], "--without-pip", *sys.argv[3:]], check=True)
pip = pathlib.Path(sys.argv[-1], "lib", "python%d.%d" % sys.version_info[:2], "site-packages", "pip")
pip.mkdir(exist_ok=True)
(pip / "__main__.py").write_text('import os, sys; print("pip 1"); sys.exit("install" in sys.argv and os.environ.get("NO_NETWORK"))')
"""
# Python as it is but for its version; without ensurepip, as Debian has it; one that does not start.
OLD = """#!/bin/sh
[ "$1" = -c ] && exec '{python}' -c "import sys; sys.version_info = {version}; exec(sys.argv.pop(1))" "$2"
exec '{python}' "$@"
"""
UNFIT = {
    "3.10": OLD.replace("{version}", "(3, 10, 13)"),
    "3.11.4": OLD.replace("{version}", "(3, 11, 4)"),
    "3.15": OLD.replace("{version}", "(3, 15, 0)"),
    "without ensurepip": "#!/bin/sh\nexec '{python}' -c \"import sys; sys.modules['ensurepip'] = None; exec(sys.argv.pop(1))\" \"$2\"\n",
    "broken": "#!/bin/sh\nexit 127\n",
}


@pytest.fixture
def place(tmp_path):
    """The Makefile, in a path with spaces, with a stand-in for the tools, and a Python that fits."""
    folder = tmp_path / "a folder" / "of mine"
    (folder / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.txt", "pyproject.toml"):
        (folder / name).touch()
    for name in ("build", "check"):
        (folder / "tools" / f"{name}.py").write_text("print('done')")
    program(folder, "fitting", FITTING)
    return folder


def program(folder, name, text):
    path = folder.parent / name
    path.write_text(text.replace("{python!r}", repr(sys.executable)).replace("{python}", sys.executable))
    path.chmod(0o755)
    return path


def make(folder, *arguments, **environment):
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    return subprocess.run([MAKE, "-s", *arguments], cwd=folder, env=variables | environment, capture_output=True, text=True)


def works(folder, *arguments, **environment):
    result = make(folder, *(arguments or ("book", f"PYTHON={folder.parent / 'fitting'}")), **environment)
    return result.returncode == 0 and result.stdout.endswith("done\n")


def refused(result):
    return (result.returncode == 2 and len(result.stderr.strip().splitlines()) == 1 and not result.stdout
            and re.search(r"Python 3\.11\.5 or later.*make PYTHON=python3", result.stderr))


def test_a_python_that_does_not_fit_is_refused_in_one_line_and_another_then_works(place):
    for kind in (*UNFIT, "missing"):
        wrong = program(place, "wrong", UNFIT[kind]) if kind in UNFIT else "no-such-python"
        for target in ("book", "test"):
            result = make(place, target, f"PYTHON={wrong}")
            assert refused(result), (kind, target, result.stdout + result.stderr)
    assert works(place)


def link(folder, target):
    python = folder / ".venv" / "bin" / "python"
    python.unlink(missing_ok=True)
    python.symlink_to(target)


def pip(folder):
    return next((folder / ".venv").glob("lib/*/site-packages/pip"))


BREAKS = {
    "interpreter removed": lambda folder: link(folder, folder / "gone"),
    "interpreter too old": lambda folder: link(folder, program(folder, "old", UNFIT["3.10"])),
    "another Python of the same name": lambda folder: pip(folder).parents[1].rename(pip(folder).parents[2] / "python3.9"),
    "no pip": lambda folder: shutil.rmtree(pip(folder)),
    "emptied": lambda folder: [shutil.rmtree(folder / ".venv"), (folder / ".venv").mkdir()],
    "half made": lambda folder: (folder / ".venv" / "bin" / "python").unlink(),
}


# The stamp as it is written now, the empty one of earlier versions, and none, as after an installation that was cut off.
BROKEN = [("interpreter removed", "new"), ("interpreter removed", "old"), ("interpreter too old", "new"), ("interpreter too old", "none"),
          ("another Python of the same name", "new"), ("no pip", "none"), ("emptied", "none"), ("half made", "none")]


def test_a_broken_environment_is_made_again(place):
    assert works(place)
    for kind, stamp in BROKEN:
        installed = place / ".venv" / "installed"
        made = installed.read_text()
        BREAKS[kind](place)
        installed.unlink(missing_ok=True)
        if stamp != "none":
            installed.write_text({"new": made if kind != "another Python of the same name" else "3 9", "old": ""}[stamp])
        assert refused(make(place, "book", "PYTHON=no-such-python")), (kind, stamp)
        assert works(place) and pip(place), (kind, stamp)


def test_what_an_environment_already_has_is_kept(place):
    """The CPU build of torch, put there beforehand or by a run that was cut off."""
    assert make(place, "book", f"PYTHON={place.parent / 'fitting'}", NO_NETWORK="no network").returncode == 2
    (pip(place).parent / "torch").mkdir()
    assert works(place) and works(place, "book", "PYTHON=no-such-python") and (pip(place).parent / "torch").exists()


def test_a_folder_that_was_moved_is_installed_again(place):
    assert works(place)
    moved = place.rename(place.parent / "moved")
    before = (moved / ".venv" / "installed").read_text()
    assert works(moved, "book", "PYTHON=no-such-python") and (moved / ".venv" / "installed").read_text() != before


def test_another_python_s_variables_do_not_reach_the_environment(place):
    (place / "tools" / "build.py").write_text("import os; assert not {'PYTHONHOME', 'PYTHONPATH'} & set(os.environ); print('done')")
    for _ in range(2):  # made, and there
        assert works(place, PYTHONHOME=str(place.parent), PYTHONPATH=str(place / "elsewhere"))
