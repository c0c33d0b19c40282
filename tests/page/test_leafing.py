"""Figures to leaf through: the first frame is seen, all are in the PNG, and bad counts are refused."""

import io
import re

import pytest
from PIL import Image

import diffnotes as dn

WORDS = dict(parameter="τ", name="fig-a", message="It rises and falls.", reading="Read it so.")
ALTS = [f"At {value} a curve that rises from left to right, or falls, as the training time has it, between two axes." for value in (1, 10)]


def frames():
    made = []
    for sign in (1, -1):
        panels = dn.figures.panels(2, width=2, height=1)
        for ax in panels:
            dn.figures.line(ax, [0, 1], [0, sign], dn.figures.SIGNAL)
        made.append(panels)
    return made


def test_one_frame_is_seen_and_the_picture_has_all():
    made = dn.leaf(frames(), ["1", "10"], **WORDS, alts=ALTS, start=1)
    shown = re.findall(r'class="dn-panels"[^>]*data-value="(\d+)"( style="display:none")?', made.html)
    assert shown == [("1", ' style="display:none"'), ("10", "")] and 'value="1"' in made.html and 'aria-valuetext="10"' in made.html
    assert Image.open(io.BytesIO(made.png)).size == (2 * 2 * 192, 2 * 192) and made.text == "It rises and falls. Read it so."
    names = re.findall(r' id="([^"]+)"', made.html.split("</style>")[1])
    assert len(names) == len(set(names)) and made == dn.leaf(frames(), ["1", "10"], **WORDS, alts=ALTS, start=1)


def test_a_picture_of_some_frames_names_only_those():
    made = dn.leaf(frames(), ["1", "10"], **WORDS, alts=[ALTS[0], ALTS[1] + " Last."], still=[1])
    assert Image.open(io.BytesIO(made.png)).size == (2 * 2 * 192, 192) and made.html.count('class="dn-panels"') == 2
    assert re.search(r'<img[^>]*alt="τ = 10: [^"]* Last."', made.html)
    for wrong in ([2], [], [-1], [0, 2]):
        with pytest.raises(ValueError, match=r"^still: got"):
            dn.leaf(frames(), ["1", "10"], **WORDS, alts=ALTS, still=wrong)


def test_without_a_start_the_first_is_seen_and_each_may_be_still():
    made = dn.leaf(frames(), ["1", "10"], **WORDS, alts=ALTS, still=[0])
    assert 'value="0"' in made.html and 'aria-valuetext="1"' in made.html and 'data-value="10" style="display:none"' in made.html
    assert re.search(r'<img[^>]*alt="τ = 1: ', made.html)


def test_frames_values_and_words_must_agree():
    with pytest.raises(ValueError, match="start: got -1; allowed: an integer of at least 0"):
        dn.leaf(frames(), ["1", "10"], **WORDS, alts=ALTS, start=-1)
    with pytest.raises(ValueError, match="frames: got 2 of them, 1 values, 2 alts; allowed: as many of each"):
        dn.leaf(frames(), ["1"], **WORDS, alts=ALTS)
    with pytest.raises(ValueError, match="start: got 2; allowed: an index below 2"):
        dn.leaf(frames(), ["1", "10"], **WORDS, alts=ALTS, start=2)
    with pytest.raises(ValueError, match="alt: got 3 characters; allowed: at least 80"):
        dn.leaf(frames(), ["1", "10"], **WORDS, alts=["one", ALTS[1]])
    with pytest.raises(ValueError, match="axes: got none; allowed: at least one panel"):
        dn.leaf([[], []], ["1", "10"], **WORDS, alts=ALTS)
