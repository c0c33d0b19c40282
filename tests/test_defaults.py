"""torch.set_default_dtype and set_default_device change nothing: what a function gives follows from its arguments."""

import inspect

import numpy as np
import pytest
import torch
from test_bad_input import calls, parts

import diffnotes as dn


def use(dtype=torch.float32, device=None):
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)


@pytest.fixture(autouse=True)
def restored():
    yield
    use()


def tensors(result):
    """The tensors of a result, also those that its objects hold."""
    found = list(parts(result))
    for entry in result if isinstance(result, list | tuple) else [result]:
        found += [value for value in getattr(entry, "__dict__", {}).values() if isinstance(value, torch.Tensor)]
    return found


SETTINGS = {"float64": dict(dtype=torch.float64), "meta": dict(device="meta")}


@pytest.mark.parametrize("name", sorted(calls()))
def test_every_public_call_gives_what_it_gives_without(name):
    results = []
    for values in ({}, *SETTINGS.values()):
        use(**values)
        function, arguments = calls()[name]
        result = function(**arguments)
        results.append(list(result) if inspect.isgenerator(result) else result)
    use()  # the test's own tensors follow the default
    expected, *others = map(tensors, results)
    for found in others:
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def drawn(generator):
    kind = dict(dtype=torch.float32)
    sde = dn.VE()
    return {
        "features": dn.RandomFeatures.draw(4, 1, 1.0, generator, **kind).W, "double": dn.RandomFeatures.draw(4, 1, 1.0, generator).W,
        "net": dn.SwishNet.draw(3, sde, [generator], **kind).theta, "double net": dn.SwishNet.draw(3, sde, [generator], dtype=torch.float64).theta,
        "u-net": dn.UNet.draw(4, sde, [generator], channels=(4, 4), **kind).theta, "scaling": dn.Scaling.none(3, **kind).mean,
        "normal": dn.normal(generator, (3,), **kind), "uniform": dn.uniform(generator, (3,), **kind), "permutation": dn.permutation(generator, 3),
        "prior": dn.UNet.draw(4, sde, [generator], channels=(4, 4), data_std=0.5, **kind).prior.means,
    }


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("make", [lambda: np.random.default_rng(0), lambda: torch.Generator("cpu").manual_seed(0)])
def test_what_is_drawn_in_either_precision(make, setting):
    expected = drawn(make())
    use(**SETTINGS[setting])
    found = drawn(make())
    use()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


def test_values_from_lists_and_files(tmp_path):
    function = lambda n: torch.zeros(n, dtype=torch.float64, device="cpu")  # noqa: E731
    for values in SETTINGS.values():  # the second finds the digits in the folder
        use(**values)
        assert dn.mean_interval([1, 2, 3]).mean == 2
        digits = dn.mnist(folder=tmp_path)
        assert digits.levels.device.type == digits.digit.device.type == "cpu"
        for _ in range(2):
            result, = dn.sweep(function, [{"n": 2}], cache=tmp_path, progress=False)
            assert result.device.type == "cpu" and result.tolist() == [0, 0]
