"""The manifest for an independent check says what the chapters store, and its commands have their files."""

import re

import yaml

import diffnotes as dn
from tools import codecheck
from tools.build import ROOT


def test_the_manifest_is_that_of_the_stored_verdicts():
    """When this fails, ``python -m tools.codecheck`` makes it again."""
    text = (ROOT / "codecheck.yml").read_text(encoding="utf-8")
    assert text == codecheck.text()
    entries = yaml.safe_load(text)["manifest"]
    verdicts = {item.id: verdict for item, verdict in dn.ledger(ROOT / "book") if verdict}
    assert {entry["claim"]: entry["value"] for entry in entries if "claim" in entry} == {id: v.measured() for id, v in verdicts.items()}
    for entry in entries:
        assert (ROOT / entry["file"]).exists() and all((ROOT / name).exists() for name in re.findall(r"book/\S+", entry["command"]))
