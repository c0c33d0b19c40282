"""Figures are the same bytes for the same data, wear roles instead of colours, and are legible without scripts and styles."""

import base64
import functools
import io
import re

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from diffnotes import figures as fig

ALT = "A curve that rises from left to right, with a grey band around it that grows wider, and a dot at its end; below it an axis."


@functools.cache
def drawn(shift=0.0):
    left, right = fig.panels(2)
    rows = torch.from_numpy(np.random.default_rng(0).uniform(1, 2, (4, 3))) + shift
    fig.line(left, [1, 10, 100], rows, fig.HARM, "0.0029 of b")
    fig.dots(left, [100], [1.0], fig.SIGNAL)
    fig.level(right, 0.5, label="bound", dotted=True)
    fig.note(right, "here", (0.2, 0.2), fig.SIZES[0], bold=True)
    fig.axes(left, "x", "y", log="x")
    return fig.show([left, right], "fig-a", "It rises with b.", "How b_k is read.", alt=ALT)


def test_the_same_data_give_the_same_bytes_and_others_give_others():
    one, two = drawn(), drawn.__wrapped__()
    assert one == two and drawn(0.1).png != one.png


def test_a_drawing_wears_roles_and_keeps_its_words():
    html = drawn().html
    svg = re.search(r"<svg.*?</svg>", html, re.S)[0]
    assert "0.0029 of b" in svg and "var(--dn-harm)" in svg and "var(--dn-harm-ink)" in svg
    assert not re.search(r"#[0-9a-f]{6}", svg), "a colour that is no role"
    assert all(name.startswith("fig-a-") for name in re.findall(r' id="([^"]+)"', html.split("</style>")[1]))
    assert "<figcaption><b>It rises with b.</b> How b<sub>k</sub> is read.</figcaption>" in html and html.count("<svg") == 2
    assert not re.search(r"https?://(?!www\.w3\.org)", html) and "<metadata" not in html


def test_front_ends_without_styles_get_a_picture_of_twice_the_pixels_and_words():
    picture = drawn()
    shown = picture._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html", "image/png"} and shown["text/plain"] == "It rises with b. How b_k is read."
    image = Image.open(io.BytesIO(base64.b64decode(shown["image/png"])))
    assert image.size == (2 * round(3.5 * 192), round(2.7 * 192)) and len(picture.png) < 60_000
    assert f'alt="{ALT}"' in picture.html and f'aria-label="{ALT}"' in picture.html


def test_of_several_seeds_the_median_is_drawn_in_its_band():
    ax, = fig.panels()
    fig.line(ax, [0, 1], torch.arange(11.0)[:, None].expand(11, 2), fig.INK)
    low, high = np.sort(np.unique(ax.collections[0].get_paths()[0].vertices[:, 1]))[[0, -1]]
    assert (low, high) == (1, 9) and list(ax.lines[0].get_ydata()) == [5, 5]


