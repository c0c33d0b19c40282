"""The lock has a hash for every pin, and names no place to load from."""

import re

from tools import lock
from tools.build import ROOT


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_has_every_pin_with_its_hash():
    wanted = lock.pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {canonical(name): version for name, version in lock.pins(text).items()}
    assert locked == {canonical(name): version for name, version in wanted.items() if name not in lock.LEFT}
    assert all(re.fullmatch(r"[\w.-]+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in text.splitlines()[1:]) and "://" not in text


def test_what_pip_reports_becomes_a_line_each():
    report = {"install": [{"metadata": {"name": name, "version": "1"}, "download_info": {
        "url": "https://host.example/x.whl", "archive_info": {"hashes": {"sha256": letter * 64}}}} for name, letter in (("b", "1"), ("A", "2"))]}
    assert lock.text(report, "a system").splitlines()[1:] == [f"A==1 --hash=sha256:{'2' * 64}", f"b==1 --hash=sha256:{'1' * 64}"]
