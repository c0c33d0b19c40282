"""The picture at the head of the README, in both themes: ``python -m tools.hero`` takes it from the first chapter.

The light one is the still picture of *Stop the training* as it is stored.  The dark one has every colour, a mixture of two of the
roles in which figures are drawn, as the same mixture of their dark colours; paper becomes transparent, as hosts have many darks.
"""

import base64
import io
import re
from html import escape, unescape
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from diffnotes.page import figures, quoting
from tools.build import ROOT

CHAPTER, LIGHT, DARK = "book/00_paper_in_ten_minutes.ipynb", "book/_static/hero-light.png", "book/_static/hero-dark.png"
PLACE = re.compile(r"<picture>.*?</picture>", re.S)


def stored(root: Path) -> tuple[bytes, str]:
    """The picture, and what it shows in words."""
    found = next(data for data in quoting.outputs(root / CHAPTER) if 'class="stop"' in "".join(data.get("text/html", "")))
    words = re.search(r'<img class="still"[^>]* alt="([^"]*)".*?<figcaption><b>([^<]*)</b>', "".join(found["text/html"]))
    if not words:
        raise ValueError(f"{CHAPTER}: got a still picture without words; allowed: what explorer.assemble writes")
    return base64.b64decode("".join(found["image/png"])), unescape(f"{words[2]} {words[1]}")


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[k:k + 2], 16) for k in (1, 3, 5)], float)


def darkened(colour: np.ndarray) -> np.ndarray:
    """Red, green, blue and opacity on a dark page for a colour drawn on a light one."""
    best, out = np.inf, np.zeros(4)
    for one, other in combinations(figures.ROLES, 2):
        a, b = rgb(one), rgb(other)
        share = float(np.clip((colour - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1))
        distance = float(np.abs(a + share * (b - a) - colour).sum())
        if distance < best - 1e-9:
            opacity = np.array([(1 - share) * (one != figures.PAPER), share * (other != figures.PAPER)])
            mixed = opacity @ [rgb(figures.ROLES[role][1]) for role in (one, other)] / max(opacity.sum(), 1e-9)
            best, out = distance, np.append(mixed, 255 * opacity.sum())
    return out.round()


def dark(picture: bytes) -> Image.Image:
    """The picture for a dark page, in a palette as the light one's."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    colours, at = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    out = Image.fromarray(at.reshape(pixels.shape[:2]).astype(np.uint8))
    out.putpalette(np.array([darkened(colour.astype(float)) for colour in colours], np.uint8).tobytes(), "RGBA")
    return out


def lines(root: Path) -> str:
    """What the README says."""
    picture, words = stored(root)
    width = Image.open(io.BytesIO(picture)).width // 2
    return (f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="{DARK}">\n'
            f'  <img src="{LIGHT}" width="{width}" alt="{escape(words)}">\n</picture>')


def wrong(root: Path = ROOT) -> list[str]:
    """The files that do not show what is stored."""
    picture, found = stored(root)[0], []
    if not (root / LIGHT).exists() or (root / LIGHT).read_bytes() != picture:
        found.append(LIGHT)
    if not (root / DARK).exists() or Image.open(root / DARK).convert("RGBA") != dark(picture).convert("RGBA"):
        found.append(DARK)
    return found + ["README.md"] * (lines(root) not in (root / "README.md").read_text(encoding="utf-8"))


def write(root: Path = ROOT) -> list[str]:
    """Make the files anew that do not; which they were."""
    picture, found, readme = stored(root)[0], wrong(root), root / "README.md"
    if LIGHT in found:
        (root / LIGHT).write_bytes(picture)
    if DARK in found:
        dark(picture).save(root / DARK, optimize=True)
    if readme.name in found:
        text = PLACE.sub(lambda _: lines(root), readme.read_text(encoding="utf-8"), count=1)
        readme.write_text(text, encoding="utf-8", newline="\n")
    return found


if __name__ == "__main__":
    print(", ".join(write()) or "nothing to change")
