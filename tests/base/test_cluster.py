"""Sweeps on a Dask cluster of two processes on this machine: the same results, and nothing lost or repeated when the client is killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import diffnotes as dn

distributed = pytest.importorskip("distributed")
CASES = [{"width": m, "seed": seed} for m in (8, 16) for seed in range(3)]


def excess(width, seed):
    """A small case of the book's kind, which a worker imports: the excess loss of an exact flow."""
    import numpy as np
    p = dn.GaussianMixture.two_modes(2.0).diffused(dn.OU())
    phi = dn.RandomFeatures.draw(width, 1, 5.0, np.random.default_rng(seed))
    flow = dn.GradientFlow(dn.statistics(phi, dn.line_grid(p, p.sde.std, 0.1, n_t=8, n_x=16).weighted(p)))
    return {"loss": flow.loss(torch.tensor([1.0, 100.0], dtype=torch.float64)), "label": f"{width}-{seed}"}


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster, distributed.Client(cluster) as client:
        yield client


def test_a_dask_cluster_gives_what_this_process_gives(client, tmp_path):
    here = dn.sweep(excess, CASES, progress=False)
    there = dn.sweep(excess, CASES, executor=client.get_executor(), cache=tmp_path, progress=False)
    assert [r["label"] for r in there] == [r["label"] for r in here]
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(a["loss"], b["loss"], rtol=1e-9, atol=0)
    assert len(list(tmp_path.glob("*.pt"))) == len(CASES)


def test_an_error_on_a_worker_arrives_here_and_what_was_finished_is_kept(client, tmp_path):
    with pytest.raises(ValueError, match=r"^width: got -1"):
        dn.sweep(excess, [*CASES, {"width": -1, "seed": 0}], executor=client.get_executor(), cache=tmp_path, progress=False)
    again = dn.sweep(excess, CASES, cache=tmp_path, progress=False)
    assert len(again) == len(CASES)


KILLED = """
import sys, time, diffnotes as dn
from distributed import Client
from work import step
if __name__ == "__main__":
    with Client(sys.argv[1]) as client:
        print(dn.sweep(step, [{"n": n, "log": sys.argv[3], "hang": sys.argv[4]} for n in range(5)], executor=client.get_executor(),
                       cache=sys.argv[2], progress=False))
"""
WORK = """
import time
from pathlib import Path
def step(n, log, hang):
    with open(log, "a") as file:
        file.write(f"{n} ")
    while n == 4 and Path(hang).exists():
        time.sleep(0.05)
    return n
"""


@pytest.fixture
def cluster(tmp_path):
    """The address of a scheduler with two workers, started by the commands of the page on larger runs, in tmp_path."""
    dask, file = str(Path(sys.executable).parent / "dask"), tmp_path / "scheduler.json"
    where = dict(cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    scheduler = subprocess.Popen([dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file], **where)
    wait_for(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
    address = json.loads(file.read_text())["address"]
    workers = subprocess.Popen([dask, "worker", address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard"], **where)
    yield address
    for process in (workers, scheduler):
        process.terminate()
        process.wait(30)


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def test_a_killed_client_goes_on_where_it_stopped(cluster, tmp_path):
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "killed.py").write_text(KILLED)
    hang, log = tmp_path / "hang", tmp_path / "log"
    hang.touch()
    command = [sys.executable, "killed.py", cluster, "cache", str(log), str(hang)]
    first = subprocess.Popen(command, cwd=tmp_path)
    wait_for(lambda: len(list(tmp_path.glob("cache/*.pt"))) == 4)
    first.kill()
    first.wait()
    hang.unlink()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout.strip() == "[0, 1, 2, 3, 4]"
    calls = log.read_text().split()
    assert all(calls.count(str(n)) == 1 for n in range(4)) and set(calls) == set("01234")
