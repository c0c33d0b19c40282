"""nbval that compares figures as pictures and refuses cells without a stored run.

nbval 0.11 leaves ``image/png`` and ``image/jpeg`` out of its comparison, passes cells that were never run, and runs cells with
``store_history=False``, under which a trailing ``;`` does not silence a cell (nbval issue 194).  The root ``conftest.py``
loads this plugin, which puts ``FigureFile`` and ``FigureCell`` in the place of nbval's two classes.

A picture is any ``image/...`` output, and any in base64 inside ``text/html``, such as the frames of a slider.  A pixel is *bad*
when a colour channel differs by more than ``LEVEL`` of 255; a figure fails when in one of its frames (an animation has several)
more than ``SHARE`` of the pixels are bad, or its size differs.  With pinned versions an unchanged figure is identical; the
allowance is for last-bit differences between CPUs.  The data of a figure that moves, JSON inside ``text/html``, may differ by
``NEAR`` in a number and by one level in the bytes of a curve.  What Pillow cannot read, such as SVG, must be the same letter by
letter.  On failure expected, actual and difference pictures are written to ``_build/nbfigures`` and named in the report.
"""

import base64
import copy
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile
from PIL import Image, ImageSequence

from tools.build import out

DRAWN = re.compile(r"<svg.*?</svg>", re.S)  # the same drawing stands beside it as a PNG, which is compared
EMBEDDED = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/=\s]+)")
DATA = re.compile(r'(?<=<script type="application/json">).*?(?=</script>)', re.S)
LEVEL = 24
NEAR = 0.02  # relative: of three digits the last may turn
SHARE = 5e-5


def decode(picture: str) -> np.ndarray:
    """The frames of a picture in base64, on white, as an int16 array [frames, height, width, 3]."""
    return np.stack([on_white(frame) for frame in ImageSequence.Iterator(Image.open(io.BytesIO(base64.b64decode(picture))))])


def on_white(frame) -> np.ndarray:
    frame = frame.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", frame.size, "white"), frame).convert("RGB")).astype(np.int16)


def bad_pixels(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Where two pictures of one size differ visibly, [..., height, width]."""
    return np.abs(expected - actual).max(axis=-1) > LEVEL


def near(expected, actual) -> bool:
    """Whether two values out of JSON are the same but for rounding."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return list(expected) == list(actual) and all(near(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(near, expected, actual))
    if isinstance(expected, int | float) and isinstance(actual, int | float):
        return abs(expected - actual) <= NEAR * abs(expected)
    if isinstance(expected, str) and isinstance(actual, str) and len(expected) == len(actual) > 40:  # bytes of a curve
        one, other = (np.frombuffer(base64.b64decode(text), np.uint8).astype(int) for text in (expected, actual))
        return bool((np.abs(one - other) <= 1).all())
    return expected == actual


def near_data(expected: str, actual: str) -> bool:
    """Whether two texts are JSON and say the same but for rounding."""
    try:
        return near(json.loads(expected), json.loads(actual))
    except ValueError:
        return False


def without_pictures(outputs) -> tuple[list, list[str]]:
    """Copies of the outputs with a word for each picture, so that nbval compares how many of a type there are; the pictures."""
    outputs, pictures = copy.deepcopy(list(outputs)), []
    for output in outputs:
        data = output.get("data") or {}
        for kind in sorted(kind for kind in data if kind.startswith("image/")):
            pictures.append("".join(data.pop(kind)))
            data[f"picture of type {kind}"] = "picture"  # not under its own name, which nbval may leave out
        if "text/html" in data:
            html = "".join(data["text/html"])
            pictures += [picture for _, picture in EMBEDDED.findall(html)]
            pictures += DATA.findall(html)
            html = DATA.sub("data", html)
            data["text/html"] = DRAWN.sub("drawing", EMBEDDED.sub(r"data:\1;picture", html))
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
            same &= pair[0] == pair[1] or near_data(*pair) or self.compare_pictures(number, *pair)
        return same

    def compare_pictures(self, number, expected, actual) -> bool:
        try:
            expected, actual = decode(expected), decode(actual)
        except (OSError, ValueError):
            self.comparison_traceback.append(f"figure {number}: differs, and cannot be read as pixels")
            return False
        if expected.shape != actual.shape:
            bad, why = None, f"frames, height and width {actual.shape[:3]}, stored {expected.shape[:3]}"
        else:
            bad = bad_pixels(expected, actual)
            share = bad.mean(axis=(1, 2)).max()
            if share <= SHARE:
                return True
            why = f"{bad.sum()} of {bad.size} pixels differ ({share:.3%} of a frame, limit {SHARE:.3%})"
        saved = self.save(number, expected, actual, bad)
        self.comparison_traceback.append(f"figure {number}: {why}\n  " + "\n  ".join(map(str, saved)))
        return False

    def save(self, number, expected, actual, bad) -> list[Path]:
        folder = Path(os.environ.get("NBFIGURES_OUT", out(self.config.rootpath) / "nbfigures"))
        folder.mkdir(parents=True, exist_ok=True)
        pictures = {"expected": expected, "actual": actual}
        if bad is not None:
            faint = np.repeat(255 - (255 - expected.mean(axis=-1, keepdims=True)) / 4, 3, axis=-1)
            pictures["difference"] = np.where(bad[..., None], (220, 0, 0), faint)
        paths = [folder / f"{self.path.stem}-cell{self.cell_num}-figure{number}-{kind}.png" for kind in pictures]
        for path, picture in zip(paths, pictures.values(), strict=True):
            Image.fromarray(np.concatenate(picture).astype("uint8")).save(path)
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
