"""What a chapter's first cell takes from the environment."""

import pytest
import torch

import diffnotes as dn


def test_presets_and_devices(monkeypatch, capsys):
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
    with pytest.raises(ValueError, match=r"^device: "):
        dn.device("abacus")


def test_seeds_and_precision_come_from_the_environment(monkeypatch):
    assert dn.seeds(ci=3, paper=9) == range(3)
    monkeypatch.setenv("DIFFNOTES_PRESET", "paper")
    monkeypatch.setenv("DIFFNOTES_FIRST_SEED", "1000")
    monkeypatch.setenv("DIFFNOTES_DTYPE", "float64")
    assert dn.seeds(ci=3, paper=9) == range(1000, 1009) and str(dn.precision()) == "torch.float64"
    for name, call in (("DIFFNOTES_FIRST_SEED", lambda: dn.seeds(ci=1)), ("DIFFNOTES_DTYPE", dn.precision)):
        monkeypatch.setenv(name, "-1")
        with pytest.raises(ValueError, match=rf"^{name}: got '-1'; allowed: "):
            call()


def test_without_variables_it_is_the_small_preset_on_whatever_there_is(monkeypatch):
    """Which bug this catches: another default, and a device named by hand that the environment overrides."""
    for name in ("DIFFNOTES_PRESET", "DIFFNOTES_DEVICE", "DIFFNOTES_FIRST_SEED", "DIFFNOTES_DTYPE"):
        monkeypatch.delenv(name, raising=False)
    assert dn.preset() == "ci" and dn.precision() is torch.float32 and dn.seeds(ci=2) == range(2)
    for present, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert dn.device() == dn.device("auto") == torch.device(kind)
    monkeypatch.setenv("DIFFNOTES_DEVICE", "meta")
    assert dn.device().type == "meta" and dn.device("cpu").type == "cpu"


def test_a_preset_that_is_not_named_takes_the_value_of_ci(monkeypatch):
    monkeypatch.setenv("DIFFNOTES_PRESET", "gpu")
    assert dn.by_preset(ci=1, paper=2) == 1 and dn.by_preset(gpu=3) == 3 and dn.by_preset(ci=None, gpu=0) == 0
    with pytest.raises(ValueError, match=r"^ci: got nothing; allowed: "):
        dn.by_preset(paper=2)
    monkeypatch.setenv("DIFFNOTES_FIRST_SEED", "0")
    assert dn.seeds(ci=1) == range(1)
