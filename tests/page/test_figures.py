"""Figures are the same bytes for the same data, wear roles instead of colours, and are legible without scripts and styles."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from diffnotes import figures as fig

ALT = "A curve that rises from left to right, with a grey band around it that grows wider, and a dot at its end; below it an axis."


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
    one, two = drawn(), drawn()
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
