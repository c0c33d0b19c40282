"""The picture at the head of the README is the first chapter's stored one, in both themes and in words."""

import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from diffnotes.page import figures
from tools import hero
from tools.build import ROOT


@pytest.fixture
def copy(tmp_path):
    for name in (hero.CHAPTER, hero.LIGHT, hero.DARK, "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_readme_shows_what_the_first_chapter_stores():
    """When this fails, ``python -m tools.hero`` makes it again."""
    assert hero.wrong(ROOT) == []
    head = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- chapters")[0]
    assert re.search(r'(?s)^# [^\n]+\n\n<picture>.*srcset="book/_static/hero-dark.png".*alt="[^"]{80,}".*</picture>\n\n\w', head)


def test_another_stored_picture_or_other_words_are_noticed_and_taken_over(copy):
    path = copy / hero.CHAPTER
    for change in ("picture", "words"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        data = next(o["data"] for c in notebook["cells"] for o in c.get("outputs", []) if 'class="stop"' in "".join(o.get("data", {}).get("text/html", "")))
        if change == "picture":
            image, buffer = Image.open(io.BytesIO(hero.stored(copy)[0])).convert("RGB"), io.BytesIO()
            image.putpixel((0, 0), (213, 94, 0))
            image.quantize(64).save(buffer, "PNG")
            data["image/png"] = hero.base64.b64encode(buffer.getvalue()).decode()
        else:
            data["text/html"] = "".join(data["text/html"]).replace("spikes", "needles")
        path.write_text(json.dumps(notebook), encoding="utf-8")
        found = [hero.LIGHT, hero.DARK] if change == "picture" else ["README.md"]
        assert hero.wrong(copy) == found == hero.write(copy) and hero.write(copy) == []
    assert "needles" in (copy / "README.md").read_text(encoding="utf-8")


def test_colours_of_roles_and_their_mixtures_become_the_dark_ones_and_paper_lets_the_page_through():
    for light, (role, other) in figures.ROLES.items():
        red, green, blue, opacity = hero.darkened(hero.rgb(light))
        assert opacity == (0 if role == "paper" else 255) and (role == "paper" or np.array_equal([red, green, blue], hero.rgb(other)))
    half = hero.darkened((hero.rgb(figures.HARM) + hero.rgb(figures.PAPER)) / 2)
    assert np.abs(half - [*hero.rgb(figures.ROLES[figures.HARM][1]), 127.5]).max() <= 0.5
