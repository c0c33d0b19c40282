"""The registry of items, and verdicts: shown, stored and collected."""

import json
import re
import sys
from collections import Counter

import pytest

import diffnotes as dn
from diffnotes.page import claims


def test_registry_has_every_item_in_its_group():
    kinds = Counter(re.sub(r"\d+$", "", id) for id in dn.registry())
    paper = {kind: count for kind, count in kinds.items() if kind not in ("O", "B")}
    assert paper == {"T": 2, "L": 8, "D": 1, "R": 7, "P-T": 2, "P-L": 7, "F": 11, "A": 4, "E": 1} and kinds["O"] >= 3 and kinds["B"] >= 5
    ours = {"A4"}  # privacy: the paper names the risk and claims nothing
    assert all(dn.registry()[id].group == "this book" for id in ours)
    assert {id[0]: item.group for id, item in dn.registry().items() if id not in ours} == dict.fromkeys("TLDRPFAE", "the paper") | {
        "O": "this book", "B": "beyond the paper"}


def test_the_registry_speaks_in_sentences():
    texts = [text for item in dn.registry().values() for text in (item.says, item.why) if text]
    assert [text for text in texts if not (text[0].isupper() and text.endswith(".")) or text.count("$") % 2] == []


def test_a_verdict_in_the_wrong_chapter_is_refused(tmp_path):
    verdict = claims.Claim("L4", "holds", "inequality", "1", 0)
    output = {"output_type": "display_data", "metadata": {}, "data": verdict._repr_mimebundle_()}
    notebook = {"cells": [{"cell_type": "code", "source": "", "outputs": [output]}]}
    (tmp_path / "99_elsewhere.ipynb").write_text(json.dumps(notebook))
    with pytest.raises(ValueError, match="claim L4"):
        dn.ledger(tmp_path)
    (tmp_path / "99_elsewhere.ipynb").unlink()
    notebook["cells"] *= 2
    (tmp_path / "21_exact_gradient_flow.ipynb").write_text(json.dumps(notebook))
    with pytest.raises(ValueError, match="two verdicts"):
        dn.ledger(tmp_path)


@pytest.mark.parametrize("change, name", [
    ({"id": "L99"}, "id"), ({"verdict": "probably"}, "verdict"), ({"evidence": "hearsay"}, "evidence"), ({"seeds": -1}, "seeds")])
def test_bad_claims_name_the_argument(change, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        dn.claim(**dict(id="L4", verdict="holds", evidence="proof", value="", seeds=0) | change)


def test_a_claim_is_shown_with_its_item_verdict_evidence_and_seeds():
    one = claims.Claim("L4", "holds", "inequality", "1.2 < 3", 1)
    name = dn.registry()["L4"].name
    assert str(one) == f"{name}: HOLDS [inequality] 1.2 < 3 (1 seed)"
    assert claims.Claim("L4", "holds", "proof", "exact", 0).measured() == "exact"
    assert claims.Claim("L4", "holds", "proof", "x", 2).measured() == "x (2 seeds)"
    bundle = claims.Claim("L4", "does not reproduce", "experiment", "a < b", 8)._repr_mimebundle_()
    assert bundle["text/html"] == (f'<p><strong>{name}</strong>: <span class="verdict does-not-reproduce">does not reproduce</span> '
                                   "<em>experiment</em>. a &lt; b (8 seeds)</p>")
    assert bundle[claims.MIME] == {"id": "L4", "verdict": "does not reproduce", "evidence": "experiment", "value": "a < b", "seeds": 8}


def test_a_claim_is_displayed_in_a_notebook_and_printed_elsewhere(capsys, monkeypatch):
    """Which bug this catches: a verdict that plain Python does not see, or that a notebook prints as text only."""
    results = []
    monkeypatch.setattr("IPython.display.display", results.append)
    dn.claim("L4", "holds", evidence="proof", value="exact")
    assert results == [claims.Claim("L4", "holds", "proof", "exact", 0)] and capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "IPython.display", None)  # as if it were not installed
    dn.claim("L4", "holds", evidence="proof", value="exact", seeds=3)
    assert len(results) == 1 and capsys.readouterr().out == f"{claims.Claim('L4', 'holds', 'proof', 'exact', 3)}\n"


def test_the_ledger_finds_every_stored_claim_in_its_chapter(tmp_path):
    verdicts = [claims.Claim(id, "holds", "proof", "1", 0) for id, item in dn.registry().items() if item.chapter == "21_exact_gradient_flow"]
    outputs = [{"output_type": "display_data", "data": {"text/plain": ""}, "metadata": {}}, {"output_type": "stream", "text": ""}]
    outputs += [{"output_type": "display_data", "data": verdict._repr_mimebundle_(), "metadata": {}} for verdict in verdicts]
    notebook = {"cells": [{"cell_type": "markdown", "source": ""}, {"cell_type": "code", "source": "", "outputs": outputs}]}
    path = tmp_path / "21_exact_gradient_flow.ipynb"
    path.write_text(json.dumps(notebook))
    assert claims.stored(path) == verdicts and len(verdicts) > 1
    ledger = dn.ledger(tmp_path)
    assert [item for item, _ in ledger] == list(dn.registry().values())
    assert {item.id: verdict for item, verdict in ledger if verdict} == {verdict.id: verdict for verdict in verdicts}


def test_a_verdict_is_a_sentence_with_the_measurement_folded(monkeypatch):
    results = []
    monkeypatch.setattr("IPython.display.display", results.append)
    dn.claim("L5", {"infinite width": "holds", "finite width": "does not close"}, evidence="proof", value="a < b", seeds=2,
             says={"does not close": "It closes for √τ & no more.", "holds": "It holds."})
    dn.claim("L5", "holds", evidence="proof", value="a < b", says={"does not close": "No."})  # no sentence for what came out
    parts, plain = results
    assert (parts.verdict, parts.parts["infinite width"], parts.says) == ("does not close", "holds", "It closes for √τ & no more.")
    bundle = parts._repr_mimebundle_()
    assert bundle["text/html"].startswith('<div class="claim"><p><strong>Lemma 5</strong> infinite width <span class="verdict holds">')
    assert "<p>It closes for √τ &amp; no more.</p><details><summary>What was measured</summary>" in bundle["text/html"]
    assert claims.Claim(**bundle[claims.MIME]) == parts and "NOT CLOSE" in bundle["text/plain"]
    assert plain.says == "" and "<details>" not in plain._repr_mimebundle_()["text/html"]
    for wrong in ({"one": "probably"}, "probably"):
        with pytest.raises(ValueError, match=r"^verdict: "):
            dn.claim("L5", wrong, evidence="proof", value="")
    with pytest.raises(ValueError, match=r"^verdict: "):
        dn.claim("L5", "holds", evidence="proof", value="", says={"hold": "It holds."})
