"""The mixer: families of modes by hand, what its script reads, its still picture; and in a browser, that it moves and says what it shows."""

import base64
import json
import re
from math import expm1

import numpy as np
import pytest

import diffnotes as dn
from diffnotes.page import mixing

TAU = 10.0 ** np.linspace(0, 6, 13)
TIMES = np.array([0.1, 0.2, 1.0, 4.6, 5.9, 7.0])  # exponents of the learning times; the last is beyond
TEST = 0.02 + 0.2 / (1 + TAU) + 0.01 * TAU / (1e5 + TAU)


def small(**change):
    return dict(rates=0.5 / 10**TIMES, effects=[-0.3, 0.1, -1.0, 0.02, 1e-9, 5.0], tau=TAU, train=0.3 / (1 + TAU) + 0.001, test=TEST, n=7) | change


@pytest.fixture(scope="module")
def shown():
    return dn.mixer(**small())


def read(picture):
    return json.loads(re.search(r'application/json">(.*?)</script>', picture.html)[1])


def test_modes_of_like_speed_are_one_family():
    """Which bug this catches: families a step off, a mode counted twice, effects that do not add up, heights of another scale."""
    found = mixing.families(small()["rates"], np.array(small()["effects"]), 1.0, 1e6)
    assert [(f["low"], f["time"], f["effect"]) for f in found] == [
        (0.0, [0.1, 0.2], -0.2), (1.0, [1.0], -1.0), (4.5, [4.6], 0.02), (5.5, [5.9], 1e-9)]
    assert [f["tall"] for f in found] == [round(0.05 + 0.95 * (1 + np.log10(0.2) / 4.5), 3), 1.0, round(0.05 + 0.95 * (1 + np.log10(0.02) / 4.5), 3), 0.05]


def test_the_script_reads_the_losses_and_the_counts(shown):
    data = read(shown)
    assert (data["steps"], data["tau"], data["n"], data["modes"], data["width"]) == (13, [0.0, 0.5], 7, 6, 0.5)
    assert np.allclose(data["test"], TEST, rtol=5e-3) and np.allclose(data["train"], small()["train"], rtol=5e-3)
    assert data["low"] == -3.0 and data["ticks"] == [1, 0.1, 0.01, 0.001]
    assert data["marks"] == [[1, 1.0], [0.1, 0.789], [0.01, 0.578], [0.001, 0.367]]
    assert "Modes off the axis, 1 here, are not drawn." in shown.html
    assert "not drawn" not in dn.mixer(**small(rates=0.5 / 10 ** TIMES.clip(max=5.9))).html


def test_it_asks_nobody_is_light_and_says_what_it_shows(shown):
    assert not re.search(r"https?://|@import|url\(", shown.html.replace("http://www.w3.org", "")) and "__" not in shown.html
    assert base64.b64encode(shown.png).decode() in shown.html and len(shown.html) < 90_000
    assert "<figcaption><b>Signal first, memory later.</b> One training run on 7 samples, with 6 random features." in shown.html and "b<sub>k</sub>" in shown.html
    alt = re.search(r'class="still".*?alt="([^"]*)"', shown.html)[1]
    assert f"falls to {TEST.min():.2g} and climbs to {TEST[-1]:.2g}" in alt and "before τ = 10³ " in alt


def test_the_still_picture_has_bars_filled_by_the_best_time():
    data = read(dn.mixer(**small()))
    at = int(TEST.argmin())
    bars, loss = mixing._still(data, TAU, at).axes
    glasses, fills = bars.patches[::2], bars.patches[1::2]
    assert [bar.get_height() for bar in glasses] == [family["tall"] for family in data["families"]]
    share = [np.mean([-expm1(-TAU[at] / 10**t) for t in family["time"]]) for family in data["families"]]
    assert np.allclose([fill.get_height() for fill in fills], np.array(share) * [glass.get_height() for glass in glasses])
    assert [fill.get_facecolor()[2] > fill.get_facecolor()[0] for fill in fills] == [True, True, False, False]  # blue lowers, orange raises
    assert [len(line.get_xdata()) for line in loss.lines] == [13, at + 1, 13 - at, 1]


@pytest.mark.parametrize(("change", "name"), [
    ({"effects": [1.0]}, "effects"), ({"train": TAU[:3]}, "train"), ({"test": TAU[:, None]}, "test"), ({"n": 0}, "n")])
def test_errors_name_the_argument(change, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        dn.mixer(**small(**change))
