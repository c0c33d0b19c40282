"""What a release carries: ``python -m tools.release`` makes the book as one PDF, its pages as one zip, and their SHA-256 sums.

They lie in the folder of the built pages, whose first screen then leads to them.  The zip has the PDF in it.
"""

import re
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from tools import address, printed
from tools.build import ROOT, build
from tools.sums import SUMS, summed


def offer(page: str, files: dict[str, str]) -> str:
    """The first page with these links, by address, at the end of its first paragraph; links of another time go."""
    links = " and ".join(f'<a href="{link}">{words}</a>' for link, words in files.items())
    page = re.sub(r' <span class="files">.*?</span>', "", page)
    span = f' <span class="files">Offline: {links}.</span>'
    return re.sub(r'(?s)(<p class="about">.*?)(?=</p>)', lambda found: found[1] + span, page, count=1)


def pack(html: Path, first: Path, text: str, into: Path) -> None:
    """All built pages in one folder of a zip, the first of them with this text."""
    with ZipFile(into, "w", ZIP_DEFLATED) as packed:
        for file in sorted(html.rglob("*")):
            if file.is_file() and file.suffix != ".zip" and file.name != SUMS:
                name = f"{into.stem}/{file.relative_to(html)}"
                packed.writestr(name, text) if file == first else packed.write(file, name)


def release(html: Path, root: Path = ROOT) -> list[Path]:
    """PDF, zip and sums of built pages."""
    here = address.present(root)
    pdf, zipped, sums = (html / name for name in (f"diffnotes-{here.version}.pdf", f"diffnotes-{here.version}.zip", SUMS))
    for old in html.glob("diffnotes-*"):
        old.unlink()
    first = html / printed.chapters(root)[0].pages[0]
    printed.write(html, pdf, root)
    page, links = first.read_text(encoding="utf-8"), {f"../{pdf.name}": "one PDF"}
    online = {f"{here.repository}/releases/tag/v{here.version}": "a zip of the pages"} if here.colab else {}
    pack(html, first, offer(page, links | online), zipped)
    first.write_text(offer(page, links | (online or {f"../{zipped.name}": "a zip of the pages"})), encoding="utf-8")
    sums.write_text(f"{summed(pdf)}\n{summed(zipped)}\n", encoding="utf-8")
    return [pdf, zipped, sums]


if __name__ == "__main__":
    for made in release(build().parent):
        print(f"{made}  ({made.stat().st_size / 1e6:.1f} MB)")
