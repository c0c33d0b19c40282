"""Sweeps: order, executors, the cache, and what a killed run leaves behind."""

import errno
import multiprocessing
import pickle
import runpy
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.base import sweeps

CALLS: list[int] = []


def count(n):
    CALLS.append(n)
    return n


CASES = [{"n": n, "seed": seed} for n in (1, 10) for seed in range(3)]


def measure(n, seed):
    return {"value": torch.tensor([n + seed / 10]), "label": f"{n}-{seed}"}


def test_cache_is_used_and_tells_functions_and_configurations_apart(tmp_path):
    CALLS.clear()
    assert dn.sweep(count, [{"n": 1}, {"n": 2}], cache=tmp_path, progress=False) == [1, 2]
    assert dn.sweep(count, [{"n": 2}, {"n": 3}], cache=tmp_path, progress=False) == [2, 3]
    assert CALLS == [1, 2, 3]
    assert dn.sweep(lambda n: -n, [{"n": 2}], cache=tmp_path, progress=False) == [-2]
    assert dn.sweep(lambda n: None, [{"n": 5}], cache=tmp_path, progress=False) == [None]


def test_an_error_loses_nothing_that_was_finished(tmp_path):
    def fragile(n):
        if n == 2:
            raise RuntimeError("no memory")
        return n

    with pytest.raises(RuntimeError, match="no memory"):
        dn.sweep(fragile, [{"n": n} for n in range(4)], cache=tmp_path, progress=False)
    assert len(list(tmp_path.glob("*.pt"))) == 2


def slow_or_broken(n):
    time.sleep(0.1 * n)
    if n in (1, 2):
        raise RuntimeError(f"no memory for {n}")
    return n


def test_what_runs_when_another_fails_is_kept(tmp_path):
    with ThreadPoolExecutor(2) as pool, pytest.raises(RuntimeError, match="no memory"):
        dn.sweep(slow_or_broken, [{"n": n} for n in (1, 3, 4, 5)], executor=pool, cache=tmp_path, progress=False)
    kept = {torch.load(path) for path in tmp_path.glob("*.pt")}
    assert 3 in kept and 5 not in kept


def test_the_first_of_two_errors_is_raised():
    with ThreadPoolExecutor(2) as pool, pytest.raises(RuntimeError, match="no memory for 1"):
        dn.sweep(slow_or_broken, [{"n": n} for n in (1, 2)], executor=pool, progress=False)


class Scaled:
    factor = 1

    def run(self, n):
        return self.factor * n


def test_a_cache_takes_plain_functions_only(tmp_path):
    """What its source does not show would make two functions one."""
    factor = len(CASES)
    for function in (partial(count, n=1), Scaled().run, lambda n: factor * n, max):
        with pytest.raises(ValueError, match=r"^function: got .*; allowed: with a cache"):
            dn.sweep(function, [{"n": 1}], cache=tmp_path, progress=False)


def test_a_view_is_stored_without_what_it_looks_at(tmp_path):
    value, = dn.sweep(lambda n: (torch.zeros(1_000_000)[:n], {"x": np.float64(0.5)}), [{"n": 1}], cache=tmp_path, progress=False)
    path, = tmp_path.glob("*.pt")
    assert value[0].shape == (1,) and path.stat().st_size < 10_000 and torch.load(path)[1] == {"x": 0.5}


def test_after_an_error_nothing_new_is_started():
    started = []

    def run(n):
        started.append(n)
        if n == 0:
            raise RuntimeError("no memory")
        time.sleep(0.2)

    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="no memory"):
        dn.sweep(run, [{"n": n} for n in range(20)], executor=pool, progress=False)
    assert len(started) < 20


