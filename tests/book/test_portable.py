"""The Sphinx extension that turns portable Markdown into boxes and targets, and its cross-references in the built pages."""

import json
import re
import sys
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tools.build import out

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import portable  # noqa: E402

HTML = out() / "html" / "book"


def test_a_box_keeps_number_name_and_text():
    text = "Before.\n\n> **Lemma 4 (Rate).** <a id=\"lem-4\"></a> First line,\n>\n> $$ x $$\n\nAfter."
    assert portable.convert(text) == (
        "Before.\n\n:::::{admonition} Lemma 4 (Rate)\n:class: paper lemma\n:name: lem-4\n\nFirst line,\n\n$$ x $$\n:::::\n\nAfter.")


def test_a_box_may_hold_several_items():
    assert portable.convert("> **Figures 4 and 9 (as printed).** Text") == (
        ":::::{admonition} Figures 4 and 9 (as printed)\n:class: paper figure\n\nText\n:::::")


def test_anchors_become_targets_and_links_go_to_them():
    assert portable.convert('<a id="eq-8"></a>\n$$ y \\tag{8} $$') == "(eq-8)=\n$$ y \\tag{8} $$"
    assert portable.convert("[Lemma 4](21_exact_gradient_flow.ipynb#lem-4)") == "[Lemma 4](#lem-4)"
    assert portable.convert("[a](06_collation.md#point-a)") == "[a](#point-a)"
    assert portable.convert("[a page](21_exact_gradient_flow.ipynb)") == "[a page](21_exact_gradient_flow.ipynb)"


@pytest.mark.parametrize("text", ["> an ordinary quote", "> **Bold.** words", "**Lemma 4.** no quote"])
def test_other_text_is_left_alone(text):
    assert portable.convert(text) == text


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_statement_gets_its_box(path):
    """A quote that opens in bold, or that links lead to, is a statement; its kind must be among those that the extension knows."""
    texts = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "markdown"]
    left = [line for text in texts for line in portable.convert(text).split("\n") if re.match(r"> *(\*\*|.*<a id=)", line)]
    assert left == []
    if (page := HTML / f"{path.stem}.html").exists():
        article = page.read_text(encoding="utf-8").partition("<article")[2]
        assert len(re.findall(r'<div class="paper \w+ admonition"', article)) == sum(
            text.count("> **") for text in texts)


FROM = "https://colab.research.google.com/github/a/b/blob/v1/book/"


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda path: path.stem)
def test_raw_links_of_a_chapter_reach_files_and_anchors(path):
    """Colab and GitHub take a link to be relative to the notebook's own address; Colab opens notebooks only, GitHub pages too."""
    texts = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for link, anchor in re.findall(r"\]\((?!\w+:)([\w./-]+)?(?:#([\w-]+))?\)", "".join(cell["source"]) * (cell["cell_type"] == "markdown")):
            target = path.parent / (link or path.name)
            assert urljoin(FROM + path.name, link or path.name) == FROM + target.relative_to(ROOT / "book").as_posix() and target.exists(), link
            text = texts.setdefault(target, target.read_text(encoding="utf-8"))
            forms = [f'id=\\"{anchor}\\"', f"({anchor})=", f'id="{anchor}"']  # in a notebook's JSON, also in a figure; in a page
            assert not anchor or any(form in text for form in forms), (link, anchor)


@pytest.mark.skipif(not HTML.exists(), reason="the book is not built: run python -m tools.build")
def test_links_between_built_pages_reach_their_targets():
    pages = {page.name: page.read_text(encoding="utf-8") for page in HTML.glob("*.html")}
    crossing = [(name, *match) for name, page in pages.items() for match in re.findall(r'href="(\w+\.html)#([\w-]+)"', page)]
    assert len(crossing) > 5
    for source, target, anchor in crossing:
        assert f'id="{anchor}"' in pages[target], f"{source} links to {target}#{anchor}"
