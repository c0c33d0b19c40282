"""Records of long runs: shown with their provenance, and never older than the chapter they belong to."""

import json
import sys
from pathlib import Path

import nbformat
import pytest

import diffnotes as dn
from diffnotes.page import claims, records
from tools import record as recording
from tools.checkout import commit

ROOT = Path(__file__).resolve().parents[2]
RECORDS = sorted((ROOT / "diffnotes" / "page" / "records").glob("*.json"))
RECORD = {"command": "python -m x", "commit": "abc", "date": "2026-11-24", "minutes": 3.5, "seeds": 64, "versions": "torch 2", "machine": "x86",
          "values": {"late": "0.21"}, "verdicts": {"ci": {"F3": "holds"}, "paper preset": {"F3": "holds"}, "float64": {"F3": "does not reproduce"}}}


def test_a_record_is_shown_beside_this_run():
    text = str(records.Beside({"late": "0.20", "new": "1"}, RECORD))
    assert text.splitlines()[1].split() == ["late", "0.20", "0.21"] and text.splitlines()[2].split() == ["new", "1"]
    assert "3.5 min: python -m x" in text and "64 seeds" in text
    assert "paper preset: the same as in ci" in text and "float64: F3 does not reproduce" in text


def test_without_a_record_this_run_is_shown_alone():
    assert records.load("no_such_chapter") is None
    assert str(records.Beside({"late": "0.20"}, None)).splitlines()[1:] == ["late  0.20"]


@pytest.mark.parametrize("values", [{}, {"late": 0.2}])
def test_bad_values_are_named(values):
    with pytest.raises(ValueError, match=r"^values: got .*; allowed: "):
        dn.beside("x", values)


def test_a_long_run_is_kept_with_its_origin():
    run = dn.long_run("digits")
    assert {"command", "commit", "date", "minutes", "seeds", "versions", "machine"} <= set(run)
    with pytest.raises(ValueError, match=r"^name: got 'no_such_run'; allowed: a run"):
        dn.long_run("no_such_run")


def test_the_pictures_of_the_long_run_are_small_and_whole():
    """Two settings, two pairs, three training times, sixteen images each; below 300 kB in all."""
    pictures = dn.long_run("digits")["pictures"]
    assert len({(row["setting"], row["pair"], row["epoch"]) for row in pictures}) == len(pictures) == 12
    for row in pictures:
        assert row["grey"].shape == (56, 224) and row["grey"].std() > 30  # not empty
    assert sum(len(row["png"]) for row in pictures) < 300_000


def test_there_are_records():
    assert RECORDS


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_belongs_to_its_chapter(path):
    """The chapter shows the same quantities, and its stored verdicts are those that the record compares with."""
    record, chapter = json.loads(path.read_text(encoding="utf-8")), ROOT / "book" / f"{path.stem}.ipynb"
    outputs = [output["data"] for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"] for output in cell.get("outputs", [])
               if records.MIME in output.get("data", {})]
    assert len(outputs) == 1 and set(outputs[0][records.MIME]["values"]) == set(record["values"])
    # A claim that came to the chapter since is not in the record.
    assert record["verdicts"]["ci"].items() <= {claim.id: claim.verdict for claim in claims.stored(chapter)}.items()
    assert set(record["verdicts"]) == {"ci", "paper preset", "float64", "seeds from 1000"}
    assert set(record) == set(RECORD) and path.stem in record["command"]


def test_a_record_s_table_is_aligned_and_names_another_verdict():
    values = {"a": "0.20", "longer name": "a value of more than twenty-two letters"}
    assert str(records.Beside(values, None)).splitlines() == [
        "             this run", "a            0.20", "longer name  a value of more than twenty-two letters"]
    record = RECORD | {"values": {"a": "1"}, "verdicts": {"ci": {"F3": "holds", "F4": "holds"}, "float64": {"F3": "holds"}}}
    assert str(records.Beside({"a": "0.2", "b": "3"}, record)).splitlines() == [
        "   this run                paper preset", "a  0.2                     1", "b  3", "",
        "recorded 2026-11-24 in 3.5 min: python -m x", "  64 seeds; torch 2; x86", "  commit abc", "  verdicts, float64: F4 None"]
    assert records.provenance(RECORD)[-2] == "  verdicts, paper preset: the same as in ci"
    assert records.Beside({"a": "1"}, None)._repr_mimebundle_()[records.MIME] == {"values": {"a": "1"}}


def test_numbers_are_displayed_in_a_notebook_and_printed_elsewhere(capsys, monkeypatch):
    results, name = [], RECORDS[0].stem
    monkeypatch.setattr("IPython.display.display", results.append)
    dn.beside(name, {"x": "1"})
    assert results == [records.Beside({"x": "1"}, json.loads(RECORDS[0].read_text(encoding="utf-8")))] and capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "IPython.display", None)  # as if it were not installed
    dn.beside("no_such_chapter", {"x": "1"})
    assert len(results) == 1 and capsys.readouterr().out == f"{records.Beside({'x': '1'}, None)}\n"


def test_recording_runs_the_variants_and_leaves_the_notebook_alone(tmp_path, monkeypatch):
    (tmp_path / "diffnotes" / "page").mkdir(parents=True)
    monkeypatch.setattr(recording, "ROOT", tmp_path)
    code = ("import diffnotes as dn\n"
            "double = str(dn.precision()) == 'torch.float64'\n"
            "dn.claim('F3', 'holds' if double else 'does not reproduce', evidence='experiment', value='', seeds=len(dn.seeds(ci=2, paper=5)))\n"
            "dn.beside('tiny', {'preset': dn.preset(), 'first seed': str(dn.seeds(ci=1)[0])})")
    path = tmp_path / "tiny.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    before = path.read_bytes()
    result = json.loads(recording.record(path).read_text(encoding="utf-8"))
    assert path.read_bytes() == before and set(result) == set(RECORD) and result["commit"] == commit()
    assert result["values"] == {"preset": "paper", "first seed": "0"} and result["seeds"] == 5
    assert result["verdicts"] == {"ci": {}, "paper preset": {"F3": "does not reproduce"}, "float64": {"F3": "holds"},
                                  "seeds from 1000": {"F3": "does not reproduce"}}
    assert [file.name for file in (tmp_path / "diffnotes" / "page" / "records").iterdir()] == ["tiny.json"]
