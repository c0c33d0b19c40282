"""Draws with an explicit generator: the stream is NumPy's or torch's own, in double precision, whatever the type asked for."""

import numpy as np
import pytest
import torch

import diffnotes as dn


def generators():
    return np.random.default_rng(3), torch.Generator().manual_seed(3)


def test_the_stream_is_the_generators_own():
    """Which bug this catches: numbers from a global generator, or from another method of this one."""
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    assert dn.normal(ours, (2, 3)).tolist() == theirs.standard_normal((2, 3)).tolist()
    assert dn.uniform(ours, (4,)).tolist() == theirs.random(4).tolist()
    assert dn.permutation(ours, 9).tolist() == theirs.permutation(9).tolist()
    ours, theirs = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    assert torch.equal(dn.normal(ours, (2, 3)), torch.randn(2, 3, generator=theirs, dtype=torch.float64))
    assert torch.equal(dn.uniform(ours, (4,)), torch.rand(4, generator=theirs, dtype=torch.float64))
    assert torch.equal(dn.permutation(ours, 9), torch.randperm(9, generator=theirs))


def test_single_precision_sees_the_same_noise():
    for draw in (dn.normal, dn.uniform):
        for one, other in zip(generators(), generators(), strict=True):
            single = draw(one, (50,), dtype=torch.float32)
            assert single.dtype == torch.float32 and torch.equal(single, draw(other, (50,)).float())


class Last(np.random.Generator):
    """Always draws the largest number below one."""

    def random(self, shape):
        return np.full(shape, 1 - 2.0**-53)


def test_uniform_numbers_stay_below_one_in_single_precision_too():
    """Which bug this catches: a draw that the cast rounds to one, an index beyond the last entry.  It is rarer than 1 in 10^7."""
    last = Last(np.random.PCG64(0))
    assert dn.uniform(last, (1,), dtype=torch.float32).item() == 1 - 2.0**-24
    assert dn.uniform(last, (1,)).item() == 1 - 2.0**-53


def test_a_permutation_has_every_number_once_and_may_be_of_one():
    for generator in generators():
        assert sorted(dn.permutation(generator, 20).tolist()) == list(range(20))
        assert dn.permutation(generator, 1).tolist() == [0] and dn.permutation(generator, 5).dtype == torch.int64


def test_shapes_may_be_empty_and_the_device_is_the_one_asked_for():
    for generator in generators():
        assert dn.normal(generator, (0, 3)).shape == (0, 3) and dn.normal(generator, ()).shape == ()
        assert dn.normal(generator, (2,), device="meta").device.type == "meta"
        assert dn.permutation(generator, 3, device="meta").device.type == "meta"


@pytest.mark.parametrize(("name", "call"), [
    ("generator", lambda: dn.normal(0, (2,))), ("generator", lambda: dn.permutation(np.random, 2)),
    ("n", lambda: dn.permutation(np.random.default_rng(0), 0)), ("shape", lambda: dn.uniform(np.random.default_rng(0), (-1,))),
    ("shape", lambda: dn.uniform(np.random.default_rng(0), 3))])
def test_bad_input(name, call):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()
