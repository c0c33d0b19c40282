"""The built pages in a headless Chromium, from file://: no request leaves the book, every formula is typeset, nothing overflows."""

import gzip
import html
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from tools.build import out
from tools.chromium import CHROMIUM

HTML = out() / "html"
BUILT = sorted(str(page.relative_to(HTML)) for page in HTML.glob("book/**/*.html"))
LEADS = {page: re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', (HTML / page).read_text(encoding="utf-8")) for page in BUILT}
PAGES = [page for page in BUILT if not LEADS[page]]  # the others lead on from an old address

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: set CHROMIUM to its path"),
    pytest.mark.skipif(not PAGES, reason="the book is not built: run python -m tools.build"),
]

PHONES = (375, 320)
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
    repeated_ids: (seen => [...document.querySelectorAll('[id]')].map(e => e.id).filter(id => seen.has(id) || !seen.add(id)))(new Set()),
})"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


# Text and boxes with a contrast below 4.5 to their background.
FAINT = """() => {
    const lum = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => c.startsWith('color(') ? +x : x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
                       return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
    const ground = e => { while (e) { const c = getComputedStyle(e).backgroundColor; if (!/^rgba.*, 0\\)$/.test(c)) return c; e = e.parentElement; } return 'rgb(255,255,255)'; };
    return [...document.querySelectorAll('article p, article .admonition-title, article td, .verdict')].map(e => {
        const [a, b] = [lum(getComputedStyle(e).color), lum(ground(e))].sort((x, y) => y - x);
        return [(a + .05) / (b + .05), e.textContent.slice(0, 60)]; }).filter(([c]) => c < 4.5); }"""


def visit(browser, page):
    """Open a page; returns what is on it, what it asked for or complained of, its overflow on a desktop
    and a phone, and text that is hard to read in either theme."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
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
    facts = tab.evaluate(FACTS) | {"overflow": tab.evaluate(OVERFLOW)}
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
        facts[f"faint text, {scheme}"] = tab.evaluate(FAINT)
    for width in PHONES:
        tab.set_viewport_size({"width": width, "height": 900})
        facts[f"overflow at {width}"] = tab.evaluate(OVERFLOW)
    context.close()
    return facts | {"outside": outside, "errors": errors}


@pytest.mark.parametrize("page", PAGES)
def test_page_is_complete_offline_and_fits(browser, page):
    facts = visit(browser, page)
    assert facts["outside"] == [], "requests that leave the book"
    assert facts["errors"] == []
    assert facts["typeset"] >= facts["formulas"], "formulas left as TeX"
    for fault in ("formula_errors", "raw_dollars", "images_without_alt", "images_without_caption", "broken_images", "broken_anchors", "repeated_ids", "faint text, light", "faint text, dark"):
        assert facts[fault] == [], fault
    assert {name: facts[name] for name in facts if name.startswith("overflow") and facts[name] > 0} == {}


def test_proofs_are_folded_and_open_by_keyboard(browser):
    tab = browser.new_page()
    tab.goto((HTML / "book/21_exact_gradient_flow.html").as_uri())
    proof = tab.locator("article details", has_text="Proof of Lemma 4").first
    assert proof.get_attribute("open") is None
    proof.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert proof.get_attribute("open") is not None
    tab.close()


def test_a_figure_to_leaf_through_moves_by_keyboard_without_a_kernel(browser):
    tab = browser.new_page()
    tab.goto((HTML / "book/31_modes_shift.html").as_uri())
    figure = tab.locator("figure#fig-formed")
    shown = "e => [...e.querySelectorAll('.dn-panels')].filter(p => p.checkVisibility()).map(p => p.dataset.value)"
    assert figure.evaluate(shown) == ["10³"]
    figure.locator("input").focus()
    tab.keyboard.press("ArrowRight")
    assert figure.evaluate(shown) == ["10⁴"] == [figure.locator("output").inner_text()]
    tab.keyboard.press("End")
    assert figure.evaluate(shown) == ["10⁶"] == [figure.locator("input").get_attribute("aria-valuetext")]
    tab.close()


@pytest.mark.parametrize("way", ["back", "reload"])
def test_a_figure_shows_what_its_handle_says_after_going_back(browser, way):
    """Browsers put the handle where the reader had left it, and the picture where the page has it."""
    tab = browser.new_page()
    tab.goto((HTML / "book/43_which_density.html").as_uri())
    figure = tab.locator("figure#fig-far")
    figure.locator("input").focus()
    tab.keyboard.press("End")
    if way == "back":
        tab.goto((HTML / "search.html").as_uri())
        tab.go_back()
    else:
        tab.reload()
    handle = int(figure.locator("input").input_value())
    shown = figure.evaluate("e => [...e.querySelectorAll('.dn-panels')].findIndex(p => p.checkVisibility())")
    value = figure.locator(".dn-panels").nth(handle).get_attribute("data-value")
    assert handle == shown and value == figure.locator("output").inner_text() == figure.locator("input").get_attribute("aria-valuetext")
    tab.close()


def test_the_ledger_shows_one_verdict_alone_without_scripts(browser):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((HTML / "book/03_claim_ledger.html").as_uri())
    everything = tab.locator(".entry").count()
    assert tab.locator(".entry:visible").count() == everything > 40 and tab.locator(".shown:visible").count() == 0
    links = tab.locator("nav.verdicts a")
    for name in links.evaluate_all("links => links.map(link => link.hash.slice(1))"):
        link = tab.locator(f"nav.verdicts a[href='#{name}']")
        link.focus()
        tab.keyboard.press("Enter")
        tab.wait_for_url(f"**#{name}")
        shown, said = tab.locator(".entry:visible"), int(link.inner_text().split()[-1])
        wanted = tab.locator(f".entry.{name}").count() if name != "claim-ledger" else everything
        assert shown.count() == wanted == said > 0
        assert all(section.locator(".entry:visible").count() for section in tab.locator("article section section:visible").all())
        assert [status.get_attribute("id") for status in tab.locator(".shown:visible").all()] == [name] * (name != "claim-ledger")
    context.close()


def test_search_works_from_file(browser):
    tab = browser.new_page()
    tab.goto((HTML / "search.html").as_uri() + "?q=Lyapunov")
    tab.wait_for_selector("#search-results li", timeout=10_000)
    assert "Exact gradient flow" in tab.locator("#search-results").inner_text()
    tab.close()


# A chapter with sliders and folded proofs, the ledger, tables, a page of the reference, the search form; all pages pass (checked by hand).
AUDITED = [("book/43_which_density.html", "light"), ("book/21_exact_gradient_flow.html", "dark"), ("book/03_claim_ledger.html", "dark"),
           ("book/04_what_was_checked.html", "light"), ("book/90_bibliography.html", "light"), ("book/91_package.html", "dark"),
           ("book/reference/networks.html", "light"), ("search.html", "light")]


@pytest.mark.parametrize("page, scheme", AUDITED)
def test_axe_finds_no_fault_that_matters(browser, page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    context = browser.new_context(color_scheme=scheme)
    tab = context.new_page()
    tab.goto((HTML / page).as_uri())
    tab.wait_for_function("!window.MathJax || !document.querySelector('.math') || document.querySelector('mjx-container')")
    faults = [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in axe.Axe().run(tab).response["violations"]
              if fault["impact"] != "minor"]
    context.close()
    assert faults == []


def test_the_first_page_is_light(browser):
    """What the first page loads, without MathJax and compressed as servers send it, is below 1.5 MB; most of it is the theme's icons."""
    tab, loaded = browser.new_page(), []
    tab.on("requestfinished", lambda r: loaded.append(r.url))
    tab.goto((HTML / "book/00_paper_in_ten_minutes.html").as_uri(), wait_until="load")
    tab.close()
    files = {Path(unquote(urlparse(url).path)) for url in loaded if url.startswith("file:") and "mathjax" not in url.lower()}
    sizes = sorted((len(gzip.compress(file.read_bytes())), file.name) for file in files)
    assert 2e5 < sum(size for size, _ in sizes) < 1.5e6, sizes[-5:]


