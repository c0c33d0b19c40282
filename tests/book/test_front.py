"""The first screen: figure, count and doors are there without code, the figure moves, and it works without scripts, in print and anywhere."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from test_pages import CHROMIUM, HTML

import diffnotes as dn

PAGE = HTML / "book" / "00_paper_in_ten_minutes.html"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: set CHROMIUM to its path"),
    pytest.mark.skipif(not PAGE.exists(), reason="the book is not built: run python -m tools.build"),
]


@pytest.fixture
def opened(browser):
    """A function that opens an address and keeps what the page complains of in ``page.trouble``."""
    contexts = []

    def visit(address="", width=1280, height=900, **settings):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **settings))
        page = contexts[-1].new_page()
        page.trouble = []
        page.on("pageerror", lambda error: page.trouble.append(str(error)))
        page.goto(address or PAGE.as_uri())
        page.wait_for_timeout(200)
        return page
    yield visit
    for context in contexts:
        context.close()


@pytest.fixture
def drawn(settled):
    return lambda page: settled(page, ".stop svg.plot")


def said(page):
    return page.locator(".stop .says").inner_text().replace("\u00a0", " ")


def test_hook_figure_and_count_are_on_the_first_screen_and_no_code(opened):
    page = opened()
    for part in ("article h1", ".front .lead", ".stop .says", ".front .tally"):
        box = page.locator(part).first.bounding_box()
        assert 0 < box["y"] and box["y"] + box["height"] <= 900, part
    code = page.eval_on_selector_all("article pre", "e => e.filter(x => x.checkVisibility()).map(x => x.getBoundingClientRect().top)")
    assert all(top > 900 for top in code)
    phone = opened(width=390, height=844).locator(".stop svg.plot").first.bounding_box()
    assert phone["y"] + phone["height"] < 844


@pytest.mark.parametrize("width", [1280, 1000, 800, 390])
def test_words_of_the_count_do_not_overlap(opened, width):
    page = opened(width=width)
    boxes = page.eval_on_selector_all(".tally b + span", "e => e.map(x => { const r = document.createRange(); r.selectNodeContents(x); "
                                      "const b = r.getBoundingClientRect(); return [b.left, b.right, b.top, b.bottom]; })")
    assert len(boxes) >= 5
    for one, two in pairwise(boxes):
        assert one[1] <= two[0] or one[3] <= two[2] + 1


def test_the_sliders_move_the_drawing_and_the_words(opened, drawn):
    page = opened()
    time, size, population = (page.locator(f".stop {part}") for part in (".time", ".size input", ".switch input"))
    start, (numbers,) = drawn(page), page.eval_on_selector_all(".stop script[type='application/json']", "e => e.map(s => JSON.parse(s.textContent))")
    assert said(page).startswith("Stop here. With 32 samples") and f"KL {min(numbers['kl'][0]):.2g} nats" in said(page)
    time.focus()
    page.keyboard.press("End")
    late = drawn(page)
    assert said(page).startswith("Too late.") and all(a != b for a, b in zip(late, start, strict=True))
    assert time.get_attribute("aria-valuetext") == "10 to the 10"
    page.keyboard.press("Home")
    assert drawn(page)[0] != late[0] and said(page).startswith("Too early.")
    size.focus()
    page.keyboard.press("ArrowRight")
    assert drawn(page)[0] != start[0] and "128 samples" in said(page)
    population.focus()
    page.keyboard.press("Space")
    assert drawn(page) != start and said(page).startswith("Nothing to memorise")
    assert not page.trouble


def test_train_plays_to_the_end_and_pauses(opened):
    page = opened()
    play, time = page.locator(".stop .play"), page.locator(".stop .time")
    play.click()
    page.wait_for_timeout(700)
    assert 0 < int(time.input_value()) < 7 and play.inner_text() == "Pause"
    page.keyboard.press("Space")
    page.wait_for_timeout(500)
    at = time.input_value()
    page.wait_for_timeout(400)
    assert play.inner_text() == "Train" and time.input_value() == at


def test_reduced_motion_jumps(opened, drawn):
    page = opened(reduced_motion="reduce")
    page.locator(".stop .time").press("End")
    page.wait_for_timeout(100)
    now = page.eval_on_selector_all(".stop svg.plot", "e => e.map(s => s.innerHTML)")
    assert now == drawn(page) and said(page).startswith("Too late")


def test_without_scripts_and_in_print_there_is_a_picture_with_its_words(opened):
    page = opened(java_script_enabled=False)
    still = page.locator(".stop img.still")
    assert still.is_visible() and len(still.get_attribute("alt")) > 200 and page.locator(".stop input").count() == 0
    page = opened()
    assert not page.locator(".stop img.still").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".stop img.still").is_visible() and not page.locator(".stop .app").is_visible()


def test_it_works_where_a_notebook_inserts_it(opened, drawn):
    """HTML set while detached, its script made anew and attached later, as JupyterLab and Colab do; and twice."""
    figure = re.search(r'<figure class="stop".*?</figure>', PAGE.read_text(encoding="utf-8"), re.S)[0]
    page = opened("about:blank")
    page.evaluate("""html => { for (let copy = 0; copy < 2; copy++) { const host = document.createElement('div'); host.innerHTML = html;
        for (const old of host.querySelectorAll('script:not([type])')) { const s = document.createElement('script'); s.textContent = old.textContent; old.replaceWith(s); }
        document.body.append(host); } }""", figure)
    assert "path" in drawn(page)[0] and page.locator(".stop .app").count() == 1 and not page.trouble


def test_the_count_is_that_of_the_ledger_and_leads_to_it(opened):
    page, ledger = opened(), dn.ledger(Path(__file__).resolve().parents[2] / "book")
    counts = Counter(verdict.verdict for item, verdict in ledger if item.group == "the paper")
    shown = page.eval_on_selector_all(".tally li", "e => e.map(x => [x.className, x.querySelectorAll('i').length, +x.querySelector('b').textContent, x.querySelector('a').hash])")
    assert {name.replace("-", " "): number for name, number, _, _ in shown} == counts
    assert all(number == said and anchor == f"#{name}" for name, number, said, anchor in shown)
    targets = page.eval_on_selector_all(".front a[href]", "e => e.map(a => a.getAttribute('href').split('#')[0]).filter(h => !h.startsWith('http'))")
    assert len(targets) >= 10 and all((PAGE.parent / target).exists() for target in targets), json.dumps(targets)


def test_it_obeys_the_theme(opened):
    page = opened(color_scheme="light")
    colour = "getComputedStyle(document.querySelector('.stop')).getPropertyValue('color')"
    light = page.evaluate(colour)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(colour) != light
