"""A book of three pages as PDF, zip, sums and site of several versions, with a list to choose from."""

import functools
import hashlib
import http.server
import json
import subprocess
import sys
import threading
from zipfile import ZipFile

import pytest

from tools import address, printed, release, site, sums
from tools.build import ROOT
from tools.chromium import CHROMIUM, FLAGS

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: set CHROMIUM to its path")
PAGE = """<!DOCTYPE html><html lang="en" data-content_root="../"><head><title>x</title><script src="../_static/versions.js"></script></head><body>
<div class="sidebar-primary-items__start"><div class="sidebar-primary-item"><nav></nav></div></div>
<article class="bd-article"><section id="top"><h1>{title}<a class="headerlink" href="#top">#</a></h1><p class="about">By us.</p>{text}</section></article></body></html>"""
PAGES = {"three": "<p>The end.</p>", "one": '<h2 id="a">Section</h2><a href="two.html#b">onwards</a><details><summary>Proof</summary>folded</details><button>press</button>',
         "two": '<p id="b">There.</p><p style="display: none">unseen</p><a href="../gone.html">nowhere</a><a href="https://a.example/">far</a>'}


@pytest.fixture
def book(tmp_path):
    """A project's table and settings, and its built pages."""
    root, html = tmp_path / "a project", tmp_path / "a build" / "html"
    (html / "book").mkdir(parents=True)
    (html / "_static").mkdir()
    (html / "_static" / "versions.js").write_bytes((ROOT / "book" / "_static" / "versions.js").read_bytes())
    for name, text in PAGES.items():
        (html / "book" / f"{name}.html").write_text(PAGE.format(title=f"Page {name}", text=text), encoding="utf-8")
    for name in ("_config.yml", "CITATION.cff", "diffnotes/__init__.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((ROOT / name).read_bytes())
    (root / "_toc.yml").write_text("root: book/one\nparts:\n  - caption: A part\n    chapters:\n      - file: book/two\n      - file: book/three\n", encoding="utf-8")
    return root, html


@pytest.mark.browser
@needs_chromium
def test_pages_become_one_pdf_with_bookmarks_and_links(book):
    pikepdf = pytest.importorskip("pikepdf")
    root, html = book
    pdf = html / "book.pdf"
    printed.write(html, pdf, root)
    with pikepdf.open(pdf) as read:
        assert len(read.pages) == 5  # title, contents, a page each
        with read.open_outline() as outline:
            assert [(item.title, [inside.title for inside in item.children]) for item in outline.root] == [
                ("Contents", []), ("To begin", ["Page one"]), ("A part", ["Page two", "Page three"])]
        links = [link for page in read.pages for link in page.get("/Annots", [])]
        assert {str(link.get("/Dest")) for link in links if "/Dest" in link} == {"/p0", "/p1", "/p1-b", "/p2"}
        assert [str(link.A.URI) for link in links if "/A" in link] == ["https://a.example/"]
        assert read.docinfo["/Title"] and read.Root.MarkInfo.Marked
    assert printed.numbered(pdf) == {"p0": 3, "p1": 4, "p1-b": 4, "p2": 5} and not list(html.glob("*.html"))


@pytest.mark.parametrize("repository, online", [("", False), ("https://github.com/a/b", True)])
def test_a_release_is_linked_packed_and_summed(book, monkeypatch, repository, online):
    root, html = book
    monkeypatch.setattr(printed, "write", lambda html, pdf, root: pdf.write_bytes(b"%PDF"))
    if repository:
        citation = root / "CITATION.cff"
        citation.write_text(citation.read_text(encoding="utf-8").replace(address.present(root).repository, repository), encoding="utf-8")
    release.release(html, root)
    pdf, zipped, listed = release.release(html, root)  # once more: nothing is linked or packed twice
    name = f"diffnotes-{address.version(root)}"
    assert [pdf.name, zipped.name] == [f"{name}.pdf", f"{name}.zip"]
    assert listed.read_text(encoding="utf-8").split() == [hashlib.sha256(pdf.read_bytes()).hexdigest(), pdf.name,
                                                       hashlib.sha256(zipped.read_bytes()).hexdigest(), zipped.name]
    shown = (html / "book" / "one.html").read_text(encoding="utf-8")
    at = f"https://github.com/a/b/releases/tag/v{address.version(root)}" if online else f"../{name}.zip"
    assert shown.count("Offline") == 1 and f'href="../{name}.pdf"' in shown and f'href="{at}"' in shown
    with ZipFile(zipped) as packed:
        assert {f"{name}/{name}.pdf", f"{name}/book/two.html"} < set(packed.namelist()) and f"{name}/{name}.zip" not in packed.namelist()
        inside = packed.read(f"{name}/book/one.html").decode()
    assert f"{name}.zip" not in inside and f'href="../{name}.pdf"' in inside


@pytest.fixture
def zips(book, tmp_path):
    """Three releases; the oldest has no second page."""
    _, html = book
    found = []
    for version in ("0.9.0", "0.10.0", "0.2"):
        if version == "0.2":
            (html / "book" / "two.html").unlink()
        found.append(tmp_path / version / f"diffnotes-{version}.zip")
        found[-1].parent.mkdir()
        (html / "index.html").write_text(f"this is {version}", encoding="utf-8")
        release.pack(html, html / "book" / "one.html", (html / "book" / "one.html").read_text(encoding="utf-8"), found[-1])
        (found[-1].parent / sums.SUMS).write_text(sums.summed(found[-1]) + "\n", encoding="utf-8")
    return found


def test_every_version_stays_under_its_tag_and_the_newest_is_at_the_top(zips, tmp_path):
    place = tmp_path / "a site"
    assert site.lay(zips, place) == ["v0.10.0", "v0.9.0", "v0.2"]  # as numbers, not as words
    assert {path.parent.name: path.read_text(encoding="utf-8") for path in place.glob("**/index.html")} == {
        "a site": "this is 0.10.0", "v0.10.0": "this is 0.10.0", "v0.9.0": "this is 0.9.0", "v0.2": "this is 0.2"}
    for path in place.glob("**/versions.json"):
        listed = json.loads(path.read_text(encoding="utf-8"))
        assert {tag: (path.parent / at).resolve() for tag, at in listed["at"].items()} == {
            "v0.10.0": place, "v0.9.0": place / "v0.9.0", "v0.2": place / "v0.2"}
        assert listed["here"] == ("v0.10.0" if path.parent == place else path.parent.name)


def test_the_oldest_go_where_there_is_no_room_and_what_is_damaged_stops(zips, tmp_path):
    room = sum(inside.file_size for file in zips[:2] for inside in ZipFile(file).infolist() for _ in range(2 if file == zips[1] else 1))
    assert site.fitting(zips, room) == [zips[1], zips[0]] and site.fitting(zips, 0) == [zips[1]]
    with zips[0].open("ab") as file:
        file.write(b"x")
    with pytest.raises(SystemExit, match=r"is not what SHA256SUMS beside it says"):
        site.lay(zips, tmp_path / "site")
    with pytest.raises(SystemExit, match=r"is not named diffnotes-VERSION\.zip"):
        site.number(tmp_path / "other.zip")


@pytest.fixture
def served(zips, tmp_path):
    """The site's address, from a server that says nothing."""
    site.lay(zips, tmp_path / "site")
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.browser
@needs_chromium
def test_a_list_leads_to_the_same_page_of_another_version(served, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab, outside = browser.new_page(), []
        tab.on("request", lambda request: None if request.url.startswith((served, "file:")) else outside.append(request.url))
        tab.goto(f"{served}/site/book/two.html#b")
        choice = tab.get_by_label("Version")
        assert choice.input_value() == "v0.10.0" and choice.locator("option").all_inner_texts() == ["v0.10.0", "v0.9.0", "v0.2"]
        choice.select_option("v0.9.0")
        tab.wait_for_url(f"{served}/site/v0.9.0/book/two.html#b")
        assert choice.input_value() == "v0.9.0"
        choice.select_option("v0.2")  # which does not have the page
        tab.wait_for_url(f"{served}/site/v0.2/")
        tab.goto(f"{served}/site/v0.2/book/one.html")
        choice.select_option("v0.10.0")
        tab.wait_for_url(f"{served}/site/book/one.html")
        errors = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        (tmp_path / "site" / "versions.json").unlink()
        for alone in (f"{served}/site/book/one.html", (tmp_path / "site" / "v0.2" / "book" / "one.html").as_uri()):
            tab.goto(alone)
            tab.wait_for_timeout(200)
            assert tab.locator("select").count() == 0
        browser.close()
    assert outside == errors == []


def test_python_alone_lays_the_site_out():
    """The workflow does it without the book's environment."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import tools.site; print({{'yaml', 'pikepdf', 'playwright'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
