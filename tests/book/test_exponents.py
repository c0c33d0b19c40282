"""The table of exponents in chapter 22 quotes other chapters: each number must still stand where the table's link goes."""

import json
import math
import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
# Chapter that is linked, what the table quotes, and patterns that must be found in that chapter's text or outputs.
QUOTED = [
    ("51_two_clocks", ["$n^{0.25}$", "$n^{1.03}$"], [r"\b0\.25\b", r"\b1\.03\b"]),
    ("24_a_bound_that_can_be_evaluated", ["$n^{1/2}$", "$n^{-1/2}$", "$n^{-0.35}$", "$n^{-0.69}$"],
     [r"\\sqrt n/\(4Kq\)", r"n\^\{-1/2\}", r"[-−]0\.35\b", r"[-−]0\.69\b", "cor-1"]),
    ("23_where_the_proof_does_not_close", ["$n^{-1}$"], ["ex-23-2", r"0\.1657/n"]),
    ("54_a_model_solved_on_paper", ["reaches it"], [r"rate is \$1/n\$"])]


def said(chapter):
    """Text and printed outputs of a chapter."""
    cells = json.loads((BOOK / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    shown = ["".join(o.get("text", "")) or "".join(o.get("data", {}).get("text/plain", "")) for o in outputs]
    return "\n".join(["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"] + shown)


TABLE = "\n".join(re.findall(r"^(?:\| .*|model \[.*|Two more .*)$", said("22_decomposition_and_rate"), re.M))


@pytest.mark.parametrize(("chapter", "numbers", "patterns"), QUOTED)
def test_what_is_quoted_still_stands_there(chapter, numbers, patterns):
    assert f"({chapter}.ipynb" in TABLE
    assert all(number in TABLE for number in numbers)
    text = said(chapter)
    assert [pattern for pattern in patterns if not re.search(pattern, text)] == []


def test_the_first_chapter_s_exponents_follow_from_its_table():
    rows = {int(n): (float(least), float(at) * 10 ** int(power.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789"))))
            for n, least, at, power in re.findall(r"^(32|2048) +([\d.]+) \(.*?\) +(\d)·10([⁰-⁹¹²³]+)",
                                                  said("00_paper_in_ten_minutes"), re.M)[:2]}
    exponents = [math.log(rows[2048][k] / rows[32][k]) / math.log(64) for k in (1, 0)]
    assert f"$n^{{{exponents[0]:.1f}}}$ | $n^{{{exponents[1]:.1f}}}$" in TABLE.split("00_paper_in_ten_minutes")[1].splitlines()[0]
