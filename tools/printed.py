"""The built pages as one PDF, printed by Chromium: contents with page numbers, and bookmarks by part, chapter and section.

Every page is opened in the light theme, its formulas set and its folds opened; what then stands in it (``printed.js``) goes into
one document, in the book's order, with links between chapters as links inside.  ``printed.css`` sets it on paper.
"""

import datetime
import os
import re
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import NamedTemporaryFile

import pikepdf
import yaml

from tools import address
from tools.build import ROOT
from tools.chromium import CHROMIUM, FLAGS

HERE = Path(__file__).parent
READY = """!document.querySelector('.math.notranslate')
    || (window.MathJax?.startup?.promise && document.querySelector('mjx-container'))"""
SCALE = 0.8  # of what stands on a page to the screen
WIDTH = 800  # of a page in pixels while scripts draw on it


@dataclass(frozen=True)
class Part:
    """A part of the book, and the addresses of its pages in the built folder."""

    title: str
    pages: list[str]


def chapters(root: Path) -> list[Part]:
    """The book's order."""
    table = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    first = Part("To begin", [f"{table['root']}.html"])
    return [first, *(Part(part["caption"], [f"{page['file']}.html" for page in part["chapters"]]) for part in table["parts"])]


def taken(tab, html: Path, pages: dict[str, str], page: str) -> dict:
    """Title, text and styles of a page, with names that no other page has."""
    tab.goto((html / page).as_uri())
    tab.wait_for_function(READY)
    tab.evaluate("window.MathJax?.startup?.promise")
    tab.wait_for_timeout(300)  # what scripts draw glides to its place
    return tab.evaluate((HERE / "printed.js").read_text(encoding="utf-8"), [html.as_uri() + "/", pages, page])


def document(parts: list[Part], found: dict[str, dict], names: dict[str, str], about: list[str], numbers: dict[str, int]) -> str:
    """All pages in one, after a title and the contents."""
    sheets = dict.fromkeys(sheet for page in found.values() for sheet in page["sheets"])
    rules = dict.fromkeys(rule for page in found.values() for rule in page["rules"])
    contents, text = [], []
    for part in parts:
        contents.append(f"<li class='part'>{escape(part.title)}</li>")
        for page in part.pages:
            number = numbers.get(names[page], "")
            contents.append(f"<li><a href='#{names[page]}'>{found[page]['title']}</a> <span>{number}</span></li>")
            tag = "h1" if page == part.pages[0] else "p"  # only the first is a bookmark
            head = f"<{tag} class='part'>{escape(part.title)}</{tag}>"
            text.append(f"<div class='chapter' id='{names[page]}'>{head}{found[page]['text']}</div>")
    title, *lines = map(escape, about)
    return "\n".join([
        f"<!DOCTYPE html><html lang='en' data-theme='light' data-mode='light'><head><meta charset='utf-8'><title>{title}</title>",
        *(f"<link rel='stylesheet' href='{sheet}'>" for sheet in sheets), f"<style>{''.join(rules)}</style>",
        f"<style>{(HERE / 'printed.css').read_text(encoding='utf-8')}</style></head><body>",
        f"<div class='cover'><p class='title'>{title}</p>{''.join(f'<p>{line}</p>' for line in lines)}</div>",
        f"<nav class='book-contents'><h1>Contents</h1><ol>{''.join(contents)}</ol></nav>",
        f"<main class='bd-main'><div class='bd-content'><div class='bd-article-container'>{''.join(text)}</div></div></main>",
        "</body></html>"])


def numbered(pdf: Path) -> dict[str, int]:
    """The page that every name stands on."""
    with pikepdf.open(pdf) as read:
        at = {page.objgen: number for number, page in enumerate(read.pages, 1)}
        return {name.removeprefix("/"): at[place[0].objgen] for name, place in read.Root.Dests.items()}


def pack(pdf: Path) -> None:
    """Compress what Chromium leaves plain, two thirds of the file; say bookmarks once, which it doubles at a page's top."""
    with pikepdf.open(pdf, allow_overwriting_input=True) as read:
        for item in read.objects:
            if isinstance(item, pikepdf.Dictionary) and "/Title" in item and "/Dest" in item:
                item.Title = pikepdf.String(re.sub(r"(.{3,})\1", r"\1", str(item.Title)))
        read.save(object_stream_mode=pikepdf.ObjectStreamMode.generate)


def show(tab, text: str, pdf: Path) -> None:
    """Print a document."""
    with NamedTemporaryFile("w", suffix=".html", encoding="utf-8", delete=False, dir=pdf.parent) as file:
        file.write(text)
    try:
        tab.goto(Path(file.name).as_uri(), timeout=300_000)
        tab.evaluate("document.fonts.ready")
        tab.evaluate((HERE / "printed_fit.js").read_text(encoding="utf-8"))
        tab.pdf(path=pdf, outline=True, tagged=True, print_background=True, prefer_css_page_size=True, scale=SCALE)
    finally:
        os.unlink(file.name)


def write(html: Path, pdf: Path, root: Path = ROOT) -> None:
    """Print the built pages in this folder."""
    from playwright.sync_api import sync_playwright
    if CHROMIUM is None:
        sys.exit("no Chromium found to print with: set CHROMIUM to its path")
    parts, here = chapters(root), address.present(root)
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    pages = {page: f"p{number}" for number, page in enumerate(page for part in parts for page in part.pages)}
    today = datetime.date.today()
    about = [config["title"], config["author"], f"Version {here.version}, {today.day} {today:%B %Y}"]
    about += [] if here.unset else [here.pages]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = browser.new_page(viewport={"width": WIDTH, "height": 1100}, color_scheme="light", reduced_motion="reduce")
        tab.set_default_timeout(300_000)
        tab.emulate_media(media="print")
        found = {page: taken(tab, html, pages, page) for page in pages}
        show(tab, document(parts, found, pages, about, {}), pdf)
        show(tab, document(parts, found, pages, about, numbered(pdf)), pdf)
        browser.close()
    pack(pdf)
