"""The page for practice can be read in ten minutes and acted on, and none of its results is typed."""

import math
import re
from pathlib import Path

import pytest

from diffnotes.page import quoting

BOOK = Path(__file__).resolve().parents[2] / "book"
PAGE = (BOOK / "07_findings_for_practice.md").read_text(encoding="utf-8")
FINDINGS = PAGE.split("\n## ")[1:]
BUILT = BOOK.parent / "_build" / "html" / "book" / "07_findings_for_practice.html"
ROLE, PICTURE = r"\{measured\}`(\w+):(\w+)`", r":::\{picture\} (\w+) ([\w-]+)\n:::"
# What stands there as a figure is no result: the level of intervals, the constants of the rule for seeds and its example, the
# ends and settings of t, what AUCs mean, numbers of images, the year of a source, the epoch that the paper prints, the numbers of
# the findings.
SETTINGS = {"95", "2.8", "2", "1.5", "0", "1", "0.5", "0.01", "0.1", "50", "100", "1200", "2025", "800", "3", "4", "5", "6", "24", "1600"}


COUNTED = {5: "five", 6: "six", 7: "seven", 11: "eleven", 12: "twelve", 13: "thirteen"}


def quoted(match):
    return quoting.quoted(BOOK / f"{match[1]}.ipynb", match[2])


def test_it_has_at_most_nine_hundred_words():
    text = re.sub(r"\]\([^)]*\)", "]", re.sub(ROLE, quoted, re.sub(rf"{PICTURE}|\$[^$]+\$", "", PAGE)))  # formulas are no words
    assert len(FINDINGS) == 6 and len(re.findall(r"\w[\w.’'-]*", text)) <= 900


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda text: text[:1])
def test_a_finding_has_a_picture_a_number_what_to_do_when_it_fails_and_links(finding):
    (picture,), (number,) = re.findall(PICTURE, finding), re.finditer(rf"\*\*{ROLE}\*\*", finding)
    assert "<figcaption>" in quoting.picture(BOOK / f"{picture[0]}.ipynb", picture[1])
    assert re.search(r"\(.* to .*\)| ± ", quoted(number)), "an interval"
    assert "**What to do.**" in finding and "**When it fails.**" in finding
    links = re.findall(r"\]\((\w+)\.ipynb\)", finding)
    assert number[1] == picture[0] == links[0] and len(set(links)) == 2 and all((BOOK / f"{name}.ipynb").exists() for name in links)


def test_no_result_is_typed():
    typed = re.findall(r"\d+(?:\.\d+)?", re.sub(r"\]\([^)]*\)", "", re.sub(rf"{ROLE}|{PICTURE}", "", PAGE)))
    assert typed and set(typed) <= SETTINGS
    assert "50 if $s = 1$ and $c = 1.5$" in PAGE and round((2.8 / math.log(1.5)) ** 2 + 2) == 50


def test_the_first_screen_leads_there_and_counts_right():
    doors = (BOOK / "_ext" / "doors.html").read_text(encoding="utf-8")
    said = dict(re.findall(r'class="door" href="(\w+)\.html".*?(\w+) (?:findings in ten|chapters)', doors, re.S))
    assert said == {"07_findings_for_practice": COUNTED[len(FINDINGS)],
                    "10_the_theory_step_by_step": COUNTED[len(list(BOOK.glob("[123]*.ipynb")))]}


@pytest.mark.skipif(not BUILT.exists(), reason="the book is not built: run python -m tools.build")
def test_the_pictures_share_a_style_sheet_and_come_as_vectors_alone():
    article = BUILT.read_text(encoding="utf-8").split("<article")[1].split("</article>")[0]
    assert article.count("<figure") == len(FINDINGS) and article.count("<style>") == 1 and "data:image/png" not in article
    assert article.count("<svg viewBox") >= len(FINDINGS) and article.count('class="measured"') == len(re.findall(ROLE, PAGE))
