"""Figures for the pages: drawn with matplotlib, shown as vectors that wear the reader's theme::

    left, right = dn.figures.panels(2)
    dn.figures.line(left, tau, runs.norm(tau), dn.figures.SIZES[0], "m = 16")
    dn.figures.show([left, right], "fig-name", "What the picture says.", "How to read it.", alt="What one sees, in words.")

Each panel is a small picture of its own: side by side on a desk, one below the other on a phone, in the same type size.
Colours are roles (ink, size, harm), which the page's style sheet turns into light or dark ones.  The output holds the
SVG, and a PNG at twice the pixels for front ends that show no SVG; continuous integration compares the PNG.
"""

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator
from PIL import Image

from ..base import checks as check
from .tables import power

# Roles and their colours on light and on dark pages.  The light ones are drawn; each is different, so that it names its role.
ROLES = {
    "#ffffff": ("paper", "#14181e"), "#1f2429": ("ink", "#e4e8ec"), "#59636e": ("mute", "#9ba6b2"),
    "#e6e9ec": ("rule", "#2a313a"), "#d3d8dd": ("ground", "#47505b"),
    "#d55e00": ("harm", "#f28a42"), "#ad4b00": ("harm-ink", "#f7a063"), "#2b76aa": ("size-ink", "#5fa8dd"),
    "#4a9ad0": ("size-0", "#3f8fc9"), "#1f78b6": ("size-1", "#6cb0e0"),
    "#0b5690": ("size-2", "#9ccbed"), "#06365f": ("size-3", "#cde5f7"),
}
PAPER, INK, MUTE, RULE, GROUND, HARM, HARM_INK, SIZE_INK, *SIZES = ROLES
SIGNAL = SIZES[1]
_WORDS = {HARM: HARM_INK, SIZES[0]: SIZE_INK}  # colours that are too faint for words, and those that words take

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 9.5, "text.color": INK, "axes.facecolor": PAPER, "figure.facecolor": PAPER,
    "axes.edgecolor": MUTE, "axes.linewidth": 0.8, "axes.labelcolor": MUTE, "axes.labelsize": 9.5,
    "axes.titlesize": 9.5, "axes.titlecolor": INK, "axes.titlelocation": "left", "axes.titlepad": 7,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": RULE, "grid.linewidth": 0.8, "axes.axisbelow": True,
    "xtick.color": MUTE, "ytick.color": MUTE, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "xtick.major.size": 0, "ytick.major.size": 0, "xtick.major.pad": 5, "ytick.major.pad": 5,
    "lines.linewidth": 2, "lines.solid_capstyle": "round", "svg.fonttype": "none",
}


def panels(count: int = 1, width: float = 3.5, height: float = 2.7) -> list[Axes]:
    """Axes of ``count`` small pictures, each in a figure of its own, in inches: 3.5 is half a page, and a phone."""
    with matplotlib.rc_context(_RC):
        return [Figure(figsize=(width, height), layout="constrained").subplots() for _ in range(check.integer("count", count))]


def mosaic(layout: str, width: float, height: float, ratios: Sequence[float]) -> dict[str, Axes]:
    """Axes of one figure by their letters, laid out as in the text ``layout``, such as "abc;ddd" with two heights."""
    with matplotlib.rc_context(_RC):
        return Figure(figsize=(width, height), layout="constrained").subplot_mosaic(layout, height_ratios=ratios)


def axes(ax: Axes, x: str = "", y: str = "", log: str = "", xlim=None, ylim=None, xticks=None, yticks=None) -> Axes:
    """Name the axes: y above the panel, where it reads without turning the head, x below; ``log`` is "x", "y" or "xy"."""
    if log not in ("", "x", "y", "xy"):
        check.fail("log", repr(log), "x, y, xy or nothing")
    with matplotlib.rc_context(_RC):
        ax.set_title(y)
        ax.set_xlabel(x, loc="right")
        for axis, scale, limits, ticks in ((ax.xaxis, "x", xlim, xticks), (ax.yaxis, "y", ylim, yticks)):
            if scale in log:
                getattr(ax, f"set_{scale}scale")("log")
                axis.set_major_formatter(FuncFormatter(lambda v, _: _tick(v)))
                axis.set_major_locator(LogLocator(numticks=6))
            if limits is not None:
                getattr(ax, f"set_{scale}lim")(*limits)
            if ticks is not None:
                axis.set_major_locator(FixedLocator(list(ticks)))
            axis.set_minor_locator(NullLocator())
    return ax


