"""The checks of arguments: what each takes, what it refuses and in which words, at the ends of what is allowed.

What NumPy takes as an array of real numbers the package takes too, and gives what it gives for the same numbers in a tensor.
"""

import math
import re
import warnings

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.base import checks as check

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


@pytest.mark.parametrize("kind", [check.number, check.integer])
def test_long_values_are_named_by_their_beginning(kind):
    """Which bug this catches: a message of 600 numbers."""
    for value, begin in ((torch.arange(600), "tensor"), (np.zeros((20, 20)), "array"), ([[0.0] * 8] * 9, r"\[\[0\.0, 0\.0"), ("x" * 400, "'xxx")):
        with pytest.raises(ValueError, match=rf"^x: got {begin}.* \.\.\.; allowed: an? ") as caught:
            kind("x", value)
        assert len(str(caught.value)) < 130
    with pytest.raises(ValueError, match=r"^x: got \[1, 2\]; allowed"):
        kind("x", [1, 2])


GOOD = torch.tensor([0, 3, 1])


@pytest.mark.parametrize("value", [GOOD, GOOD.int(), GOOD.numpy(), GOOD.numpy().astype(np.uint8), [0, 3, 1], (0, 3, 1), np.array([0, 3, 1])])
def test_labels(value):
    found = check.labels("x", value, 3)
    assert found.dtype == torch.int64 and found.device.type == "cpu" and found.tolist() == [0, 3, 1]
    assert check.labels("x", GOOD.to("meta"), 3).device.type == "meta"


@pytest.mark.parametrize("value", [GOOD.double(), GOOD.to(torch.complex64), GOOD[:2], GOOD[None], torch.tensor(3), np.zeros(3), ["a", "b", "c"], "abc", None, 3, [[0], [1, 2]]])
def test_no_labels(value):
    with pytest.raises(ValueError, match=r"^x: got .*; allowed: whole numbers, shape \[3\]"):
        check.labels("x", value, 3)


@pytest.mark.parametrize("value", [np.array([1, 2], ">u2"), np.array([2, 1])[::-1], torch.tensor([1, 2]), (1, 2), range(1, 3)])
def test_sequences_hold_numbers_of_python(value):
    assert check.sequence("x", value) == [1, 2] and {type(entry) for entry in check.sequence("x", value)} == {int}


def refused(call, *arguments, **more):
    """What the one kind of error says."""
    with pytest.raises(ValueError) as raised:
        call("x", *arguments, **more)
    return str(raised.value)


F32, F64 = torch.float32, torch.float64
NO = float("nan")


def test_numbers_lie_in_their_interval_whose_ends_are_open_or_closed():
    assert [check.number("x", v, -1, 2) for v in (-1, 0, 2)] == [-1, 0, 2] and check.number("x", -1e300) == -1e300
    assert refused(check.number, -1, -1, 2, open_low=True) == "x: got -1.0; allowed: a finite number in (-1, 2]"
    assert refused(check.number, 2, -1, 2, open_high=True) == "x: got 2.0; allowed: a finite number in [-1, 2)"
    assert check.number("x", 2, -1, 2, open_low=True) == 2 and check.number("x", -1, -1, 2, open_high=True) == -1
    for value in (math.nextafter(-1, -2), math.nextafter(2, 3)):
        assert refused(check.number, value, -1, 2) == f"x: got {value}; allowed: a finite number in [-1, 2]"
    assert refused(check.number, True, -1, 2) == "x: got True; allowed: a finite number in [-1, 2]"
    for value, shown in ((math.inf, "inf"), (-math.inf, "-inf"), (NO, "nan"), ("1", "'1'"), (None, "None"), (1j, "1j")):
        assert refused(check.number, value) == f"x: got {shown}; allowed: a finite number in [-inf, inf]"


def test_integers_have_a_least_value_which_is_one_unless_told():
    assert check.integer("x", 1) == check.integer("x", 10**400) // 10**400 == 1 and check.integer("x", -3, -3) == -3 and check.integer("x", 0, 0) == 0
    assert refused(check.integer, 0) == "x: got 0; allowed: an integer of at least 1"
    assert refused(check.integer, -4, -3) == "x: got -4; allowed: an integer of at least -3"
    for value in (1.0, True, "1", None, torch.zeros((), dtype=torch.int64, device="meta")):
        assert refused(check.integer, value).endswith("; allowed: an integer of at least 1")


