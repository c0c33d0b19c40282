"""The command for a GPU: cells without Jupyter, their verdicts, what is kept when it stops, and what the page says of it."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.page import claims
from tools import gpu, gpu_summary, plain

ROOT = Path(__file__).resolve().parents[2]
SETUP = 'try:\n    import diffnotes as dn\nexcept ModuleNotFoundError:\n    %pip install -q x\n    import diffnotes as dn\ndevice = dn.start(ci="1 s", gpu="1 s")'
CLAIM = 'dn.claim("L3", "holds", evidence="identity", value="1")'
TRAINING = """
import numpy as np, torch
draw = lambda k: [np.random.default_rng(k)]
net = dn.SwishNet.draw(2, dn.VE(), draw(0))
losses = []
for point in dn.train(net, torch.ones(1, 4), draw(1), dn.SGD(0.1), epochs=3, decay=0.5):
    losses.append(point.loss.item())
theta = point.average.theta
print(losses, theta.tolist())
"""


def chapter(folder, *cells, verdict="holds"):
    """A notebook with these code cells after a page of text, and a stored verdict."""
    claim = dict(id="L3", verdict=verdict, evidence="identity", value="1", seeds=0)
    stored = {"output_type": "display_data", "metadata": {}, "data": {claims.MIME: claim}}
    page = [{"cell_type": "markdown", "source": ["# A trial"], "metadata": {}}]
    page += [{"cell_type": "code", "source": source.splitlines(True), "metadata": {}, "outputs": []} for source in cells]
    page[-1]["outputs"] = [stored]
    path = folder / "99_trial.ipynb"
    path.write_text(json.dumps({"cells": page, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def opened(folder, seconds=60.0, device="cpu"):
    folder.mkdir(exist_ok=True)
    return gpu.Run(folder, device, 1, folder, time.monotonic() + seconds, gpu.opened(folder, device))


@pytest.fixture
def inside(monkeypatch):
    """Chapters run in this process, which is faster."""
    def process(command, seconds, place, stdout=None, **variables):
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            plain.main([str(word) for word in command[2:]])
        return "done", 0, 1.0

    monkeypatch.setattr(gpu, "process", process)


def test_cells_run_without_jupyter_and_a_failing_one_stops_none(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFNOTES_DEVICE", "cpu")
    cached = "def f(n):\n    return n\nassert dn.sweep(f, [{'n': 2}], progress=False, cache='.') == [2]"
    path = chapter(tmp_path, SETUP, "print('seen')\n1 / 0", cached, CLAIM)
    monkeypatch.chdir(tmp_path)
    claim = dn.claim
    found = plain.execute(path, tmp_path / "result.json")
    assert found["verdicts"] == {"L3": "holds"} and found["errors"] == ["cell 2: ZeroDivisionError: division by zero"]
    assert list(found["cells"]) == ["1", "2", "3", "4"] and dn.claim is claim
    assert json.loads((tmp_path / "result.json").read_text()) == found


def test_trainings_are_kept_and_give_the_same_again(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFNOTES_DEVICE", "cpu")
    path, keep = chapter(tmp_path, SETUP, TRAINING, CLAIM), tmp_path / "keep"
    first = plain.execute(path, tmp_path / "result.json", keep)
    files = {file.name: file.stat().st_mtime_ns for file in keep.iterdir()}
    assert set(files) == {"train-2-1.pt"} and not first["errors"]
    monkeypatch.setattr(dn, "train", lambda *args, **kwargs: pytest.fail("trained again"))
    again = plain.execute(path, tmp_path / "result.json", keep)
    assert again["printed"] == first["printed"] and not again["errors"]
    assert (keep / "train-2-1.pt").stat().st_mtime_ns == files["train-2-1.pt"]
    monkeypatch.undo()
    net = dn.SwishNet.draw(2, dn.VE(), [np.random.default_rng(0)])
    *_, last = dn.train(net, torch.ones(1, 4), [np.random.default_rng(1)], dn.SGD(0.1), epochs=3, decay=0.5, progress=False)
    assert str(last.average.theta.tolist()) in first["printed"]["2"]


def test_a_run_compares_verdicts_stops_at_its_limit_and_goes_on(tmp_path, capsys):
    folder = tmp_path / "out"
    slow = chapter(tmp_path, SETUP, "import time\ntime.sleep(60)", CLAIM)
    for seconds, statuses in ((-1.0, []), (1.0, ["out of time"])):
        run = opened(folder, seconds)
        gpu.chapters(run, [slow])
        assert [found["status"] for found in run.record["parts"].get("chapters", {}).values()] == statuses
        assert not gpu.wrong(run.record)
    path = chapter(tmp_path, SETUP, CLAIM)
    for _ in range(2):
        run = opened(folder)
        gpu.chapters(run, [path])
        assert run.record["parts"]["chapters"]["99_trial"]["status"] == "the same verdicts" and not gpu.wrong(run.record)
    assert capsys.readouterr().out.count("99_trial") == 2  # the third time there was nothing left to do


def test_another_verdict_is_said_and_counts(tmp_path, inside):
    path = chapter(tmp_path, SETUP, CLAIM, verdict="holds with repair")
    run = opened(tmp_path / "out")
    gpu.chapters(run, [path])
    found = run.record["parts"]["chapters"]["99_trial"]
    assert found["different"] == {"L3": "holds with repair, here holds"} and gpu.wrong(run.record)


@pytest.mark.parametrize("body, status, wrong", [("assert 1 == 2, 'on the card'", "failed", True), ("pass", "passed", False)])
def test_the_marked_tests_are_run_and_a_failing_one_counts(tmp_path, monkeypatch, body, status, wrong):
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = cuda")
    marked = "import pytest\n@pytest.mark." + f"cuda\ndef test_a():\n    {body}\ndef test_b():\n    assert False\n"
    (tmp_path / "tests" / "test_one.py").write_text(marked)
    monkeypatch.setattr(gpu, "ROOT", tmp_path)
    run = opened(tmp_path / "out")
    gpu.tests(run)
    found = run.record["parts"]["tests"]
    assert (found["status"], found["passed"], gpu.wrong(run.record)) == (status, int(not wrong), wrong), found
    assert found["errors"] == (["test_a: AssertionError: on the card\nassert 1 == 2"] if wrong else [])


def test_the_gpu_preset_goes_on_after_what_was_trained(tmp_path, inside, capfd):
    path, folder = chapter(tmp_path, SETUP, TRAINING, CLAIM), tmp_path / "out"
    gpu.mnist(opened(folder), path)
    found = json.loads((folder / "gpu.json").read_text())["parts"]["mnist"]
    assert found["digits"] == "5,000: the 70,000 are not in the cache" and found["verdicts"] == {"L3": "holds"}
    assert found["printed"]["1"].startswith("preset gpu") and "train-2-1: 0 s" in capfd.readouterr().out
    record = json.loads((folder / "gpu.json").read_text())
    record["parts"]["mnist"]["status"] = "out of time"
    (folder / "gpu.json").write_text(json.dumps(record))
    run = opened(folder)
    gpu.mnist(run, path)
    assert run.record["parts"]["mnist"]["seconds"] == 2 * found["seconds"] and "train-2-1" not in capfd.readouterr().out


def test_a_folder_holds_one_commit_and_card(tmp_path):
    run = opened(tmp_path)
    run.save("tests", dict(status="passed", passed=1, errors=[], seconds=1.0))
    record = json.loads((tmp_path / "gpu.json").read_text())
    (tmp_path / "gpu.json").write_text(json.dumps(record | {"torch": "1.0"}))
    with pytest.raises(SystemExit, match=r"^--out: got a folder with a run of torch 1\.0; allowed: "):
        opened(tmp_path)


RUN = dict(date="2026-11-27", commit="a" * 40, device="cuda", card="A card", torch="2.11.0", cuda="13.0", driver="580", processor="16 cores")


def test_the_page_says_what_was_run_and_never_run_where_not(tmp_path, monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    import checked

    page = lambda: "\n".join(checked.GpuRuns.lines(None, tmp_path))  # noqa: E731
    record = tmp_path / "checked.json"
    record.write_text("{}")
    assert page().count("never run") == len(checked.GPU_PARTS) == len(gpu_summary.SUMMARIES)
    one = {"status": "the same verdicts", "errors": [], "seconds": 9.0, "cells": {"3": 2.0, "5": 0.1}, "verdicts": {}, "different": {}}
    parts = {"tests": dict(status="passed", passed=111, skipped=0, errors=[], seconds=9.0), "chapters": {"11_a": one},
             "timings": {"11_a cuda": one, "11_a cpu": one | {"cells": {"3": 20.0, "5": 0.2}}, "12_b cuda": one}}
    for device in ("cpu", "cuda"):
        (tmp_path / "gpu.json").write_text(json.dumps(RUN | {"device": device, "parts": parts}))
        if device == "cpu":
            with pytest.raises(SystemExit, match=r"^--record: got a run on cpu; allowed: one on CUDA"):
                gpu_summary.put(tmp_path, record)
    gpu_summary.put(tmp_path, record)
    assert page().count("never run") == 1 and page().count("A card, torch 2.11.0, driver 580; 16 cores; 2026-11-27, commit aaaaaaa") == 3
    for words in ("passed: 111 of 111", "1 of 1 with the stored verdicts", "11_a, cell 3: 2.0 s, CPU 20.0 s"):
        assert words in page()
    assert "cell 5" not in page() and "12_b" not in page()


def test_no_gpu_run_is_recorded_without_card_and_commit():
    """What the page shows now comes from a real run, or it says that there was none."""
    for part in json.loads((ROOT / "book" / "checked.json").read_text(encoding="utf-8")).get("gpu", {}).values():
        assert part["run"]["card"] not in ("", "none") and part["run"]["commit"]
