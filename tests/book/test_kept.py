"""What stands right behind a formula stays on its line: in a doctree, and in the built pages."""

import re
import sys
from pathlib import Path

import pytest
from docutils import nodes

from tools.build import out

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book" / "_ext"))
import kept

PAGE = out() / "html" / "book" / "52_malign_double_descent.html"


def test_marks_go_with_the_formula_before_them_and_words_do_not():
    inside = nodes.emphasis("", "", nodes.Text("width "), nodes.math("", "nk"))
    others = nodes.math("", "a"), nodes.Text(" and "), nodes.math("", "b"), nodes.Text("-th, "), nodes.math("", "c")
    tree = nodes.paragraph("", "", inside, nodes.Text("). Stop."), *others)
    before = tree.astext()
    kept.keep(None, tree, "page")
    (span,) = tree.findall(nodes.inline)
    assert tree.astext() == before and span.astext() == "nk)." and span.parent is inside and span["classes"] == ["kept"]


@pytest.mark.skipif(not PAGE.exists(), reason="the book is not built: run python -m tools.build")
def test_the_pages_have_no_formula_with_a_loose_full_stop():
    text = PAGE.read_text(encoding="utf-8").split("<article")[1]
    formula = r'<span class="math notranslate nohighlight">[^<]*</span>'
    assert re.search(rf'<span class="kept">{formula}\.</span>', text) and not re.search(rf'(?<!<span class="kept">){formula}(?:</em>)?[.,;:]', text)
