"""Chapters that are written to be read keep the measures of that."""

import json
import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
READ = sorted(path.stem for path in BOOK.glob("*.ipynb"))
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}


def source(cell):
    return "".join(cell["source"])


def pages(cell):
    return ["".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", [])]


@pytest.fixture(params=READ)
def cells(request):
    return json.loads((BOOK / f"{request.param}.ipynb").read_text(encoding="utf-8"))["cells"]


def visible(cells):
    return [cell for cell in cells if cell["cell_type"] == "code" and not FOLDED & set(cell["metadata"].get("tags", []))]


def test_visible_cells_are_short_and_print_nothing(cells):
    for cell in visible(cells):
        lines = source(cell).splitlines()
        assert len(lines) <= 10 and max(map(len, lines)) <= 79, source(cell)
        assert not re.search(r"\bprint\(|device|float64|\.cpu\(|;$", source(cell), re.M), source(cell)
        assert all("text" not in output for output in cell["outputs"])


def test_no_table_is_printed(cells):
    """Tables are tables: several lines of text come only beside HTML."""
    for cell in cells:
        for output, page in zip(cell.get("outputs", []), pages(cell), strict=True):
            text = "".join(output.get("text", "")) or "".join(output.get("data", {}).get("text/plain", ""))
            assert page or len(text.splitlines()) < 3, text


def test_the_first_picture_comes_within_fifteen_lines(cells):
    seen = 0
    for cell in cells:
        seen += len(source(cell).splitlines()) if cell in visible(cells) else 0
        if any("figcaption" in page for page in pages(cell)):
            break
    assert seen <= 15


def test_prose_outweighs_code_in_short_paragraphs(cells):
    prose = [re.sub(r"<[^>]+>", " ", source(cell)) for cell in cells if cell["cell_type"] == "markdown"]
    words, lines = sum(len(text.split()) for text in prose), sum(len(source(cell).splitlines()) for cell in visible(cells))
    assert words >= 20 * lines
    prose = [re.sub(r"^\|.*$", "", text, flags=re.M) for text in prose]  # tables are no paragraphs
    for paragraph in re.split(r"\n\s*\n|\n> *\n|\n\d\. |\n- ", "\n\n".join(prose)):
        assert len(re.sub(r"\$[^$]*\$", "x", paragraph).split()) <= 90, paragraph


def test_figures_and_tables_say_their_message_first(cells):
    captions = [m[1] for cell in cells for page in pages(cell) for m in re.finditer(r"<figcaption><b>(.*?)</b>", page)]
    tables = sum("<table" in page for cell in cells for page in pages(cell))
    assert captions and len(captions) + tables >= 4
    assert all(caption.endswith(".") and len(caption.split()) <= 25 for caption in captions)


def test_every_verdict_is_a_sentence_with_the_measurement_folded(cells):
    kept = [o["data"] for cell in cells for o in cell.get("outputs", []) if any("claim+json" in kind for kind in o.get("data", {}))]
    assert kept
    for data in kept:
        assert re.search(r'<div class="claim"><p>.*?</p><p>[A-Z].*?\.</p><details>', "".join(data["text/html"]))


def test_exercises_are_a_warm_up_a_prediction_and_an_open_one(cells):
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    titles = re.findall(r"> \*\*Exercise \d \(([^)]*)\)", text)
    assert titles[0].startswith("Warm-up") and any("change" in title for title in titles) and titles[-1].startswith("Open")


def test_a_reader_knows_first_what_to_know_and_what_to_take_away(cells):
    """In the first chapter after its first screen."""
    first = next(source(cell) for cell in cells if "**Before you start**" in source(cell))
    assert first == source(cells[0]) or "lead" in source(cells[0])
    assert "**Before you start**" in first and "**After this chapter you can say:**" in first and len(re.findall(r"^\d\. ", first, re.M)) == 3


def test_the_page_is_light(cells):
    """A page with its pictures: below 1.5 MB, most of it text that compresses to a third."""
    assert len(json.dumps(cells).encode()) < 3_000_000


def test_the_paper_in_ten_minutes_has_at_most_nine_hundred_words():
    """Up to its exercises, and without what the first screen shows in its place."""
    cells = json.loads((BOOK / "00_paper_in_ten_minutes.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown" and "id=\"front\"" not in source(cell))
    text = re.sub(r"<[^>]+>|\]\([^)]*\)|\$\$.*?\$\$", " ", text.split("## Exercises")[0], flags=re.S)
    assert len(re.findall(r"\w[\w.’'-]*", re.sub(r"\$[^$]*\$", "x", text))) <= 900