def test_objects_functions_and_generators():
    assert check.instance("x", 3, int) == 3 and check.function("x", len) is len
    assert refused(check.instance, 3, str) == "x: got int; allowed: a str" and refused(check.instance, 3, str, "words") == "x: got int; allowed: words"
    assert refused(check.function, 3) == "x: got int; allowed: a function"
    a, b, c = np.random.default_rng(0), np.random.default_rng(0), torch.Generator()
    assert check.generator("x", a) is a and check.generator("x", c) is c and check.generators("x", (a, b, c)) == [a, b, c] and check.generators("x", [a]) == [a]
    assert refused(check.generator, np.random.RandomState(0)).startswith("x: got RandomState; allowed: a numpy.random.Generator")
    assert refused(check.generators, [a, b, a]) == "x: got 3 generators, 2 different; allowed: at least one, all different"
    assert refused(check.generators, []) == "x: got 0 generators, 0 different; allowed: at least one, all different"


@pytest.mark.parametrize("value", ["ab", b"ab", 3, None, np.array(3), torch.tensor(3), np.float64(3)], ids=repr)
def test_no_sequences(value):
    assert refused(check.sequence, value) == f"x: got {type(value).__name__}; allowed: a list"


def test_sequences_and_entries_need_values():
    assert refused(check.sequence, torch.zeros(2, device="meta")) == "x: got device meta; allowed: a device on which tensors have values"
    assert refused(check.with_values, torch.zeros(2, device="meta")) == "x: got device meta; allowed: a device on which tensors have values"
    one = torch.zeros(2)
    assert check.with_values("x", one) is one and check.sequence("x", iter("ab")) == ["a", "b"] and check.sequence("x", []) == []


@pytest.mark.parametrize(("size", "shape", "fits"), [
    ((2, 3), (2, 3), True), ((2, 3), ("n", 3), True), ((2, 3), ("n", "d"), True), ((2, 3), (3, 2), False), ((2, 3), (2,), False), ((2, 3), (1, 2, 3), False),
    ((0, 3), ("n", 3), False), ((0, 3), (0, 3), True), ((1, 3), ("n", 3), True), ((), (), True), ((1,), (), False),
    ((2, 3), (..., 3), True), ((3,), (..., 3), True), ((5, 4, 2, 3), (..., "d", 3), True), ((3,), (..., "d", 3), False), ((2, 3), (..., 2), False),
    ((0, 3), (..., 3), True), ((), (...,), True), ((2,), (...,), True), ((), (..., 2), False), ((2, 3), (..., 2, 3), True), ((4, 0), (..., "d"), False)])
def test_shapes(size, shape, fits):
    """A text stands for any size but zero, three dots for any dimensions before."""
    value = torch.zeros(size, dtype=F64)
    if fits:
        assert check.tensor("x", value, shape) is value
    else:
        words = ", ".join("..." if part is ... else str(part) for part in shape)
        assert refused(check.tensor, value, shape) == f"x: got shape {size}; allowed: shape [{words}]"


def test_tensors_have_the_others_dtype_and_device():
    assert refused(check.tensor, torch.zeros(2, dtype=torch.int64)) == "x: got dtype torch.int64; allowed: dtype torch.float32 or torch.float64"
    assert refused(check.tensor, torch.zeros(2), like=torch.zeros(1, dtype=F64)) == "x: got dtype torch.float32; allowed: dtype torch.float64, as the other arguments have"
    on_meta = torch.zeros(2, device="meta")
    assert refused(check.tensor, on_meta, like=torch.zeros(1)) == "x: got device meta; allowed: device cpu, where the other arguments are"
    assert check.tensor("x", on_meta, (2,)) is on_meta and check.tensor("x", [1.0], like=on_meta).device.type == "meta"
    kept = check.tensor("x", [torch.ones(1), torch.ones(1)], like=torch.zeros(1, dtype=F64))
    assert kept.dtype == F64 and kept.shape == (2, 1) and check.tensor("x", []).shape == (0,)
    assert refused(check.tensor, [], ("n",)) == "x: got shape (0,); allowed: shape [n]"


@pytest.mark.parametrize("dtype", [F32, F64])
def test_squares_of_entries_are_finite(dtype):
    limit = torch.finfo(dtype).max ** 0.5
    below = torch.tensor([1.0, -0.999 * limit], dtype=dtype)
    assert check.tensor("x", below) is below and (below**2).isfinite().all()
    for value in (1.001 * limit, -1.001 * limit, math.inf, -math.inf, NO):
        spoilt = torch.tensor([1.0, value, 2.0], dtype=dtype)
        assert refused(check.tensor, spoilt) == (f"x: got {spoilt[1].item():.6g}; allowed: finite entries (no NaN, no infinity), below "
                                                 f"{'2e+19' if dtype == F32 else '1e+154'} in size")
        assert check.tensor("x", spoilt, finite=False) is spoilt


