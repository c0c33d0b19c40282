"""nbval that compares figures as pictures and refuses cells without a stored run.

nbval 0.11 leaves ``image/png`` out of its comparison, passes cells that were never run, and runs cells with
``store_history=False``, under which a trailing ``;`` does not silence a cell (nbval issue 194).  The root ``conftest.py``
loads this plugin, which puts ``FigureFile`` and ``FigureCell`` in the place of nbval's two classes.

A picture is any ``image/png`` output, and every frame of a slider, a PNG inside ``text/html``.  A pixel is *bad* when a
colour channel differs by more than ``LEVEL`` of 255; a figure fails when more than ``SHARE`` of its pixels are bad, or its
size differs.  With pinned versions an unchanged figure is identical; the allowance is for last-bit differences between
CPUs.  On failure expected, actual and difference pictures are written to ``_build/nbfigures`` and named in the report.
"""

import base64
import copy
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile
from PIL import Image

EMBEDDED = re.compile(r"(?<=data:image/png;base64,)[A-Za-z0-9+/=]+")
LEVEL = 24
SHARE = 5e-5


def decode(png: str) -> np.ndarray:
    """A base64 PNG on a white background as an int16 array [height, width, 3]."""
    picture = Image.open(io.BytesIO(base64.b64decode("".join(png)))).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB")).astype(np.int16)


def bad_pixels(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Where two pictures of one size differ visibly, [height, width]."""
    return np.abs(expected - actual).max(axis=2) > LEVEL


def without_pictures(outputs) -> tuple[list, list[str]]:
    """Copies of the outputs with every PNG replaced by a word, so that nbval compares how many there are; and the PNGs."""
    outputs, pictures = copy.deepcopy(list(outputs)), []
    for output in outputs:
        data = output.get("data") or {}
        if "image/png" in data:
            pictures.append(data.pop("image/png"))
            data["picture"] = "png"
        if "text/html" in data:
            html = "".join(data["text/html"])
            pictures += EMBEDDED.findall(html)
            data["text/html"] = EMBEDDED.sub("picture", html)
    return outputs, pictures


class FigureCell(IPyNbCell):
    def runtest(self):
        checked = self.options["check"] and not self.options["skip"]
        if checked and self.cell.source.strip() and self.cell.execution_count is None:
            self.raise_cell_error("No stored run to compare with: execution_count is null")
        super().runtest()

    def compare_outputs(self, test, ref, skip_compare=None):
        test, actual = without_pictures(test)
        ref, expected = without_pictures(ref)
        same = super().compare_outputs(test, ref, skip_compare)
        for number, pair in enumerate(zip(expected, actual, strict=False)):
            same &= self.compare_pictures(number, *map(decode, pair))
        return same

    def compare_pictures(self, number, expected, actual) -> bool:
        if expected.shape != actual.shape:
            bad, why = None, f"size {actual.shape[1::-1]}, stored {expected.shape[1::-1]}"
        else:
            bad = bad_pixels(expected, actual)
            if bad.mean() <= SHARE:
                return True
            why = f"{bad.sum()} of {bad.size} pixels differ ({bad.mean():.3%}, limit {SHARE:.3%})"
        saved = self.save(number, expected, actual, bad)
        self.comparison_traceback.append(f"figure {number}: {why}\n  " + "\n  ".join(map(str, saved)))
        return False

    def save(self, number, expected, actual, bad) -> list[Path]:
        folder = Path(os.environ.get("NBFIGURES_OUT", self.config.rootpath / "_build" / "nbfigures"))
        folder.mkdir(parents=True, exist_ok=True)
        pictures = {"expected": expected, "actual": actual}
        if bad is not None:
            faint = np.repeat(255 - (255 - expected.mean(axis=2, keepdims=True)) / 4, 3, axis=2)
            pictures["difference"] = np.where(bad[..., None], (220, 0, 0), faint)
        paths = [folder / f"{self.path.stem}-cell{self.cell_num}-figure{number}-{kind}.png" for kind in pictures]
        for path, picture in zip(paths, pictures.values(), strict=True):
            Image.fromarray(picture.astype("uint8")).save(path)
        return paths


class FigureFile(IPyNbFile):
    def setup(self):
        super().setup()
        client = self.kernel.kc
        self.kernel.execute_cell_input = lambda source, allow_stdin=None: client.execute(
            source, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)

    def collect(self):
        # nbval names its own classes in super() calls, so its module must keep them: swap the class of each item instead
        for item in super().collect():
            item.__class__ = FigureCell
            yield item


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    nodes = yield
    return [FigureFile.from_parent(parent, path=file_path) if type(node) is IPyNbFile else node for node in nodes]