def test_printing_shows_what_is_folded(browser, tmp_path):
    tab = browser.new_page()
    tab.goto((HTML / "book/21_exact_gradient_flow.html").as_uri())
    proof = tab.locator("article details", has_text="Proof of Lemma 4").first
    folded = proof.bounding_box()["height"]
    tab.emulate_media(media="print")
    assert proof.bounding_box()["height"] > folded + 100
    assert not tab.locator(".bd-sidebar-primary").is_visible()
    tab.close()


def test_every_page_is_in_the_sitemap_and_has_its_card():
    listed = set(re.findall(r"<loc>[^<]*/(book/[\w./]+)</loc>", (HTML / "sitemap.xml").read_text(encoding="utf-8")))
    assert listed >= set(PAGES)
    for page in PAGES:
        card = re.search(r'property="og:image" content="[^"]*/(_images/[^"]+)"', (HTML / page).read_text(encoding="utf-8"))
        assert card and (HTML / card[1]).stat().st_size > 5000, page


def test_old_addresses_lead_on():
    """Of the first edition's chapters, those that have another name now, with the place in the page that was asked for."""
    old = {page: lead for page, lead in LEADS.items() if lead}
    assert len(old) == 5 and all((HTML / page).with_name(lead[1]).exists() for page, lead in old.items())
    assert all("window.location.hash" in (HTML / page).read_text(encoding="utf-8") for page in old)


def test_every_link_inside_the_book_leads_somewhere():
    """Files and anchors of all links in the articles; Sphinx checks the references that it resolves itself."""
    names, broken = {}, []
    for page in PAGES:
        text = (HTML / page).read_text(encoding="utf-8")
        names[page] = set(re.findall(r'\b(?:id|name)="([^"]+)"', text))
    for page in PAGES:
        article = (HTML / page).read_text(encoding="utf-8").partition("<article")[2].partition("</article>")[0]
        for link in set(re.findall(r'href="([^"]+)"', article)):
            target = urlparse(html.unescape(link))
            if target.scheme or target.netloc:
                continue
            file = ((HTML / page).parent / unquote(target.path)).resolve() if target.path else HTML / page
            inside = names.get(str(file.relative_to(HTML.resolve())) if file.is_relative_to(HTML.resolve()) else "")
            if not file.exists() or (target.fragment and inside is not None and unquote(target.fragment) not in inside):
                broken.append((page, link))
    assert broken == []
