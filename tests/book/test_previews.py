"""What links inside the book lead to, shown beside them: in the built pages in a headless Chromium, and what a page offers."""

import json
import re
import sys
from pathlib import Path

import pytest
from docutils import nodes

from tools.build import out
from tools.chromium import CHROMIUM

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book" / "_ext"))
import previews

HTML = out() / "html"
PAGE = HTML / "book" / "22_decomposition_and_rate.html"
FAR = "a[href='12_reverse_processes.html#lem-2']"  # a lemma of another page
OUTSIDE = ("http:", "https:")
built = pytest.mark.skipif(not PAGE.exists(), reason="the book is not built: run python -m tools.build")
chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: set CHROMIUM to its path")
REPEATED = "(seen => [...document.querySelectorAll('[id]')].map(e => e.id).filter(id => seen.has(id) || !seen.add(id)))(new Set())"


def opened(browser, page=PAGE, **options):
    """A page whose formulas are set, and what it asked for outside the book."""
    tab, outside = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options).new_page(), []
    tab.on("request", lambda request: outside.append(request.url) if request.url.startswith(OUTSIDE) else None)
    tab.goto(page.as_uri())
    tab.wait_for_function("window.MathJax?.startup?.promise && document.querySelector('mjx-container')")
    tab.evaluate("MathJax.startup.promise")
    return tab, outside


def in_a_browser(test):
    return pytest.mark.browser(built(chromium(test)))


def apart(one, other):
    return one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]


@in_a_browser
def test_a_lemma_of_another_page_is_shown_under_the_mouse_and_escape_closes_it(browser):
    tab, outside = opened(browser)
    link, box = tab.locator(FAR).locator("visible=true").first, tab.locator(".preview.ready")
    link.hover()
    box.wait_for()
    assert "Lemma 2" in box.inner_text() and "\\(" not in box.inner_text() and "\\[" not in box.inner_text()
    assert box.locator("mjx-container[display=true]").count() > 0 == box.locator("mjx-merror, [data-mjx-error]").count()
    assert apart(link.bounding_box(), box.bounding_box()) and tab.evaluate(REPEATED) == []
    assert link.get_attribute("aria-describedby") == box.get_attribute("id")
    box.hover()  # one can go there to read
    tab.wait_for_timeout(400)
    assert box.is_visible()
    tab.emulate_media(media="print")
    assert not box.is_visible()
    tab.emulate_media(media="screen")
    link.hover()
    tab.keyboard.press("Escape")
    tab.wait_for_timeout(400)
    assert tab.locator(".preview").count() == 0 and link.get_attribute("aria-describedby") is None
    tab.mouse.move(2, 2)
    tab.wait_for_timeout(400)
    link.hover()
    box.wait_for()
    tab.mouse.move(2, 2)
    box.wait_for(state="detached")
    assert outside == []
    tab.context.close()


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_keys_open_a_preview_that_fits_a_phone_and_passes_the_audit(browser, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    tab, _ = opened(browser, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    link, box = tab.locator(FAR).locator("visible=true").first, tab.locator(".preview.ready")
    link.focus()
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Tab")
    box.wait_for()
    at = box.bounding_box()
    assert at["x"] >= 0 and at["x"] + at["width"] <= 390 and apart(link.bounding_box(), at)
    assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    faults = [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in axe.Axe().run(tab, context=".preview").response["violations"]
              if fault["impact"] in ("serious", "critical")]
    assert faults == []
    tab.keyboard.press("Tab")
    box.wait_for(state="detached")
    tab.context.close()


@in_a_browser
@pytest.mark.parametrize("page, link", [
    ("03_claim_ledger", ".entry strong a:has-text('Theorem 2')"),  # a link to a page that says which of its boxes it means
    ("21_exact_gradient_flow", "a[href$='#eq-13']"), ("14_random_features", "a[href='#ex-14-3']"),
    ("14_random_features", "a[href$='#word-kernel']")])
def test_boxes_named_in_words_equations_boxes_of_the_same_page_and_words_are_shown(browser, page, link):
    tab, _ = opened(browser, HTML / "book" / f"{page}.html")
    tab.locator(f"article {link}").locator("visible=true").first.hover()
    tab.wait_for_selector(".preview.ready mjx-container")
    assert tab.evaluate(REPEATED) == [] and tab.locator(".preview [id]").count() == 0
    tab.context.close()


@in_a_browser
def test_other_links_and_touch_show_nothing(browser):
    tab, _ = opened(browser)
    others = ["article a.headerlink", "article a.sphinx-codeautolink-a", ".bd-sidebar-primary a.reference", "article a[href$='02_notation.html']"]
    for selector, pointer in [*((other, "mouse") for other in others), (FAR, "touch"), (FAR, "mouse")]:
        tab.locator(selector).first.dispatch_event("pointerover", {"pointerType": pointer})
        tab.wait_for_timeout(700)
        assert tab.locator(".preview").count() == (selector == FAR and pointer == "mouse")
    tab.context.close()


@built
def test_every_page_has_its_previews_without_anchors_and_links():
    count = 0
    for page in HTML.glob("book/**/*.html"):
        if 'http-equiv="refresh"' in (text := page.read_text(encoding="utf-8")):
            continue
        name = page.relative_to(HTML).with_suffix("").as_posix()
        written = (HTML / "_previews" / f"{name}.js").read_text(encoding="utf-8")
        before, _, after = written.partition("] = ")
        assert before == f'(window.previews ??= {{}})["{name}"'
        boxes = json.loads(after.removesuffix(";\n"))
        assert not re.search(r'<a |\bid="|<details|<figure', "".join(boxes.values())), name
        assert all(f'id="{key}"' in text for key in boxes if not previews.LABEL.fullmatch(key)), name
        count += len(boxes)
    assert count > 200


def test_a_page_offers_boxes_equations_claims_and_words_by_name_and_nothing_else():
    title = nodes.title("", "", nodes.Text("Lemma 4 (Rate)"), ids=["t"])
    link = nodes.reference("", "a link", refuri="x.html")
    box = nodes.admonition("", title, nodes.paragraph("", "", link), classes=["paper", "lemma"], ids=["lem-4"])
    second = nodes.admonition("", nodes.title("", "Lemma 4 again"), classes=["paper"], ids=["lem-4-again"])
    fold = nodes.raw("", "<details><p>long</p></details>", format="html")
    claim = nodes.container("", nodes.paragraph("", "says"), fold, classes=["entry"], ids=["claim-l4"])
    word = nodes.paragraph("", "a bump", ids=["word-mode"])
    others = [nodes.admonition("", nodes.paragraph("", "a note"), classes=["note"], ids=["n"]), nodes.paragraph("", "no name"),
              nodes.math_block("", "y"), nodes.container("", ids=["c"])]
    tree = nodes.section("", box, second, claim, nodes.math_block("", "x", ids=["eq-8"]), word, *others, ids=["s"])
    found = previews.found(tree, lambda node: node.pformat())
    assert list(found) == ["lem-4", "Lemma 4", "lem-4-again", "claim-l4", "eq-8", "word-mode"]
    assert found["lem-4"] == found["Lemma 4"] and "a link" in found["lem-4"] and "refuri" not in found["lem-4"]
    assert "ids=" not in "".join(found.values()).replace('ids=""', "") and "long" not in found["claim-l4"] and "says" in found["claim-l4"]
    assert box["ids"] == ["lem-4"] and link.parent  # the page itself is as it was
