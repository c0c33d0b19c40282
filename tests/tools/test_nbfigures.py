"""The figure check catches what it must, on a small notebook that is stored, changed and executed again.

Each mutant changes one thing.  A check that passes them all, or fails the unchanged file, is worth nothing.
"""

import base64
import copy
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from tools import nbfigures
from tools.store import store

ROOT = Path(__file__).resolve().parents[2]

FIGURE = """import matplotlib.pyplot as plt
import numpy as np
x = np.linspace(0.1, 3, 200)
y = np.exp(-x)
y = y * 1.0
figure, ax = plt.subplots(figsize=(5, 3))
ax.fill_between(x, 0.8 * y, 1.2 * y, color="tab:blue", alpha=0.3)
ax.plot(x, y, color="tab:blue", label="decay")
ax.legend();"""
NUMBER = "print(f'{y[0]:.3f}')"
SLIDER = """import base64, io
from IPython.display import HTML
frames = ""
for k in (1, 2):
    figure, ax = plt.subplots(figsize=(5, 2))
    ax.plot(x, y ** k * (1.0 if k == 1 else 1.00))
    figure.savefig(buffer := io.BytesIO())
    plt.close(figure)
    frames += f'<img src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
HTML(frames + "powers")"""

# A picture of every other type, bare and inside HTML.
TYPES = """import base64, io
from IPython.display import HTML, display
from PIL import Image
grey = 128
def encoded(kind, **kwargs):
    frames = [Image.new("RGB", (40, 30), (grey, 10 * k, 0)) for k in range(3)]
    frames[1].putpixel((1, 1), (grey, 255, 0))
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, **kwargs)
    return base64.b64encode(buffer.getvalue()).decode()
def animated(kind):
    return encoded(kind, save_all=True, append_images=[Image.new("RGB", (40, 30), (grey if k else 255, 9 * k, 0)) for k in range(2)])
for kind in ("jpeg", "bmp", "tiff"):
    display({f"image/{kind}": encoded(kind)}, raw=True)
for kind in ("gif", "webp"):
    display({f"image/{kind}": animated(kind)}, raw=True)
display({"image/svg+xml": f'<svg><rect fill="rgb({grey}, 0, 0)"/></svg>'}, raw=True)
HTML(f'<img src="data:image/jpeg;base64,{encoded("jpeg")}">')"""

CHANGES = {
    "curve 2% higher": ("y * 1.0", "y * 1.02"),
    "no legend": ("ax.legend();", ";"),
    "no band": ('ax.fill_between(x, 0.8 * y, 1.2 * y, color="tab:blue", alpha=0.3)', ""),
    "a later frame 5% higher": ("else 1.00", "else 1.05"),
    "a frame missing": ("for k in (1, 2)", "for k in (1, 1)"),
    "another caption": ("powers", "roots"),
    "another number": (NUMBER, "print(f'{y[0] + 1e-3:.3f}')"),
    "a cell that raises": (NUMBER, "raise RuntimeError('no')"),
}
# Changes of different cells that do not meet share a notebook: most of a notebook's time is its kernel's start.
NOTEBOOKS = [["curve 2% higher"], ["no legend", "another number", "a later frame 5% higher"],
             ["no band", "a cell that raises", "a frame missing"], ["a picture dropped", "another caption"], ["outputs dropped"], ["never run"]]
HARMLESS = {"unchanged": ("", ""), "noise of 1e-6": ("y * 1.0", "y * (1 + 1e-6 * np.cos(50 * x))")}


def small(tmp_path_factory, *sources):
    path = tmp_path_factory.mktemp("book") / "small.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    store(path)
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return small(tmp_path_factory, FIGURE, NUMBER, SLIDER)


@pytest.fixture(scope="module")
def types(tmp_path_factory):
    return small(tmp_path_factory, TYPES)


def replace(old, new):
    def change(notebook):
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new) if old else cell.source
    return change


def drop_picture(notebook):
    notebook.cells[0].outputs = [o for o in notebook.cells[0].outputs if "image/png" not in o.get("data", {})]


def drop_outputs(notebook):
    for cell in notebook.cells:
        cell.outputs = []


def never_run(notebook):
    drop_outputs(notebook)
    for cell in notebook.cells:
        cell.execution_count = None


OUTPUTS = {"a picture dropped": drop_picture, "outputs dropped": drop_outputs, "never run": never_run}


@pytest.fixture(scope="module")
def checked(stored, types, tmp_path_factory):
    """The check in a process of its own, as ``make test`` runs it: folder, report and, by name, the outcomes of a notebook's cells.

    A change has the name of its notebook, which is the first in its list, and the outcomes of all of its cells.
    """
    folder = tmp_path_factory.mktemp("changed")
    shutil.copy(ROOT / "conftest.py", folder)
    changes = {name: replace(*texts) for name, texts in (HARMLESS | CHANGES).items()} | OUTPUTS
    changes |= {"types": replace("", ""), "other types": replace("grey = 128", "grey = 28")}
    together = NOTEBOOKS + [[name] for name in ("types", "other types", *HARMLESS)]
    assert sorted(name for names in together for name in names) == sorted(changes)
    for names in together:
        notebook = copy.deepcopy(types if "types" in names[0] else stored)
        for name in names:
            changes[name](notebook)
        nbformat.write(notebook, folder / f"{names[0]}.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(folder), "-q", "-rA", "--nbval",
               "--nbval-current-env", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NBFIGURES_OUT": str(folder)}
    report = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment).stdout
    cells = {}
    for names in together:
        found = re.findall(rf"^(PASSED|FAILED) {re.escape(names[0])}\.ipynb::Cell (\d+)", report, re.M)
        outcomes = [outcome for outcome, _ in sorted(found, key=lambda one: int(one[1]))]
        cells |= {name: outcomes for name in names}
    return folder, report, cells


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_changes_pass(checked, name):
    _, report, cells = checked
    assert cells[name] == 3 * ["PASSED"], report


