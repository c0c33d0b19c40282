"""The figure that moves holds the data that it is given, a still picture, and words; it asks nobody for anything."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.page import stopping

TAU = torch.logspace(2, 10, 25, dtype=torch.float64)
POINTS = torch.linspace(-9, 9, 91, dtype=torch.float64)


def arguments():
    rng = np.random.default_rng(0)
    kl = {n: 0.1 + rng.uniform(0, 1, (8, 25)) for n in (32, 128, "population")}
    densities = {n: torch.from_numpy(rng.uniform(0, 0.3, (25, 91))) for n in kl}
    return dict(tau=TAU, kl=kl, densities=densities, points=POINTS, target=torch.exp(-POINTS.square()) / np.pi**0.5,
                data=torch.linspace(-4, 4, 128), caption="What is drawn.")


@pytest.fixture(scope="module")
def shown():
    return dn.stop_the_training(**arguments())


def test_it_holds_the_numbers_that_it_is_given(shown):
    data, given = json.loads(re.search(r'application/json">(.*?)</script>', shown.html)[1]), arguments()
    assert data["n"] == [32, 128] and data["tau"] == [2.0, pytest.approx(1 / 3, abs=1e-6)]
    for key, q in (("kl", 0.5), ("q10", 0.1), ("q90", 0.9)):
        assert np.allclose(data[key], [np.quantile(rows, q, axis=0) for rows in given["kl"].values()], rtol=6e-3)
    rows = np.frombuffer(base64.b64decode(data["model"]), np.uint8).reshape(3, 25, 91) / 255 * np.array(data["peak"]).reshape(3, 25, 1)
    assert np.abs(rows - np.stack([*given["densities"].values()])).max() < 0.3 * (1 / 500 + 5e-3)
    rug = np.frombuffer(base64.b64decode(data["rug"]), "<u2") / 65535 * 18 - 9
    assert np.abs(rug - given["data"].numpy()).max() < 2e-4


def test_it_asks_nobody_and_is_light(shown):
    assert not re.search(r"https?://|@import|url\(", shown.html.replace("http://www.w3.org", "")) and "__" not in shown.html
    assert len(gzip.compress(shown.html.encode())) < 60_000 and shown.png[1:4] == b"PNG"
    assert set(shown._repr_mimebundle_()) == {"text/plain", "text/html", "image/png"}


def test_its_caption_begins_with_what_it_shows(shown):
    assert "<figcaption><b>Training brings the model near its target and then to its samples.</b> What is drawn.</figcaption>" in shown.html


def test_it_says_in_words_what_it_shows(shown):
    alt, median = re.search(r'class="still".*?alt="([^"]*)"', shown.html)[1], np.median(arguments()["kl"][32], 0)
    assert f"falls to {median.min():.2g} nats" in alt and f"climbs back to {median[-1]:.2g}" in alt and len(alt) > 300


@pytest.mark.parametrize(("change", "name"), [
    ({"kl": {"population": np.ones((2, 25))}}, "kl"), ({"densities": {32: torch.ones(25, 91)}}, "kl"), ({"tau": TAU[:5]}, "densities"),
    ({"points": POINTS[:9]}, "densities")])
def test_errors_name_the_argument(change, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        dn.stop_the_training(**arguments() | change)


def small(sizes=(32, 128), **change):
    """Nine times from 10^2.1 to 10^10.1, three seeds, seven points; the curve of 32 samples is least at its fifth time."""
    names, grow = (*sizes, "population"), np.linspace(0, 1, 9)
    kl = {name: np.array([[0.0], [0.5], [0.1]]) + 0.2 + k + 1.25 * (grow - 0.5) ** 2 for k, name in enumerate(names)}
    densities = {name: np.outer(1 + np.arange(9.0), [0, 1, 2, 4, 3, 2, 1]) / (k + 1) for k, name in enumerate(names)}
    return dict(tau=10 ** (2.1 + 8 * grow), kl=kl, densities=densities, points=np.linspace(-3, 3, 7), target=np.array([0, 1, 2, 4, 3, 2, 1]) / 8,
                data=np.linspace(-4, 4, 128)) | change


@pytest.fixture(scope="module")
def still():
    given = small()
    return given, stopping._still(given["tau"], given["kl"], given["densities"], *(given[name] for name in ("points", "target", "data")))


def strokes(ax):
    return [(line.get_color(), line.get_linewidth(), line.get_linestyle(), line.get_markersize()) for line in ax.lines]


def test_the_still_picture_shows_three_moments(still):
    """Which bug this catches: another moment than the one that is named, a rug of all samples, panels of different scales."""
    given, figure = still
    assert tuple(figure.get_size_inches()) == (7.6, 4.4) and len(figure.axes) == 4
    assert tuple(figure.axes[0].get_subplotspec().get_gridspec().get_height_ratios()) == (1, 1.25)
    for ax, k, title, hue in zip(figure.axes, (2, 4, 8), ("too early: KL 0.38", "in time: KL 0.30", "too late: KL 0.61"), ("#4a9ad0", "#4a9ad0", "#d55e00"), strict=False):
        assert ax._left_title.get_text() == title and strokes(ax) == [(hue, 2, "-", 6)]
        assert np.array_equal(ax.lines[0].get_xdata(), given["points"]) and np.array_equal(ax.lines[0].get_ydata(), given["densities"][32][k])
        assert (ax.get_xlim(), ax.get_ylim()) == ((-3, 3), (pytest.approx(-0.055), pytest.approx(1.05))) and not len(ax.get_xticks()) + len(ax.get_yticks())
        under, rug = ax.collections
        assert list(under.get_linewidth()) == [0] and under.get_paths()[0].vertices[:, 1].max() == 0.5
        assert list(rug.get_linewidth()) == [1.1]
        assert np.allclose(rug.get_segments(), [[[x, -0.05], [x, -0.015]] for x in given["data"][:32]])


def test_the_still_picture_shows_the_curves_and_names_them(still):
    given, figure = still
    ax, tau, middle = figure.axes[3], given["tau"], np.median(given["kl"][32], 0)
    assert strokes(ax) == [("#4a9ad0", 2.5, "-", 6), ("#1f78b6", 1.3, "-", 6), ("#1f2429", 1.3, "--", 6), ("#d55e00", 2.5, "-", 6),
                           ("#4a9ad0", 2, "None", 9), ("#4a9ad0", 2, "None", 9), ("#d55e00", 2, "None", 9)]
    assert all(np.array_equal(line.get_xdata(), x) and np.array_equal(line.get_ydata(), y) for line, x, y in zip(
        ax.lines, [tau, tau, tau, tau[4:], tau[2:3], tau[4:5], tau[8:]], [*(np.median(rows, 0) for rows in given["kl"].values()), middle[4:], middle[2:3], middle[4:5], middle[8:]], strict=True))
    ends = [(tau[8], np.median(rows, 0)[8]) for rows in given["kl"].values()]
    assert [(words.get_text(), words.xy, words.xyann, words.get_ha(), words.get_fontweight(), words.get_color()) for words in ax.texts] == [
        ("n = 32", ends[0], (8, 0), "left", "bold", "#2b76aa"), ("128", ends[1], (8, 0), "left", "normal", "#1f78b6"),
        ("population", ends[2], (8, 0), "left", "normal", "#1f2429"), ("too early", (tau[2], middle[2]), (8, 8), "left", "bold", "#1f2429"),
        ("in time", (tau[4], middle[4]), (8, -11), "left", "bold", "#1f78b6"), ("too late", (tau[8], middle[8]), (-8, 11), "right", "bold", "#ad4b00")]
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlim(), ax.get_ylim()) == ("log", "log", (tau[0], 12 * tau[8]), (1e-4, 1.05))
    assert list(ax.get_xticks()) == [1e2, 1e4, 1e6, 1e8, 1e10] and np.allclose(ax.get_yticks(), [1e-4, 1e-3, 1e-2, 0.1, 1], rtol=1e-12)


def test_what_the_script_reads_by_hand():
    """Which bug this catches: times rounded away, samples beyond the ends that wrap around, peaks that are not full bytes."""
    given = small(data=np.array([-9.0, -3, 0, 3, 9]))
    about = stopping._numbers(given["tau"], given["kl"]) | stopping._drawn(*(given[name] for name in ("points", "densities", "target", "data")))
    assert stopping._numbers(10 ** np.array([2.12345678, 4.1]), {})["tau"] == [2.123457, 1.976543]
    assert (about["steps"], about["tau"], about["low"], about["high"], about["points"]) == (9, [2.1, 1.0], -3, 3, 7)
    assert (about["top"], about["peakTarget"]) == (1.05, [0.5])
    assert about["peak"] == [4, 8, 12, 16, 20, 24, 28, 32, 36, *range(2, 19, 2), 1.33, 2.67, 4, 5.33, 6.67, 8, 9.33, 10.7, 12]
    assert list(np.frombuffer(base64.b64decode(about["target"]), np.uint8)) == [0, 64, 128, 255, 191, 128, 64]
    assert list(np.frombuffer(base64.b64decode(about["rug"]), "<u2")) == [0, 0, 32768, 65535, 65535]


def test_its_words_are_about_the_fewest_samples():
    words = stopping._words(small()["tau"], small()["kl"])
    assert "training on 32 samples" in words and "for 32, 128 samples and" in words
    assert "for 32 samples it falls to 0.3 nats near τ = 10⁶ and climbs back to 0.61" in words


@pytest.mark.parametrize("sizes", [(), (1, 2, 3, 4, 5), (32, "many")])
def test_one_to_four_numbers_of_samples_are_shown(sizes, monkeypatch):
    monkeypatch.setattr(stopping.figures, "sheet", lambda rows: b"")  # drawn, not painted
    for few in ((32,), (1, 2, 3, 4)):
        assert f'"n":[{",".join(map(str, few))}]' in dn.stop_the_training(**small(few), caption="").html
    with pytest.raises(ValueError, match=r"^kl: got .*; allowed: one to four numbers of samples"):
        dn.stop_the_training(**small(sizes), caption="")
