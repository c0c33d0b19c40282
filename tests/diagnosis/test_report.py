"""Sentences, table and figures hold the numbers, whatever was measured."""

import base64
import re
from html import escape

import pytest
import torch
from exact_models import SIGMA, TRUE, empirical, flows, records

import diffnotes as dn
from diffnotes.diagnosis import report

QUIET = dict(progress=False, draws=2)


@pytest.fixture(scope="module")
def sets():
    return records(48, 0), records(48, 1)


@pytest.fixture(scope="module")
def memorising(sets):
    tau = [10.0, 1e4, 1e9]
    models = flows(sets[0], tau, width=200)
    return dn.checkup(models[2], *sets, checkpoints=dict(zip(tau, models, strict=True)), likelihood=3, **QUIET)


@pytest.fixture(scope="module")
def honest(sets):
    return dn.checkup(TRUE, *sets, **QUIET)


def test_sentences_hold_the_numbers_of_a_model_that_memorises(memorising):
    """Which bug this catches: a sentence that says one thing and a number that says another."""
    found, said = memorising, memorising.sentences()
    words = " ".join(said)
    assert said[0].startswith("It memorises")
    for number in (f"{found.gap:.3g}", f"{found.gap_share:.2%}", f"{found.copies.samples:.1%}", f"{found.likelihood:.3g}", "τ = 10⁹ on", "(p = 0.0005)",
                   f"{found.collapse.at(0.5):.2g}", f"{found.position[0][0].mean:.0f}"):
        assert number in words
    assert "can be told from others: on them its loss is lower" in words and "more than" in words
    assert f"Stop at τ = {report.when(found.clocks.stop[0])}" in words


def test_sentences_of_the_true_score_say_what_is_not_resolved_and_what_would(honest):
    words = " ".join(honest.sentences())
    assert words.startswith("It generalises") and f"is not resolved on {honest.pairs} pairs" in words
    assert f"takes about {honest.needed:,} pairs" in words and "not resolved to be more than" in words and "nats below that of the best Gaussian" in words


def test_the_table_holds_the_numbers(memorising, honest):
    for found, rows in ((memorising, 10), (honest, 9)):
        text = str(found.table())
        lines = [line for line in text.splitlines() if re.search(r"\d", line) or line.startswith("train and")]
        assert len(lines) == rows + 1  # and the one below
        most = max(found.by_level, key=lambda one: one.mean)
        for number in (f"{found.gap:.3g}", f"{found.gap_raw:.3g}", f"{most:.1%}", f"{max(found.auc, key=lambda one: one.mean):.2f}", f"{found.against_gaussian:.3g}",
                       f"{found.copies.nearer:.0%}", report.p_text(report.shift(found)), f"{found.pairs} pairs"):
            assert number in text


def shown(found):
    """The text, after what must hold for all."""
    bundle = found._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"} and base64.b64decode(bundle["image/png"])[:4] == b"\x89PNG"
    for sentence in found.sentences():
        assert f"- {sentence}" in bundle["text/plain"] and escape(sentence) in bundle["text/html"]
    assert "nan" not in bundle["text/plain"].lower() and not re.search(r"\bnan\b", bundle["text/html"].lower())
    assert bundle["text/html"].count("<figure") == 1 + bool(found.clocks or found.copies)
    return bundle["text/plain"]


def test_it_shows_itself_as_text_html_and_picture(memorising):
    assert "It memorises" in shown(memorising)


@pytest.mark.parametrize("options", [
    dict(levels=2), dict(levels=[0.5], samples=0), dict(levels=[0.05, 10.0], samples=0, checkpoints={0: TRUE})])
def test_with_few_levels_without_samples_and_without_checkpoints(sets, options):
    text = shown(dn.checkup(TRUE, *sets, **QUIET | options))
    assert ("samples are copies" in text) == ("samples" not in options) and ("Stop at" in text) == ("checkpoints" in options)


def test_what_was_left_out_is_said(sets):
    train = torch.cat([sets[0], sets[0][:5]])
    words = dn.checkup(TRUE, train, sets[1], samples=0, levels=2, **QUIET).sentences()[0]
    assert "5 training records were left out as equal to others, 0 pairs as nearly so." in words


def test_verdicts():
    """Which bug this catches: limits compared on the wrong side."""
    low, open_, high, top = (dn.Interval(*x) for x in ((0.0, 0.1, 0.2), (0.3, 0.4, 0.6), (0.55, 0.7, 0.8), (0.1, 0.2, 0.3)))
    def verdict(by_level, against, copies=None):
        fields = dict.fromkeys(dn.Checkup.__dataclass_fields__)
        return dn.Checkup(**fields | dict(by_level=by_level, against_gaussian=against, copies=copies)).verdict
    below, unclear = dn.Interval(0.1, 0.2, 0.3), dn.Interval(-0.1, 0.2, 0.3)
    assert verdict([low, high], below) == "memorises" and verdict([low, open_], below) == "not resolved"
    assert verdict([low, top], below) == "generalises" and verdict([low, top], unclear) == "does not memorise"
    some = dict(nearer=0.5, p_value=0.5, ratio=())
    assert verdict([low], below, dn.diagnosis.samples.Copies(samples=high, held_out=top, **some)) == "memorises"
    assert verdict([low], below, dn.diagnosis.samples.Copies(samples=top, held_out=low, **some)) == "generalises"


def test_numbers_in_words():
    assert [report.when(tau) for tau in (0.0, 5.0, 12345.0, 1e9)] == ["0", "5", "12345", "10⁹"]
    assert report.p_text(0.0005) == "0.0005" and report.p_text(0.25) == "0.25"


def test_a_worse_loss_is_said_to_be_above_and_why(sets):
    other = dn.checkup(empirical(records(30, 9)), *sets, samples=0, levels=SIGMA[2:], **QUIET)
    assert other.against_gaussian.high < 0 and any("above the best Gaussian's" in one and "scaled" in one for one in other.sentences())
