"""The figure that moves holds the data that it is given, a still picture, and words; it asks nobody for anything."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
import torch

import diffnotes as dn

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
