"""The mixer of the chapter on the exact flow in a browser, out of its stored output: bars, words, keys, motion, print, no scripts."""

import json
import re
from math import expm1
from pathlib import Path

import pytest
from test_pages import CHROMIUM

NOTEBOOK = Path(__file__).resolve().parents[2] / "book" / "21_exact_gradient_flow.ipynb"
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: set CHROMIUM to its path")]


@pytest.fixture(scope="module")
def figure():
    outputs = (output for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] for output in cell.get("outputs", []))
    return next(page for output in outputs if 'class="mixer"' in (page := "".join(output.get("data", {}).get("text/html", ""))))


def opened(browser, figure, **settings):
    page = browser.new_context(viewport={"width": 800, "height": 900}, **settings).new_page()
    page.trouble = []
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.set_content(f"<!doctype html><body>{figure}")
    page.wait_for_timeout(300)
    return page


def fills(page):
    liquid, glass = (f"+g.querySelector('.{part}').getAttribute('height')" for part in ("liquid", "glass"))
    return page.eval_on_selector_all(".mixer .stage g", f"e => e.map(g => {liquid} / {glass})")


def test_bars_fill_as_the_formula_says_and_the_words_follow(browser, figure, settled):
    page = opened(browser, figure)
    data, time, says = json.loads(re.search(r'json">(.*?)</script>', figure)[1]), page.locator(".time"), page.locator(".says")
    best = data["test"].index(min(data["test"]))
    for key, at, word in (("", best, "Stop here."), ("Home", 0, "Signal."), ("End", data["steps"] - 1, "Memory.")):
        if key:
            time.press(key)
        exponent = data["tau"][0] + at * data["tau"][1]
        expected = [sum(-expm1(-(10 ** (exponent - t))) for t in family["time"]) / len(family["time"]) for family in data["families"]]
        settled(page, ".mixer .stage")
        assert fills(page) == pytest.approx(expected, abs=0.02) and says.inner_text().startswith(word)
        assert page.locator(".head output").inner_text() == {"Home": "1", "End": "10¹⁰"}.get(key, "10⁵")
        assert f"test loss is {data['test'][at]:.2g}" in says.inner_text()
    assert time.get_attribute("aria-valuetext") == "10 to the 10" and not page.trouble
    kinds = page.eval_on_selector_all(".mixer .stage g", "e => e.map(g => g.getAttribute('class'))")
    assert kinds == ["signal" if family["effect"] < 0 else "memory" for family in data["families"]]
    time.press("Home")
    settled(page, ".mixer .stage")
    time.press("Space")
    page.wait_for_timeout(900)
    assert 0 < int(time.input_value()) < best and page.locator(".play").inner_text() == "Pause"
    page.emulate_media(media="print")
    assert page.locator("img.still").is_visible() and not page.locator(".app").is_visible()


def test_reduced_motion_jumps_and_without_scripts_there_is_the_picture(browser, figure):
    page = opened(browser, figure, reduced_motion="reduce")
    page.locator(".time").press("End")
    page.wait_for_timeout(100)
    assert page.inner_html(".stage") and page.locator(".says").inner_text().startswith("Memory.")
    still = page.inner_html(".stage")
    page.wait_for_timeout(300)
    assert page.inner_html(".stage") == still
    page = opened(browser, figure, java_script_enabled=False)
    assert page.locator("img.still").is_visible() and page.locator("input").count() == 0