def test_a_damaged_file_is_computed_again(tmp_path):
    dn.sweep(measure, CASES[:1], cache=tmp_path, progress=False)
    path, = tmp_path.glob("*.pt")
    path.write_bytes(path.read_bytes()[:20])
    assert dn.sweep(measure, CASES[:1], cache=tmp_path, progress=False)[0]["label"] == "1-0"
    assert torch.load(path, weights_only=True)["label"] == "1-0"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_fork_that_can_hang_is_refused(monkeypatch, method, threads):
    """A forked process waits for ever for the threads of its parent's torch."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        if method == "fork" and threads == 2:
            with pytest.raises(ValueError, match=r"^executor: got .* forks .*; allowed: .*spawn"):
                dn.sweep(measure, CASES, executor=pool, progress=False)
        else:
            assert dn.sweep(measure, [], executor=pool, progress=False) == []


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("archive", [False, True])
def test_nothing_in_the_cache_is_run(tmp_path, archive):
    dn.sweep(measure, CASES[:1], cache=tmp_path, progress=False)
    path, = tmp_path.glob("*.pt")
    content = pickle.dumps(Runs(tmp_path / "ran"), protocol=2)
    if archive:
        with zipfile.ZipFile(path) as old:
            parts = {name: old.read(name) for name in old.namelist()}
        with zipfile.ZipFile(path, "w") as new:
            for name, part in parts.items():
                new.writestr(name, content if name.endswith("data.pkl") else part)
    else:
        path.write_bytes(content)
    assert dn.sweep(measure, CASES[:1], cache=tmp_path, progress=False)[0]["label"] == "1-0"
    assert not (tmp_path / "ran").exists() and torch.load(path, weights_only=True)["label"] == "1-0"


def test_configurations_that_json_makes_equal_are_told_apart(tmp_path):
    for value in ([1, 2], (1, 2), {"1": 2}, {1: 2}, 1, 1.0, True, "1"):
        result, = dn.sweep(lambda n: repr(n), [{"n": value}], cache=tmp_path, progress=False)
        assert result == repr(value)


def test_the_order_of_keywords_does_not_count(tmp_path):
    CALLS.clear()
    for case in ({"n": 1, "seed": 2}, {"seed": 2, "n": 1}):
        dn.sweep(lambda n, seed: CALLS.append(n), [case], cache=tmp_path / "a" / "b", progress=False)
    assert CALLS == [1]
    with pytest.raises(ValueError, match=r"^configurations: got \{'seed': 2, 'n': 1\} twice; allowed: different configurations"):
        dn.sweep(measure, [*CASES, {"seed": 2, "n": 1}], progress=False)


def test_results_are_what_was_returned():
    """Tensors, NumPy's numbers as Python's, and what holds them; nothing else is made of them."""
    value = {"a": (torch.ones(2), [np.float64(0.5), None]), "b": {"c": np.int64(3), "d": "text"}}
    kept = sweeps._own(value)
    assert kept["b"] == {"c": 3, "d": "text"} and type(kept["b"]["c"]) is int and type(kept["a"][1][0]) is float
    assert type(kept["a"]) is tuple and type(kept["a"][1]) is list and torch.equal(kept["a"][0], torch.ones(2))


def test_threads_may_be_used_beside_threads_of_torch(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    with ThreadPoolExecutor(1) as pool:
        assert dn.sweep(measure, CASES[:1], executor=pool, progress=False)[0]["label"] == "1-0"


def test_the_cache_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    dn.sweep(count, [{"n": 1}], cache="~/results", progress=False)
    assert [path.parent for path in tmp_path.rglob("*.pt")] == [tmp_path / "results"]


def test_a_full_disk_loses_no_results(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(UserWarning, match="cache: results are not kept") as warned:
        assert dn.sweep(count, [{"n": 1}, {"n": 2}], cache=tmp_path, progress=False) == [1, 2]
    assert {warning.filename for warning in warned} == {__file__}  # the caller's line, not one in the package


@pytest.mark.parametrize("call, name", [
    (lambda: dn.sweep("measure", CASES), "function"), (lambda: dn.sweep(measure, [1]), "configurations"),
    (lambda: dn.sweep(measure, [{"n": object()}]), "configurations"), (lambda: dn.sweep(measure, [{"n": float("nan")}]), "configurations"),
    (lambda: dn.sweep(measure, CASES + CASES[:1]), "configurations"), (lambda: dn.sweep(measure, [{1: 2}]), "configurations"),
    (lambda: dn.sweep(measure, [{"n": 1, 2: 3}]), "configurations"), (lambda: dn.sweep(measure, CASES, executor=3), "executor"),
    (lambda: dn.sweep(measure, CASES, cache=__file__), "cache"), (lambda: dn.sweep(measure, CASES, cache=3), "cache"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_a_result_that_cannot_be_read_back_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^function: got a result of type"):
        dn.sweep(lambda n: Path("x"), [{"n": 1}], cache=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("disabled", "progress", "shown"), [(False, {}, True), (False, {"progress": False}, False), (True, {"progress": True}, False)])
def test_progress_is_shown_or_hidden(tmp_path, capsys, bars, disabled, progress, shown):
    """And counts what was there before."""
    bars(sweeps, disabled)
    for cases in (CASES[:1], CASES[:2]):
        dn.sweep(measure, cases, cache=tmp_path, **progress)
        assert (f"{len(cases)}/{len(cases)}" in capsys.readouterr().err) == shown


# What starts processes takes seconds, and stands last.


@pytest.fixture(scope="module")
def spawned():
    """A pool that imported this module before any test changed it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("pool", ["here", "threads", "spawned"])
def test_results_come_in_the_order_of_the_configurations(pool, request):
    executor = {"here": lambda: None, "threads": lambda: ThreadPoolExecutor(2), "spawned": lambda: request.getfixturevalue("spawned")}[pool]()
    results = dn.sweep(measure, CASES, executor=executor, progress=False)
    assert [r["label"] for r in results] == [f"{c['n']}-{c['seed']}" for c in CASES]


def test_workers_with_another_function_are_found_out(tmp_path, monkeypatch, spawned):
    """They imported the module before it was changed here."""
    dn.sweep(measure, CASES[:1], executor=spawned, cache=tmp_path, progress=False)
    monkeypatch.setattr(sys.modules[__name__], "measure", changed(measure))
    with pytest.raises(ValueError, match=r"^function: got measure, which is another one"):
        dn.sweep(measure, CASES[:1], executor=spawned, cache=tmp_path, progress=False)


def changed(function):
    """The same name with other code."""
    other = type(function)((lambda n, seed: n).__code__, function.__globals__, function.__name__)
    other.__module__, other.__qualname__ = function.__module__, function.__qualname__
    return other


KILLED = """
import sys, time, diffnotes as dn
def slow(n):
    open(sys.argv[2], "a").write(f"{n} ")
    time.sleep(60 * (n == 3 and sys.argv[3] == "hang"))
    return n
results = dn.sweep(slow, [{"n": n} for n in range(5)], cache=sys.argv[1], progress=False)
"""


def test_a_killed_sweep_goes_on_where_it_stopped(tmp_path, monkeypatch):
    script, log = tmp_path / "killed.py", tmp_path / "log"
    script.write_text(KILLED)
    arguments = [str(script), str(tmp_path / "cache"), str(log)]
    first = subprocess.Popen([sys.executable, *arguments, "hang"])
    deadline = time.monotonic() + 120
    while not (log.exists() and "3 " in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    first.kill()
    first.wait()
    monkeypatch.setattr(sys, "argv", [*arguments, "go"])
    assert runpy.run_path(script, run_name="__main__")["results"] == [0, 1, 2, 3, 4]
    assert log.read_text().split() == ["0", "1", "2", "3", "3", "4"]
    assert not list(tmp_path.glob("cache/*.tmp"))