@pytest.mark.parametrize("name", CHANGES)
def test_changes_of_the_code_fail(stored, checked, name):
    folder, report, cells = checked
    changed, = (k for k, cell in enumerate(stored.cells) if CHANGES[name][0] in cell.source)
    assert len(cells[name]) == 3 and cells[name][changed] == "FAILED", report
    if name.startswith(("curve", "no ")):
        notebook, = (names[0] for names in NOTEBOOKS if name in names)
        for kind in ("expected", "actual", "difference"):
            picture = folder / f"{notebook}-cell0-figure0-{kind}.png"
            assert picture.exists() and str(picture) in report


@pytest.mark.parametrize("name", OUTPUTS)
def test_changes_of_the_stored_outputs_fail(checked, name):
    _, report, cells = checked
    assert len(cells[name]) == 3 and cells[name][0] == "FAILED", report


def pictures(notebook):
    """(data, type) of every output with a picture."""
    return [(output.data, kind) for cell in notebook.cells for output in cell.outputs for kind in output.data if kind.startswith("image/")]


def test_pictures_of_every_type_are_compared(types, checked):
    """Executed as stored the notebook passes; with all pictures changed the report names each."""
    _, report, cells = checked
    assert len(pictures(types)) == 6 and cells["types"] == ["PASSED"] and cells["other types"] == ["FAILED"], report
    failure, = re.findall(r"^_+ other types.*?(?=^_{5,} |^=)", report, re.M | re.S)
    assert sorted(set(re.findall(r"figure (\d)", failure))) == [*"0123456"], failure


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/svg+xml", "image/no-such"])
def test_a_changed_picture_of_any_type_is_seen(kind):
    """Without a kernel: what is left for nbval differs, or the pictures do."""
    outputs = [[{"output_type": "display_data", "data": {kind: picture}} for picture in pictures] for pictures in (["a"], ["b"], ["a", "a"], [])]
    bare = [nbfigures.without_pictures(output) for output in outputs]
    assert bare[0][0] == bare[1][0] and bare[0][1] == ["a"] != bare[1][1] and bare[0][0] != bare[2][0] != bare[3][0]
    assert not any(key.startswith("image/") for output in bare[2][0] for key in output["data"])
    html = [{"output_type": "display_data", "data": {"text/html": f'<img src="data:{kind};base64,{picture}">'}} for picture in ("aa", "bb")]
    left, found = nbfigures.without_pictures(html)
    assert found == ["aa", "bb"] and left[0] == left[1] and kind in left[0]["data"]["text/html"]


def test_one_frame_of_an_animation_counts_by_itself():
    frames = [Image.new("RGB", (40, 30), (10 * k, 0, 0)) for k in range(4)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    assert nbfigures.decode(base64.b64encode(buffer.getvalue()).decode()).shape == (4, 30, 40, 3)


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array.astype("uint8")).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_pictures_are_compared_on_white_and_by_level():
    plain = np.full((10, 10, 3), 255)
    clear = np.zeros((10, 10, 4))  # transparent black shows as white
    assert not nbfigures.bad_pixels(nbfigures.decode(png(plain)), nbfigures.decode(png(clear))).any()
    spot = plain.copy()
    spot[3, 4, 1] -= nbfigures.LEVEL
    assert not nbfigures.bad_pixels(plain, spot).any()
    spot[3, 4, 1] -= 1
    assert nbfigures.bad_pixels(plain, spot).sum() == 1


def moving(kl, curve, mark="still"):
    data = json.dumps({"n": [32], "kl": kl, "curve": base64.b64encode(np.uint8(curve).tobytes()).decode()})
    html = f'<svg>{mark}</svg><script type="application/json">{data}</script>'
    return nbfigures.without_pictures([{"output_type": "display_data", "data": {"text/html": html}}])


def test_the_data_of_a_figure_that_moves_may_be_rounded_and_no_more():
    curve = np.linspace(0, 250, 60)
    left, (stored,) = moving([0.0891, 2], curve)
    for kl, other, same in (([0.0892, 2], curve + 1, True), ([0.095, 2], curve, False), ([0.0891, 2], curve + 2, False),
                            ([0.0891], curve, False), ([0.0891, "2"], curve, False), ([0.0891, 2], curve[:-1], False)):
        again, (data,) = moving(kl, other, "drawn anew, which its PNG is for")
        assert again == left and nbfigures.near_data(stored, data) is same
    assert not nbfigures.near_data("no JSON", stored)
