"""The long run of the digits: what it keeps, and that it goes on where it was cut."""

import json

import numpy as np
import pytest
import torch

import diffnotes as dn
from tools import digits


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The tool with trainings that only say what they were asked for, and the calls it made."""
    calls = []

    def pictures(name, kind):
        for epoch in digits.SETTINGS[name]["epochs"]:
            calls.append((name, kind, epoch))
            yield epoch, "png", {"training loss": 1.0}

    def memorising(*arm):
        calls.append(arm)
        return {"training loss": [1.0], "test loss": [2.0]}

    for name, value in dict(TARGET=tmp_path / "runs" / "digits.json", pictures=pictures, memorising=memorising).items():
        monkeypatch.setattr(digits, name, value)
    return calls


def test_a_run_that_was_cut_goes_on(small):
    digits.main()
    whole = json.loads(digits.TARGET.read_text(encoding="utf-8"))
    assert len(whole["pictures"]) == 12 and len(whole["memorising"]) == len(digits.ARMS) * len(digits.SEEDS) == len(small) - 12
    cut = whole | {"pictures": whole["pictures"][:8], "memorising": whole["memorising"][:5]}
    digits.TARGET.write_text(json.dumps(cut), encoding="utf-8")
    made = len(small)
    digits.main()
    again = json.loads(digits.TARGET.read_text(encoding="utf-8"))
    assert len(small) - made == 6 + len(whole["memorising"]) - 5  # a pair that was cut begins anew
    assert again["memorising"] == whole["memorising"] and len(again["pictures"]) == 12 and again["minutes"] >= whole["minutes"]


def test_few_images_are_every_second_one_and_the_shift_keeps_the_optimal_denoiser(monkeypatch):
    monkeypatch.setattr(digits, "LENGTHS", (1,))
    one, moved, fewer = (digits.memorising(m, 1, few, 0) for m, few in ((0, 32), (5, 32), (0, 16)))
    assert [len(row) for row in one.values()] == [2, 2]
    assert moved["test loss"][-1] == pytest.approx(one["test loss"][-1], rel=1e-3) != fewer["test loss"][-1]


def test_a_picture_has_its_images_in_two_rows_of_eight():
    images = torch.zeros(16, 784)
    images[9] = 1
    run = {"pictures": [{"png": digits.png(images)}]}
    grey = np.array(dn.page.records.grey(run["pictures"][0]["png"]))
    assert grey.shape == (56, 224) and (grey[28:, 28:56] > 240).all() and grey.sum() == grey[28:, 28:56].sum()
