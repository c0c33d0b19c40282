"""The first screen of the README: badges, and a table of the chapters with where to read, open and fetch each."""

import json
import re
from pathlib import Path

ENTRY = re.compile(r"(?m)^ +- caption: (?P<part>.+)$|(?:root|file): (?P<page>book/\w+)$")


def title(page: Path) -> str:
    """The first heading of a notebook."""
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    return re.search(r"(?m)^# (.+)$", "".join(cells[0]["source"]))[1].replace("|", r"\|")


def chapters(root: Path) -> list[tuple[str, str, str]]:
    """Part, page and title of every chapter, in the book's order."""
    part, found = "", []
    for entry in ENTRY.finditer((root / "_toc.yml").read_text(encoding="utf-8")):
        part = entry["part"] or part
        if entry["page"] and (path := root / f"{entry['page']}.ipynb").exists():
            found.append((part, entry["page"], title(path)))
    return found


def block(address, root: Path) -> str:
    """Badges and table; while the pages have no address, links to the notebooks beside the README."""
    unset, colab = address.unset, address.colab
    rows = ["| chapter | read | Colab | download |", "|---|---|---|---|"]
    part = ""
    for of, page, name in chapters(root):
        rows += [f"| **{of}** | | | |"] if of != part else []
        part = of
        read = f"[read]({page}.ipynb)" if unset else f"[read]({address.pages}{page}.html)"
        fetch = f"[download]({page}.ipynb)" if unset else f"[download]({address.pages}_sources/{page}.ipynb)"
        rows.append(f"| {name} | {read} | {f'[Colab]({colab}/{page}.ipynb)' if colab else '–'} | {fetch} |")
    return "\n".join([badges(address), "", *rows])


def badges(address) -> str:
    """The state of the check and of the published pages, where the host shows it."""
    if address.unset:
        return "*This copy has no address yet: `make address` puts badges, and links to pages and Colab, here.*"
    shown = []
    if address.colab:
        for name in ("check", "pages"):
            workflow = f"{address.repository}/actions/workflows/{name}.yml"
            shown.append(f"[![{name}]({workflow}/badge.svg)]({workflow})")
        shown.append(f"[PDF and offline pages]({address.repository}/releases/tag/v{address.version})")
    return " ".join([f"**[Read the book]({address.pages})**", *shown])
