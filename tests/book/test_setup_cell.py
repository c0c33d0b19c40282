"""The first cell of the chapters, beside a folder that has the package's name: a clone in the working folder, as is usual in Colab."""

import os
import subprocess
import sys

import pytest

from tools import address
from tools.build import ROOT
from tools.chapter import setup

PACKAGE = "def start(**durations): print('started', __file__)"
# A session in which only what lies in the folder ``site`` is installed, and %pip puts the package there.
SESSION = """
import sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell

site, cell, before = Path(sys.argv[1]), *sys.argv[2:]
shell = InteractiveShell.instance()
sys.meta_path[:] = [finder for finder in sys.meta_path if "ditable" not in repr(finder)]
sys.path[:] = ["", *(path for path in sys.path if path and not Path(path, "diffnotes").exists()), str(site)]

def pip(line):
    print("pip", line)
    (site / "diffnotes").mkdir()
    (site / "diffnotes" / "__init__.py").write_text({package!r})

shell.register_magic_function(pip)
for source in filter(None, [before, cell]):
    shell.run_cell(source).raise_error()
""".replace("{package!r}", repr(PACKAGE))


# What a reader may have run before: imported the folder, and even installed the package after that.
STALE = "import diffnotes"
LATER = "import sys; site = sys.path.pop(); import diffnotes; sys.path.append(site)"


@pytest.mark.parametrize("beside, installed, before", [(False, False, ""), (False, True, ""), (True, False, ""), (True, True, ""),
                                                       (True, False, STALE), (True, True, LATER)])
def test_the_setup_cell_finds_or_installs_the_package(tmp_path, beside, installed, before):
    here, site = tmp_path / "here", tmp_path / "site"
    packages = [here / "diffnotes" / "diffnotes"] * beside + [site / "diffnotes"] * installed
    for folder in [here, site, *packages]:
        folder.mkdir(parents=True, exist_ok=True)
    for folder in packages:
        (folder / "__init__.py").write_text(PACKAGE)
    for name in ("numpy", "torch"):
        (site / f"{name}.py").touch()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"IPYTHONDIR": str(tmp_path)}
    cell = address.cell(setup(), address.new(ROOT, "https://host.example/owner/name"))
    command = [sys.executable, "-c", SESSION, str(site), cell, before]
    result = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stdout + result.stderr
    assert lines[-1] == f"started {site / 'diffnotes' / '__init__.py'}"
    assert len(lines) == 2 - installed and ("--no-deps" in lines[0]) != installed


def test_without_an_address_the_setup_cell_says_so_in_one_line_and_installs_nothing(tmp_path):
    cell = address.cell(setup(), address.new(ROOT, address.UNSET))
    assert "%pip" not in cell and len(cell.splitlines()) == len(setup().splitlines())
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"IPYTHONDIR": str(tmp_path)}
    command = [sys.executable, "-c", SESSION, str(tmp_path), cell, ""]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 1 and "Traceback" not in result.stdout
    assert result.stderr.splitlines()[-1].startswith("diffnotes has no address yet: clone or unzip it")
