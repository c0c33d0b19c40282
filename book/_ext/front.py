"""The first screen's count of verdicts, doors and findings, made from the chapters' stored outputs.

In the first chapter a Markdown cell that begins with ``<a id="front"></a>`` says the same in plain words, for GitHub and Colab;
in the built book its HTML comes in its place.  A number shown here that no chapter computes stops the build.
"""

from collections import Counter
from html import escape
from pathlib import Path

from diffnotes.page import claims, quoting

MARK = '<a id="front"></a>'
LEDGER = "03_claim_ledger.html"
MANY = {"holds": "hold", "holds in experiment": "hold in experiment", "holds with repair": "hold with repair",
        "does not reproduce": "do not reproduce", "does not close": "do not close"}
DOORS = Path(__file__).with_name("doors.html").read_text(encoding="utf-8").replace("\n", "")
# A chapter, its numbers, the big number and the sentence: {0[0]} is the first number, {0[2]} its spread, {1[0]} the second.
FINDINGS = (
    ("51_two_clocks", ("mem_exponent", "gen_exponent"), "n<sup>{0[0]}</sup> <small>{0[2]}</small>",
     "is how the time to memorise grows with the data, for random features in 32 dimensions, at low noise. The time to "
     "generalise hardly moves there: n<sup>{1[0]}</sup>."),
    ("43_which_density", ("lost_sde", "lost_integrated"), "{0[0]} <small>not {1[0]}</small>",
     "of the models lose a far mode, a bump of the target, in what they generate. It is the paper’s way of reading off a density "
     "that loses it."),
    ("57_privacy", ("auc_100",), "{0[0]} <small>AUC</small>",
     "for telling whether an image was among the 100 trained on (0.5 is guessing, 1 is certain), at the best time to stop and "
     "the noise level that the attacker picks. Stopping in time is not privacy."))


def tally(ledger) -> str:
    """The paper's items as a bar of cells, one each, grouped by verdict; a group leads to its items in the ledger."""
    rows = [(item.name, verdict.verdict) for item, verdict in ledger if item.group == "the paper" and verdict]
    counts, groups = Counter(verdict for _, verdict in rows), []
    for verdict in (verdict for verdict in claims.VERDICTS if counts[verdict]):
        cells = "".join(f'<i title="{escape(name)}: {verdict}"></i>' for name, found in rows if found == verdict)
        words = MANY[verdict] if counts[verdict] > 1 and verdict in MANY else verdict.removesuffix(" here")
        slug = verdict.replace(" ", "-")
        label = f"{counts[verdict]} of {len(rows)} {words}: to the claim ledger"
        inside = f'<span class="cells" aria-hidden="true">{cells}</span><b>{counts[verdict]}</b><span>{words}</span>'
        link = f'<a href="{LEDGER}#{slug}" aria-label="{label}">{inside}</a>'
        groups.append(f'<li class="{slug}" style="--k:{counts[verdict]}">{link}</li>')
    return (f'<section><div class="top"><h2>What became of the paper’s {len(rows)} statements, proofs and figures</h2>'
            f'<a href="{LEDGER}">Claim ledger</a></div><ul class="tally">{"".join(groups)}</ul></section>')


def findings(book: Path) -> str:
    """Three results with a number each, as the chapters have computed them."""
    cells = []
    for chapter, names, number, line in FINDINGS:
        found = [quoting.quoted(book / f"{chapter}.ipynb", name).partition(" ") for name in names]
        cells.append(f'<div class="finding"><b>{number.format(*found)}</b><p>{line.format(*found)}</p>'
                     f'<a href="{chapter}.html">How it was measured</a></div>')
    return f'<section class="findings">{"".join(cells)}</section>'


def front(book: Path) -> str:
    """One line of HTML, so that Markdown leaves it alone."""
    ledger = claims.ledger(book)
    return f'<div class="front">{tally(ledger)}{DOORS}{findings(book)}</div>'


def convert(text: str, book: Path) -> str:
    """The Markdown of a cell, or the front in its place."""
    return front(book) if text.startswith(MARK) else text
