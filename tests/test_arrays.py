"""What NumPy takes as an array of real numbers the package takes too, and gives what it gives for the same numbers in a tensor."""

import warnings

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes import _checks as check

NUMBERS = [[3.0, 1.0], [2.0, 5.0]]


def read_only():
    array = np.array(NUMBERS)
    array.setflags(write=False)
    return array


class Holder:
    def __array__(self, dtype=None, copy=None):
        return np.array(NUMBERS, dtype=dtype)


ARRAYS = {
    "negative strides": np.array(NUMBERS[::-1])[::-1], "Fortran": np.asfortranarray(NUMBERS),
    "broadcast": np.broadcast_to(np.array(NUMBERS), (1, 2, 2))[0], "slice": np.repeat(np.array(NUMBERS), 2, 1)[:, ::2],
    "read-only": read_only(), "matrix": np.array(NUMBERS).view(np.matrix), "masked": np.ma.masked_array(NUMBERS), "__array__": Holder(),
    "field": np.array([((3.0, 1.0), 1), ((2.0, 5.0), 2)], dtype=[("x", "f8", 2), ("k", "i1")])["x"],
    **{kind: np.array(NUMBERS, dtype=kind) for kind in ("f2", "<f4", ">f4", ">f8", "g", "i1", "u1", ">i2", "u2", "u4", ">u8", "i8", ">i8")},
    "list of arrays": list(np.array(NUMBERS, dtype=">f4")), "tuple of reversed rows": (np.array([1.0, 3.0])[::-1], np.array([5.0, 2.0])[::-1]),
    "list of tensors": list(torch.tensor(NUMBERS)), "list of int tensors": list(torch.tensor(NUMBERS, dtype=torch.int32)),
    "lists of tensors": [[torch.tensor(v) for v in row] for row in NUMBERS],
}


@pytest.mark.parametrize("like", [torch.zeros(1, dtype=torch.float32), torch.zeros(1, dtype=torch.float64), None])
@pytest.mark.parametrize("name", ARRAYS)
def test_every_array_is_taken(name, like):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = check.tensor("x", ARRAYS[name], (2, 2), like=like)
    assert tensor.dtype == (torch.float64 if like is None else like.dtype) and tensor.tolist() == NUMBERS


def test_pandas():
    pandas = pytest.importorskip("pandas")
    assert check.tensor("x", pandas.DataFrame(NUMBERS)).tolist() == NUMBERS
    assert dn.mean_interval(pandas.Series([1, 2, 3], index=[5, 6, 7])) == dn.mean_interval([1, 2, 3])


def test_a_public_function_takes_them():
    p = dn.GaussianMixture.two_modes(1.0)
    x = np.linspace(-1, 1, 5)[::-1, None]
    assert torch.equal(p.score(x), p.score(torch.from_numpy(x.copy())))


def test_the_tensor_is_its_own():
    array = np.zeros(3)
    tensor = check.tensor("x", array)
    array[:] = 1
    assert tensor.tolist() == [0, 0, 0]


def test_gradients_go_through_a_list_of_tensors():
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    check.tensor("x", [x, x * x]).sum().backward()
    assert x.grad == 5


class Broken:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no values")


@pytest.mark.parametrize("value", [
    np.array(["x"]), np.array([True]), np.array([1j]), np.array([None]), np.array([1.0, 2.0], dtype=object), np.array(["2020-01-01"], dtype="M8[D]"),
    np.ma.masked_array([1.0, 2.0], [False, True]), [torch.zeros(1), torch.zeros(2)], [torch.tensor(True)], [torch.tensor(1j)], Broken(), {1.0}, 10**400])
def test_what_is_no_array_of_real_numbers_is_refused(value):
    with pytest.raises(ValueError, match=r"^x: got .*; allowed: a tensor, array, list or number with real entries"):
        check.tensor("x", value)


def test_a_long_double_beyond_float64_is_refused_by_name():
    with warnings.catch_warnings(), pytest.raises(ValueError, match=r"^x: got inf; allowed: finite entries"):
        warnings.simplefilter("error")
        check.tensor("x", np.array([np.finfo(np.longdouble).max]))


ONES = [np.float16(2), np.float32(2), np.longdouble(2), np.int8(2), np.uint64(2), np.array(2), np.array(2, ">f8"), torch.tensor(2), torch.tensor(2.0)]


@pytest.mark.parametrize("value", ONES, ids=repr)
def test_numbers_of_numpy(value):
    assert check.number("x", value) == 2 and type(check.number("x", value)) is float
    if "f" not in np.asarray(value).dtype.kind:
        assert check.integer("x", value) == 2 and type(check.integer("x", value)) is int
    else:
        with pytest.raises(ValueError, match=r"^x: got .*; allowed: an integer"):
            check.integer("x", value)


@pytest.mark.parametrize("value", [np.array([2.0]), np.bool_(True), np.array(True), torch.tensor(True), np.array(1j), np.array(None), 10**400, np.float32("nan")], ids=repr)
def test_no_numbers(value):
    for kind in (check.number, check.integer):
        if type(value) is not int or kind is check.number:  # an integer may be huge
            with pytest.raises(ValueError, match=r"^x: got .*; allowed: an? "):
                kind("x", value)


@pytest.mark.parametrize("value", [np.array([1, 2], ">u2"), np.array([2, 1])[::-1], torch.tensor([1, 2]), (1, 2), range(1, 3)])
def test_sequences_hold_numbers_of_python(value):
    assert check.sequence("x", value) == [1, 2] and {type(entry) for entry in check.sequence("x", value)} == {int}
