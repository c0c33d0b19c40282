"""Sweeps: order, executors, the cache, and what a killed run leaves behind."""

import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import diffnotes as dn

CALLS: list[int] = []


def count(n):
    CALLS.append(n)
    return n


CASES = [{"n": n, "seed": seed} for n in (1, 10) for seed in range(3)]


def measure(n, seed):
    return {"value": torch.tensor([n + seed / 10]), "label": f"{n}-{seed}"}


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor, ProcessPoolExecutor])
def test_results_come_in_the_order_of_the_configurations(pool):
    executor = pool and pool(2)
    results = dn.sweep(measure, CASES, executor=executor, progress=False)
    assert [r["label"] for r in results] == [f"{c['n']}-{c['seed']}" for c in CASES]
    if executor:
        executor.shutdown()


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
    time.sleep(0.2 * n)
    if n == 1:
        raise RuntimeError("no memory")
    return n


def test_what_runs_when_another_fails_is_kept(tmp_path):
    with ThreadPoolExecutor(2) as pool, pytest.raises(RuntimeError, match="no memory"):
        dn.sweep(slow_or_broken, [{"n": n} for n in (1, 3, 4, 5)], executor=pool, cache=tmp_path, progress=False)
    kept = {torch.load(path) for path in tmp_path.glob("*.pt")}
    assert 3 in kept and 5 not in kept


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


KILLED = """
import sys, time, diffnotes as dn
def slow(n):
    open(sys.argv[2], "a").write(f"{n} ")
    time.sleep(0.2 if n < 3 else 60 * (sys.argv[3] == "hang"))
    return n
print(dn.sweep(slow, [{"n": n} for n in range(5)], cache=sys.argv[1], progress=False))
"""


def test_a_killed_sweep_goes_on_where_it_stopped(tmp_path):
    script, log = tmp_path / "killed.py", tmp_path / "log"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(tmp_path / "cache"), str(log)]
    first = subprocess.Popen([*command, "hang"])
    deadline = time.monotonic() + 120
    while not (log.exists() and "3 " in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    first.kill()
    first.wait()
    again = subprocess.run([*command, "go"], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == "[0, 1, 2, 3, 4]"
    assert log.read_text().split() == ["0", "1", "2", "3", "3", "4"]
    assert not list(Path(tmp_path).glob("cache/*.tmp"))


def test_progress_is_shown_and_can_be_hidden():
    for hidden, switch in ((False, {}), (True, {}), (False, {"TQDM_DISABLE": "1"})):  # read when tqdm is imported
        code = f"import diffnotes as dn; dn.sweep(dict, [{{'n': 1}}, {{'n': 2}}], progress={not hidden})"
        environment = {k: v for k, v in os.environ.items() if k != "TQDM_DISABLE"} | switch
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        assert ("2/2" in run.stderr) == (not hidden and not switch)


@pytest.mark.parametrize("call, name", [
    (lambda: dn.sweep("measure", CASES), "function"), (lambda: dn.sweep(measure, [1]), "configurations"),
    (lambda: dn.sweep(measure, [{"n": object()}]), "configurations"), (lambda: dn.sweep(measure, [{"n": float("nan")}]), "configurations"),
    (lambda: dn.sweep(measure, CASES + CASES[:1]), "configurations"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_a_result_that_cannot_be_read_back_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^function: got a result of type"):
        dn.sweep(lambda n: Path("x"), [{"n": 1}], cache=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())
