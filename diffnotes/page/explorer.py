"""What the figures that move have in common: a slider for the training time, *Train*, keys, both themes.

Plain HTML and JavaScript, no kernel and no request; a still picture where scripts do not run, and in print.  An explorer is its
data, a still picture, words, and two files of its name, ``NAME.js`` and ``NAME.css``, which go into ``explorer.js`` and
``explorer.css``: what it draws, and what it says.
"""

import base64
import json
from collections.abc import Mapping
from html import escape
from importlib import resources

import numpy as np

from . import figures
from .figures import Picture


def assemble(kind: str, name: str, about: Mapping, still, *, message: str, caption: str, alt: str) -> Picture:
    """The explorer ``kind`` with its data.

    Args:
        kind: ``stop`` or ``mixer``: the class of the figure, and the name of its two files.
        name: the figure's anchor, one of a kind on its page.
        about: what the script reads, as JSON; with ``training_steps(tau)`` in it.
        still: a matplotlib figure, for print and for pages without scripts.
        message: what it shows, in a sentence.
        caption: how to read it.
        alt: what one sees in the still picture.
    """
    style, script = _filled("css", kind, name), _filled("js", kind, name)
    picture = figures.sheet([[still]])
    html = (f'<figure class="{kind}" id="{name}"><style>{style}</style>'
            f'<img class="still" src="data:image/png;base64,{base64.b64encode(picture).decode()}" alt="{escape(alt)}">'
            f"<figcaption><b>{escape(message)}</b> {figures.subscripts(caption)}</figcaption>"
            f'<script type="application/json">{json.dumps(about, separators=(",", ":"))}</script>'
            f"<script>{script}</script></figure>")
    return Picture(html, picture, message)


def training_steps(tau) -> dict:
    """Training times [k], even in the logarithm, as a script reads them."""
    first, last = np.log10(tau[[0, -1]])
    return {"steps": len(tau), "tau": [round(first, 6), round((last - first) / (len(tau) - 1), 6)]}


def three(values) -> list[float]:
    """Numbers with three digits, which is what a drawing shows."""
    return [float(f"{value:.3g}") for value in values]


def _filled(part: str, kind: str, name: str) -> str:
    folder = resources.files(__package__)
    common, own = (folder.joinpath(f"{file}.{part}").read_text(encoding="utf-8") for file in ("explorer", kind))
    return common.replace("__OWN__", own).replace("__ID__", name).replace("__ROLES__", figures.roles())
