"""Numbers that other pages quote come from stored outputs, or stop."""

import json

import pytest

import diffnotes as dn
from diffnotes.page import quoting


@pytest.fixture
def chapter(tmp_path):
    kept = dn.measured(seeds="12 (8 to 20)", gain="a factor 3")._repr_mimebundle_()
    cells = [{"outputs": [{"data": kept}, {"text": "no data"}]}, {},
             {"outputs": [{"data": {"text/html": ['<figure class="dn-figure" ', 'id="fig-a">drawn</figure>']}}]}]
    path = tmp_path / "41.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return path


def test_what_is_kept_is_what_is_quoted(chapter):
    assert quoting.quoted(chapter, "seeds") == "12 (8 to 20)" and quoting.quoted(chapter, "gain") == "a factor 3"
    assert quoting.picture(chapter, "fig-a") == '<figure class="dn-figure" id="fig-a">drawn</figure>'
    assert str(dn.measured(seeds="12", gain="3")) == "seeds: 12\ngain: 3"


def test_what_no_chapter_computes_stops_the_build(chapter):
    for call in (quoting.quoted, quoting.picture):
        with pytest.raises(ValueError, match=r"^name: got 'none'"):
            call(chapter, "none")


@pytest.mark.parametrize("values", [{}, {"a": 3}, {"a": "many"}])
def test_bad_input(values):
    with pytest.raises(ValueError, match="got"):
        dn.measured(**values)
