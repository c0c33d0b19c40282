"""The built pages in a headless Chromium, from file://: no request leaves the book, every formula is typeset, nothing overflows."""

import os
import shutil
from pathlib import Path

import pytest

HTML = Path(__file__).resolve().parents[1] / "_build" / "html"
PAGES = sorted(str(page.relative_to(HTML)) for page in HTML.glob("book/*.html"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: set CHROMIUM to its path"),
    pytest.mark.skipif(not PAGES, reason="the book is not built: run python -m tools.build"),
]

FACTS = """() => ({
    formulas: document.querySelectorAll('.math.notranslate').length,
    typeset: document.querySelectorAll('mjx-container').length,
    formula_errors: [...document.querySelectorAll('mjx-merror, [data-mjx-error]')].map(e => e.textContent),
    raw_dollars: (document.querySelector('article').innerText.match(/\\$\\$|\\{prf:|:::/g) || []),
    images_without_alt: [...document.querySelectorAll('article img')].filter(i => !i.alt || i.alt.includes('_images')).map(i => i.src),
    images_without_caption: [...document.querySelectorAll('article .cell_output img')].filter(i => !i.closest('figure')?.querySelector('figcaption')).map(i => i.src),
    broken_images: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src),
    broken_anchors: [...document.querySelectorAll('article a[href*="#"]')].filter(a => a.pathname === location.pathname)
        .map(a => decodeURIComponent(a.hash.slice(1))).filter(id => id && !document.getElementById(id)),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
})"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def visit(browser, page, width=1280, scheme="light"):
    """Open a page; returns what is on it, and what it asked for or complained of."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    outside, errors = [], []
    tab.on("request", lambda r: outside.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    # Chromium refuses to preload fonts from file://; the theme draws its icons as SVG, so nothing is missing.
    tab.on("requestfailed", lambda r: errors.append(f"failed: {r.url}") if not r.url.endswith(".woff2") else None)
    tab.on("pageerror", lambda e: errors.append(str(e)))
    tab.goto((HTML / page).as_uri())
    if tab.locator(".math.notranslate").count():
        tab.wait_for_selector("mjx-container", state="attached")
        tab.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
        tab.evaluate("MathJax.startup.promise")
    facts = tab.evaluate(FACTS)
    context.close()
    return facts | {"outside": outside, "errors": errors}


@pytest.mark.parametrize("page", PAGES)
def test_page_is_complete_offline(browser, page):
    facts = visit(browser, page)
    assert facts["outside"] == [], "requests that leave the book"
    assert facts["errors"] == []
    assert facts["typeset"] >= facts["formulas"], "formulas left as TeX"
    for fault in ("formula_errors", "raw_dollars", "images_without_alt", "images_without_caption", "broken_images", "broken_anchors"):
        assert facts[fault] == [], fault


@pytest.mark.parametrize("page", PAGES)
def test_page_fits_a_phone(browser, page):
    assert visit(browser, page, width=375)["overflow"] <= 0


def test_dark_mode_keeps_text_readable(browser):
    """Body text and theorem boxes keep a contrast of 4.5 or more against their background in both themes."""
    contrast = """() => {
        const lum = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
                           return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
        const ground = e => { while (e) { const c = getComputedStyle(e).backgroundColor; if (!/^rgba.*, 0\\)$/.test(c)) return c; e = e.parentElement; } return 'rgb(255,255,255)'; };
        return [...document.querySelectorAll('article p, article .admonition-title, article td, .verdict, figure.slider figcaption, figure.slider label')].map(e => {
            const [a, b] = [lum(getComputedStyle(e).color), lum(ground(e))].sort((x, y) => y - x);
            return [(a + .05) / (b + .05), e.textContent.slice(0, 60)]; }).filter(([c]) => c < 4.5); }"""
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        tab = context.new_page()
        for page in PAGES:
            tab.goto((HTML / page).as_uri())
            assert tab.evaluate(contrast) == [], (scheme, page)
        context.close()


def test_proofs_are_folded_and_open_by_keyboard(browser):
    tab = browser.new_page()
    tab.goto((HTML / "book/21_exact_gradient_flow.html").as_uri())
    proof = tab.locator("article details", has_text="Proof of Lemma 4").first
    assert proof.get_attribute("open") is None
    proof.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert proof.get_attribute("open") is not None
    tab.close()


def test_slider_works_by_keyboard_without_a_kernel(browser):
    tab = browser.new_page()
    tab.goto((HTML / "book/31_modes_shift.html").as_uri())
    slider = tab.locator("figure.slider").first
    shown = "e => [...e.querySelectorAll('img')].filter(i => !i.hidden && i.offsetHeight).map(i => i.dataset.value)"
    before = slider.evaluate(shown)
    slider.locator("input").focus()
    tab.keyboard.press("ArrowRight")
    after = slider.evaluate(shown)
    assert len(before) == len(after) == 1 and before != after
    assert slider.locator("output").inner_text() == after[0] == slider.locator("input").get_attribute("aria-valuetext")
    tab.keyboard.press("End")
    assert slider.evaluate(shown) == [slider.locator("img").last.get_attribute("data-value")]
    tab.close()


def test_search_works_from_file(browser):
    tab = browser.new_page()
    tab.goto((HTML / "search.html").as_uri() + "?q=Lyapunov")
    tab.wait_for_selector("#search-results li", timeout=10_000)
    assert "Exact gradient flow" in tab.locator("#search-results").inner_text()
    tab.close()