def test_roles_are_distinct_and_stand_out_on_their_paper():
    """Contrast 3:1 for lines and 4.5:1 for words, in both themes."""
    def luminance(colour):
        channels = [int(colour[k:k + 2], 16) / 255 for k in (1, 3, 5)]
        return sum(w * (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4) for w, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True))

    def contrast(one, other):
        high, low = sorted((luminance(one), luminance(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for theme in (0, 1):
        colour = {name: (light, dark)[theme] for light, (name, dark) in fig.ROLES.items()}
        assert len(set(colour.values())) == len(colour)
        for name in ("ink", "mute", "harm-ink", "size-ink", "size-2", "size-3"):
            assert contrast(colour[name], colour["paper"]) >= 4.5, name
        for name in ("harm", "size-0", "size-1"):
            assert contrast(colour[name], colour["paper"]) >= 3, name
        sizes = [luminance(colour[f"size-{k}"]) for k in range(4)]
        assert sizes == sorted(sizes, reverse=not theme)


@pytest.mark.parametrize(("change", "name"), [({"alt": "short"}, "alt"), ({"message": "no"}, "message"), ({"axes": []}, "axes"), ({"name": "a b"}, "name")])
def test_errors_name_the_argument(change, name):
    arguments = {"axes": fig.panels(1), "name": "fig-b", "message": "It rises with b.", "reading": "", "alt": ALT} | change
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        fig.show(**arguments)
    with pytest.raises(ValueError, match=r"^log: "):
        fig.axes(fig.panels(1)[0], log="z")


def test_the_look_of_a_panel():
    """The sizes of words and strokes, in points, written out: the pages' type is chosen to match them."""
    ax = fig.axes(fig.panels()[0], "x", "y", xlim=(0, 1), ylim=(0, 1))
    across, up = ax.xaxis.get_major_ticks()[0], ax.yaxis.get_major_ticks()[0]
    assert [side for side, spine in ax.spines.items() if spine.get_visible()] == ["bottom"] and ax.spines["bottom"].get_linewidth() == 0.8
    assert [words.get_fontsize() for words in (ax.title, ax._left_title, ax.xaxis.label, across.label1, up.label1)] == [9.5, 9.5, 9.5, 9, 9]
    assert (ax._left_title.get_text(), ax.title.get_text(), ax.xaxis.label.get_text()) == ("y", "", "x")
    assert ax.titleOffsetTrans.get_matrix()[1, 2] * 72 / ax.figure.dpi == pytest.approx(7)
    assert [(tick.tick1line.get_markersize(), tick.get_pad(), tick.gridline.get_visible()) for tick in (across, up)] == [(0, 5, False), (0, 5, True)]
    assert up.gridline.get_linewidth() == 0.8 and ax.get_axisbelow() is True and tuple(ax.figure.get_size_inches()) == (3.5, 2.7)
    assert (fig.SIGNAL, fig.SIZES, fig._RC["font.size"]) == ("#1f78b6", ["#4a9ad0", "#1f78b6", "#0b5690", "#06365f"], 9.5)


def test_the_look_of_lines_dots_and_words():
    """Which bug this catches: a name that stands at the wrong end of its line; other defaults than those that pages count on."""
    ax = fig.panels()[0]
    ax.set_xlim(-2, 5)
    fig.line(ax, [1, 2, 3], [[4.0, 5.0, 6.0]] * 2, fig.SIZES[0], "end")
    fig.line(ax, [1, 2, 3], [4.0, 5.0, 6.0], fig.SIZES[1])
    fig.level(ax, 0.5, label="solid")
    fig.level(ax, 0.7, label="dotted", where=(1, 0.7), align="right", dotted=True)
    fig.dots(ax, [1], [2], fig.HARM)
    fig.note(ax, "bold", (0, 0), fig.SIZES[1], shift=(3, 4), bold=True)
    assert [(line.get_linewidth(), line.get_linestyle(), line._unscaled_dash_pattern) for line in ax.lines[:4]] == [
        (2, "-", (0, None)), (2, "-", (0, None)), (1.2, "-", (0, None)), (1.2, "--", (0, (1, 2)))]
    dot, band = ax.lines[4], ax.collections[0]
    assert (dot.get_markersize(), dot.get_markeredgewidth(), dot.get_markeredgecolor()) == (6, 1.2, "#ffffff")
    assert list(band.get_linewidth()) == [0] and band.get_alpha() == 0.18
    assert [(words.get_text(), tuple(map(float, words.xy)), words.xyann, words.get_ha(), words.get_fontweight(), words.get_color()) for words in ax.texts] == [
        ("end", (3, 6), (0, 0), "left", "normal", "#2b76aa"), ("solid", (-2, 0.5), (0, 0), "left", "normal", "#1f2429"),
        ("dotted", (1, 0.7), (0, 0), "right", "normal", "#1f2429"), ("bold", (0, 0), (3, 4), "left", "bold", "#1f78b6")]
    for words in ax.texts:
        box = words.get_bbox_patch()
        assert (words.get_zorder(), words.get_annotation_clip(), words.get_in_layout(), words.get_fontsize()) == (5, False, False, 9.5)
        assert (box.get_alpha(), box.get_boxstyle().pad * words.get_fontsize()) == (0.85, pytest.approx(0.08 * 9.5))


def test_logarithmic_axes_write_numbers_as_readers_do():
    for log in ("", "x", "y", "xy"):
        ax = fig.axes(fig.panels()[0], log=log, xlim=(1, 2), ylim=(3, 4), yticks=[3.5])
        assert (ax.get_xscale() == "log", ax.get_yscale() == "log") == ("x" in log, "y" in log)
        assert (ax.get_xlim(), ax.get_ylim(), list(ax.get_yticks()), list(ax.xaxis.get_minorticklocs())) == ((1, 2), (3, 4), [3.5], [])
    assert ax.xaxis.get_major_locator().numticks == 6
    assert list(map(ax.xaxis.get_major_formatter(), (9e-4, 1e-3, 0.5, 9999.5, 1e4), range(5))) == ["9·10⁻⁴", "0.001", "0.5", "9999.5", "10⁴"]


def test_pictures_side_by_side_touch_neither_each_other_nor_the_edge():
    """One inch and two inches high, at 192 dots each.  Which bug this catches: a sheet as low as the lower; a row that is cut off."""
    sheet = Image.open(io.BytesIO(fig.sheet([[Figure((1, 1), facecolor="red"), Figure((1, 2), facecolor="blue")]]))).convert("RGB")
    red, blue, white = (255, 0, 0), (0, 0, 255), (255, 255, 255)
    assert sheet.size == (384, 384)
    assert [sheet.getpixel(at) for at in ((0, 0), (191, 191), (0, 192), (192, 0), (383, 383))] == [red, red, white, blue, blue]
    palette = drawn().png.index(b"PLTE")
    assert int.from_bytes(drawn().png[palette - 4:palette], "big") == 3 * 64


def test_only_what_a_drawing_refers_to_has_a_name():
    html = drawn().html
    ids, used = re.findall(r' id="(fig-a-[\w-]+)"', html), re.findall(r'(?:url\(#|href="#)([^")]+)', html)
    assert len(ids) == len(set(ids)) > 2 and set(ids) == set(used) and html.count("max-width:4.73in") == 2


def test_roles_are_properties_of_a_style_sheet():
    names = re.findall(r"--dn-([\w-]+): (\S+)", fig.roles())
    assert [name for name, _ in names] == [name for name, _ in fig.ROLES.values()] and fig.roles().startswith("--dn-paper: var(--pst-color-background")
    assert "--dn-ink: light-dark(#1f2429, #e4e8ec);" in fig.roles()


def test_the_shortest_texts_and_panels_inside_a_part_of_a_figure():
    ax = Figure((2, 1)).subfigures(1, 1).subplots()
    shown = fig.show([ax, ax], "fig-c", "0123456789", "", alt="a" * 80)
    assert shown.html.count("<svg") == 1
    for change in ({"alt": "a" * 79}, {"message": "012345678"}):
        with pytest.raises(ValueError, match=rf"^{next(iter(change))}: got (79|9) characters; allowed: at least (80|10)"):
            fig.show(**{"axes": [ax], "name": "fig-d", "message": "0123456789", "reading": "", "alt": "a" * 80} | change)


def test_a_caption_sets_an_index_low_and_leaves_names_alone():
    assert fig.subscripts("b_k and t_S on x86_64") == "b<sub>k</sub> and t<sub>S</sub> on x86_64"
