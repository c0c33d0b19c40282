"""What a chapter's first cell takes from the environment."""

import pytest
import torch

import diffnotes as dn


def test_presets(monkeypatch, capsys):
    monkeypatch.setenv("DIFFNOTES_PRESET", "paper")
    assert dn.by_preset(ci=1, paper=2) == 2 and dn.by_preset(ci=1) == 1
    with pytest.raises(ValueError, match=r"^DIFFNOTES_PRESET: .*ci in this chapter"):
        dn.start(ci="1 s")
    monkeypatch.setenv("DIFFNOTES_PRESET", "fast")
    with pytest.raises(ValueError, match=r"^DIFFNOTES_PRESET"):
        dn.preset()
    monkeypatch.setenv("DIFFNOTES_PRESET", "ci")
    monkeypatch.setenv("DIFFNOTES_DEVICE", "cpu")
    assert dn.start(ci="1 s").type == "cpu" and capsys.readouterr().out == "preset ci, about 1 s; device cpu\n"


def test_only_larger_presets_take_a_gpu_unasked(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for preset, asked, got in (("ci", "", "cpu"), ("paper", "", "cuda"), ("ci", "cuda", "cuda"), ("paper", "cpu", "cpu"), ("ci", "auto", "cuda")):
        monkeypatch.setenv("DIFFNOTES_PRESET", preset)
        monkeypatch.setenv("DIFFNOTES_DEVICE", asked)
        assert dn.start(ci="1 s", paper="1 s").type == got, (preset, asked)


def test_seeds_come_from_the_environment(monkeypatch):
    assert dn.seeds(ci=3, paper=9) == range(3)
    monkeypatch.setenv("DIFFNOTES_PRESET", "paper")
    monkeypatch.setenv("DIFFNOTES_FIRST_SEED", "1000")
    assert dn.seeds(ci=3, paper=9) == range(1000, 1009)
    monkeypatch.setenv("DIFFNOTES_FIRST_SEED", "-1")
    with pytest.raises(ValueError, match=r"^DIFFNOTES_FIRST_SEED: got '-1'; allowed: "):
        dn.seeds(ci=1)


def test_without_variables_it_is_the_small_preset(monkeypatch):
    for name in ("DIFFNOTES_PRESET", "DIFFNOTES_FIRST_SEED"):
        monkeypatch.delenv(name, raising=False)
    assert dn.preset() == "ci" and dn.seeds(ci=2) == range(2)


def test_a_preset_that_is_not_named_takes_the_value_of_ci(monkeypatch):
    monkeypatch.setenv("DIFFNOTES_PRESET", "gpu")
    assert dn.by_preset(ci=1, paper=2) == 1 and dn.by_preset(gpu=3) == 3 and dn.by_preset(ci=None, gpu=0) == 0
    with pytest.raises(ValueError, match=r"^ci: got nothing; allowed: "):
        dn.by_preset(paper=2)
    monkeypatch.setenv("DIFFNOTES_FIRST_SEED", "0")
    assert dn.seeds(ci=1) == range(1)