def line(ax: Axes, x, y, color: str, label: str = "", where=None, *, align: str = "left", **style) -> Axes:
    """A curve with its name beside it; of several seeds, y [seeds, k], the median, in a band from 10% to 90%.

    The name begins at the point ``where``, in the units of the axes; with ``align`` it ends there, or has its middle there.
    """
    x, y = as_array(x), as_array(y)
    with matplotlib.rc_context(_RC):
        if y.ndim == 2:
            low, y, high = np.nanquantile(y, [0.1, 0.5, 0.9], axis=0)
            ax.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
        ax.plot(x, y, color=color, **style)
    if label:
        note(ax, label, where or (x[-1], y[-1]), color, align=align)
    return ax


def level(ax: Axes, y: float, color: str = INK, label: str = "", where=None, *, align="left", dotted=False) -> None:
    """A horizontal line across the panel with its name, such as a bound that a ratio may not cross."""
    ax.axhline(y, color=color, linewidth=1.2, linestyle=(0, (1, 2)) if dotted else "-")
    if label:
        note(ax, label, where or (ax.get_xlim()[0], y), color, align=align)


def note(ax: Axes, text: str, at, color: str = INK, *, shift=(0, 0), align: str = "left", bold: bool = False) -> None:
    """Words in the picture, beside what they name; on the paper's colour, so that no line crosses them."""
    with matplotlib.rc_context(_RC):
        words = ax.annotate(
            text, at, shift, textcoords="offset points", color=_WORDS.get(color, color), ha=align, va="center",
            fontweight="bold" if bold else "normal", annotation_clip=False, zorder=5,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.85})
        words.set_in_layout(False)  # words do not push the axes about; they must find room


def dots(ax: Axes, x, y, color: str, size: float = 6, **style) -> None:
    """Points with a rim of the paper's colour, which stay apart where they overlap."""
    with matplotlib.rc_context(_RC):
        ax.plot(as_array(x), as_array(y), "o", color=color, markersize=size, markeredgecolor=PAPER, markeredgewidth=1.2, **style)


@dataclass(frozen=True)
class Picture:
    """A figure as a page shows it: HTML, a PNG, and words."""

    html: str
    png: bytes
    text: str

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.text, "text/html": self.html, "image/png": base64.b64encode(self.png).decode()}


def show(axes: Sequence[Axes], name: str, message: str, reading: str, *, alt: str) -> Picture:
    """The figure of these panels.

    Args:
        axes: from ``panels``.
        name: the figure's anchor, ``fig-...``, one of a kind on its page.
        message: what the picture says, in one sentence; it opens the caption.
        reading: how to read it: what is drawn, over how many seeds, with which bands.
        alt: what one sees, for those who cannot.
    """
    captioned(name, message, alt)
    figures = figures_of(axes)
    drawn = "".join(svg(figure, f"{name}-{k}") for k, figure in enumerate(figures))
    fallback = sheet([figures])
    body = f'<div class="dn-panels" role="img" aria-label="{escape(alt)}">{drawn}</div>'
    return Picture(framed(name, body, fallback, message, reading, alt), fallback, f"{message} {reading}")


def figures_of(axes: Sequence[Axes]) -> list[Figure]:
    """The figures that these panels belong to, each once."""
    if not list(axes):
        check.fail("axes", "none", "at least one panel")
    return [figure for figure in dict.fromkeys(ax.get_figure(root=True) for ax in axes) if figure is not None]


def captioned(name: str, message: str, *alts: str) -> None:
    """A ``ValueError`` for what cannot be an anchor, or for words that say too little."""
    for key, text, least in (("message", message, 10), *(("alt", alt, 80) for alt in alts)):
        if len(text) < least:
            check.fail(key, f"{len(text)} characters", f"at least {least}")
    if not re.fullmatch(r"[a-z][\w-]*", name):
        check.fail("name", repr(name), "lower-case letters, digits and hyphens")


