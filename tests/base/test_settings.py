"""The device and the precision of a computation that is told none."""

import pytest
import torch

import diffnotes as dn


def test_without_variables_it_is_the_gpu_where_there_is_one_in_single_precision(monkeypatch):
    """Which bug this catches: another default, and a device named by hand that the environment overrides."""
    for name in ("DIFFNOTES_DEVICE", "DIFFNOTES_DTYPE"):
        monkeypatch.delenv(name, raising=False)
    assert dn.precision() is torch.float32
    for present, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert dn.device() == dn.device("auto") == torch.device(kind)
    monkeypatch.setenv("DIFFNOTES_DEVICE", "meta")
    assert dn.device().type == "meta" and dn.device("cpu").type == "cpu"


def test_the_environment_names_both_and_is_checked(monkeypatch):
    monkeypatch.setenv("DIFFNOTES_DTYPE", "float64")
    assert dn.precision() is torch.float64
    monkeypatch.setenv("DIFFNOTES_DTYPE", "-1")
    with pytest.raises(ValueError, match=r"^DIFFNOTES_DTYPE: got '-1'; allowed: "):
        dn.precision()
    with pytest.raises(ValueError, match=r"^device: got 'abacus'; allowed: "):
        dn.device("abacus")