def test_what_holds_is_silent_and_the_first_entry_that_breaks_it_is_named():
    value = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    check.holds("x", value > 0, "positive", value)
    check.holds("x", torch.ones(0, dtype=torch.bool), "anything")
    assert refused(check.holds, value < 2.5, "small", value) == "x: got 3; allowed: small"
    assert refused(check.holds, value < 2.5, "small") == "x: got values outside the allowed range; allowed: small"
    assert refused(check.holds, value < 2.5, "small", torch.tensor(7.0, requires_grad=True)) == "x: got 7; allowed: small"  # spread over the condition
    check.holds("x", torch.zeros(1, device="meta") > 0, "positive")
    torch.func.vmap(lambda v: check.holds("x", v > 2, "large", v) or v)(value)  # no values there, nothing is checked
    assert refused(check.holds, torch.tensor(True) & torch.tensor([True, False]), "all") == "x: got values outside the allowed range; allowed: all"


def test_an_error_of_torch_in_a_condition_is_not_hidden():
    class Condition:
        device = torch.device("cpu")

        def all(self):
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match=r"^out of memory$"):
        check.holds("x", Condition(), "anything")


@pytest.mark.parametrize(("given", "like"), [(F64, F64), (F64, None), (F32, F64), (F64, F32), (F32, F32)])
def test_times_a_few_units_beyond_an_end_are_at_it_and_no_more(given, like):
    """Four units of the coarser precision, relative to the upper end; adaptive solvers and other precisions go there."""
    low, high, unit = 0.5, 8.0, max(torch.finfo(given).eps, torch.finfo(like or F64).eps)
    like = None if like is None else torch.zeros(1, dtype=like)
    for steps, inside in ((0, True), (1, True), (3, True), (5, False), (100, False)):
        for end, sign in ((low, -1), (high, 1)):
            t = torch.tensor([1.0, end + sign * steps * high * unit], dtype=given)
            if inside:
                got = check.times("t", t, low, high, like=like)
                assert got[1] == end and got[0] == 1 and got.dtype == (F64 if like is None else like.dtype)
            else:
                with pytest.raises(ValueError, match=r"^t: got .*; allowed: SDE times in \[0\.5, 8\]"):
                    check.times("t", t, low, high, like=like)
    for value in (0.5, 8, 3.0, [0.5, 8.0]):
        assert torch.equal(check.times("t", value, low, high), torch.tensor(value, dtype=F64))
    with pytest.raises(ValueError, match=r"^t: got 8\.00001; allowed"):
        check.times("t", 8.00001, low, high)


def test_times_of_other_kinds_are_refused_as_tensors_are():
    for value, words in ((torch.ones(1, dtype=torch.int64), "dtype torch.int64"), ("x", "str"), (NO, "nan"), (torch.ones(1, device="meta"), "device meta")):
        with pytest.raises(ValueError, match=f"^t: got {words}; allowed: "):
            check.times("t", value, 0.0, 1.0, like=torch.zeros(1))


def test_training_times_begin_at_zero():
    assert check.training_times("tau", [0.0, 1e100]).tolist() == [0.0, 1e100]
    with pytest.raises(ValueError, match=r"^tau: got -1e-300; allowed: training times tau >= 0$"):
        check.training_times("tau", [0.0, -1e-300])
    assert check.training_times("tau", 0.5, like=torch.zeros(1)).dtype == F32


def test_device_and_dtype_of_what_is_made_from_numbers():
    assert check.kind(F32, None) == dict(dtype=F32, device="cpu") and check.kind(None, "meta") == dict(dtype=None, device="meta")


def test_an_error_has_one_form():
    with pytest.raises(ValueError, match=re.escape("name: got 3; allowed: 4")):
        check.fail("name", 3, "4")


def test_broadcast_brings_numbers_of_one_kind_to_one_shape():
    a, b = check.broadcast(1.0, a=torch.ones(2, dtype=torch.float32), b=3)
    assert a.shape == b.shape == (2,) and b.dtype == torch.float32 and b.tolist() == [3.0, 3.0]
    for name, values in (("b", dict(a=1.0, b=0.5)), ("a", dict(a=[1.0, 0.5], b=1.0)), ("a", dict(a=[1.0, 2.0], b=[1.0, 2.0, 3.0]))):
        with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: (numbers of at least 1|shapes that broadcast)$"):
            check.broadcast(1.0, **values)