def framed(name: str, body: str, fallback: bytes, message: str, reading: str, alt: str) -> str:
    """The HTML around a figure: its style, its caption, and the PNG that shows where the style is not honoured."""
    image = f'<img class="dn-png" alt="{escape(alt)}" src="data:image/png;base64,{base64.b64encode(fallback).decode()}">'
    caption = f"<figcaption><b>{escape(message)}</b> {subscripts(reading)}</figcaption>"
    return f'<figure class="dn-figure" id="{name}"><style>{_style()}</style>{body}{image}{caption}</figure>'


def subscripts(words: str) -> str:
    """A caption as HTML, in which the k of b_k is set low, and the name x86_64 is not."""
    return re.sub(r"\b([^\W\d_])_(\w)\b", r"\1<sub>\2</sub>", escape(words))


def svg(figure: Figure, name: str) -> str:
    """A figure as inline SVG: same bytes for the same drawing, roles for colours, the page's own type for words."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_RC | {"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.S)
    used = set(re.findall(r"(?:url\(#|href=\"#)([\w-]+)", text))
    text = re.sub(r' id="([\w-]+)"', lambda m: m[0] if m[1] in used else "", text)  # the others would be twice on a page
    text = re.sub(r'(url\(#|href="#| id=")([\w-]+)', lambda m: f"{m[1]}{name}-{m[2]}", text)
    text = re.sub(r"<[^>]+>", lambda tag: re.sub(r"-?\d+\.\d{3,}", _hundredths, tag[0]), text)  # in tags, not in words
    text = re.sub(r" ?font-family: [^;\"]*;?|<g/>| transform=\"rotate\(-0 [^\"]*\"", "", text)
    for light, (role, _) in ROLES.items():
        text = text.replace(light, f"var(--dn-{role})")
    box, width = re.search(r'viewBox="[^"]+"', text), 1.35 * figure.get_figwidth()
    head = f'<svg {box[0] if box else ""} style="max-width:{width:.2f}in;stroke-linejoin:round" aria-hidden="true">'
    text = re.sub(r"<svg[^>]*>", head, text).replace("font-weight: bold", "font-weight: 600")
    return re.sub(r"\s*\n\s*", "\n", text).strip()


def sheet(rows: Sequence[Sequence[Figure]]) -> bytes:
    """A PNG of rows of figures on white, at twice the pixels of a screen, in a palette that keeps the file small."""
    pictures = [[_pixels(figure) for figure in row] for row in rows]
    heights = [max(picture.height for picture in row) for row in pictures]
    sheet = Image.new("RGB", (max(sum(picture.width for picture in row) for row in pictures), sum(heights)), "white")
    for k, row in enumerate(pictures):
        for i, picture in enumerate(row):
            sheet.paste(picture, (sum(other.width for other in row[:i]), sum(heights[:k])))
    buffer = io.BytesIO()
    sheet.quantize(64, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _pixels(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    with matplotlib.rc_context(_RC):
        figure.savefig(buffer, format="png", dpi=192, metadata={"Software": None})
    return Image.open(buffer).convert("RGB")


def roles() -> str:
    """The roles as custom properties of a style sheet: ``--dn-ink`` and the others, each light or dark as the page is."""
    found = " ".join(f"--dn-{name}: light-dark({light}, {dark});" for light, (name, dark) in ROLES.items() if name != "paper")
    return f"--dn-paper: var(--pst-color-background, var(--jp-layout-color0, light-dark({PAPER}, {ROLES[PAPER][1]}))); {found}"


def _style() -> str:
    return resources.files(__package__).joinpath("figures.css").read_text(encoding="utf-8").replace("__ROLES__", roles())


def _tick(value: float) -> str:
    """0.01, 1, 1024, and powers of ten beyond."""
    return f"{value:g}" if 1e-3 <= value < 1e4 else power(value)


def _hundredths(number: re.Match) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def as_array(x) -> np.ndarray:
    """A NumPy array of a tensor on any device, or of anything array-like."""
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
