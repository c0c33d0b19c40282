"""Sentences, table and figures hold the numbers, whatever was measured."""

import base64
import dataclasses
import re
from html import escape

import pytest
import torch
from exact_models import SIGMA, TRUE, empirical, flows, of, posterior, records

import diffnotes as dn
from diffnotes.diagnosis import pictures, report

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
    for number in (f"{found.gap:.3g}", f"{found.gap_share:.2%}", f"{found.copies.samples:.1%}", f"{found.likelihood:.3g}", "τ = 10⁹ on", "(p ≤ 0.0005)",
                   f"{found.collapse.at(0.5):.2g}", f"{found.position[0][0].mean:.0f}"):
        assert number in words
    assert "can be told from others: on average their loss is lower" in words and "more than" in words and "has overfitted" in words
    assert f"Stop at τ = {pictures.when(found.clocks.stop[0])}" in words and "checkpoint: the best" not in words
    most = max(found.by_level, key=lambda one: one.mean)
    assert f"{most.mean:.0%} lower than on others and {found.copies.samples.mean:.1%} of its samples are copies" in said[0]
    assert "usual for a model" not in words and said[-1] == "Asked: 48 pairs, 8 noise levels, 2 draws of the noise, 200 samples."


def test_sentences_of_the_true_score_say_what_is_not_resolved_and_what_would(honest):
    words = " ".join(honest.sentences())
    assert words.startswith("It generalises") and "can be told from others is not resolved" in words and f"Asked: {honest.pairs} pairs," in words
    assert f"takes about {honest.needed:,} pairs" in words and "not resolved to be more than" in words
    assert f"its loss is {honest.gaussian_share:.0%} below that of the best Gaussian" in words
    assert f"nowhere can more than {max(one.high for one in honest.by_level):.0%} of their loss be gone" in words


def test_the_table_holds_the_numbers(memorising, honest):
    for found, rows in ((memorising, 10), (honest, 9)):
        text = str(found.table())
        lines = [line for line in text.splitlines() if re.search(r"\d", line) or line.startswith("sets alike?")]
        assert len(lines) == rows + 1  # and the one below
        most = max(found.by_level, key=lambda one: one.mean)
        for number in (f"{found.gap:.3g}", f"{found.gap_raw:.3g}", f"{most:.1%}", f"{max(found.auc, key=lambda one: one.mean):.2f}", f"{found.gaussian_share:.1%}",
                       f"{found.copies.nearer:.0%}", report.p_text(found.p_differ), f"{found.pairs} pairs"):
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
    words = dn.checkup(TRUE, train, sets[1], samples=0, levels=2, **QUIET).sentences()[-1]
    assert words.endswith("Left out: 5 training records that are equal to others, 0 pairs that nearly are.") and "samples" not in words
    assert "Left out" not in dn.checkup(TRUE, *sets, samples=0, levels=2, **QUIET).sentences()[-1]


def test_verdicts():
    """Which bug this catches: limits compared on the wrong side."""
    low, open_, high, top = (dn.Interval(*x) for x in ((0.0, 0.1, 0.2), (0.3, 0.4, 0.6), (0.55, 0.7, 0.8), (0.1, 0.2, 0.3)))
    def verdict(by_level, against, copies=None):
        fields = dict.fromkeys(dn.Checkup.__dataclass_fields__) | dict(p_shift=(1.0, 1.0), gap=below, own_against_gaussian=below)
        return dn.Checkup(**fields | dict(by_level=by_level, against_gaussian=against, copies=copies)).verdict
    below, unclear = dn.Interval(0.1, 0.2, 0.3), dn.Interval(-0.1, 0.2, 0.3)
    assert verdict([low, high], below) == "memorises" and verdict([low, open_], below) == "not resolved"
    assert verdict([low, top], below) == "generalises" and verdict([low, top], unclear) == "does not memorise"
    some = dict(nearer=0.5, p_value=0.5, ratio=())
    assert verdict([low], below, dn.diagnosis.samples.Copies(samples=high, held_out=top, **some)) == "memorises"
    assert verdict([low], below, dn.diagnosis.samples.Copies(samples=top, held_out=low, **some)) == "generalises"


def test_numbers_in_words():
    assert [pictures.when(tau) for tau in (0.0, 5.0, 12345.0, 1e9)] == ["0", "5", "12345", "10⁹"]
    assert report.p_text(0.0005) == "≤ 0.0005" and report.p_text(0.25) == "0.25"


def test_a_worse_loss_is_said_to_be_above_and_why(sets):
    other = dn.checkup(empirical(records(30, 9)), *sets, samples=0, levels=SIGMA[2:], **QUIET)
    assert other.against_gaussian.high < 0 and "scale" in other.sentences()[0] and other.sentences()[1] == "So there is no verdict."
    share = other.gaussian_share
    assert any(f"{-share.mean:.0%} ({-share.high:.0%} to {-share.low:.0%}) above that of the best Gaussian" in one for one in other.sentences())


def test_it_prints_its_report(honest):
    """Which bug this catches: 3,000 characters of tensors."""
    assert str(honest) == repr(honest) == f"{honest}" == report.text(honest)
    lines = str(honest).splitlines()
    assert lines[0] == f"- {honest.sentences()[0]}" and "Checkup(" not in str(honest) and "tensor(" not in str(honest)


POOR = of(lambda y, s: posterior(y, s) + 0.2 * (posterior(y, s) - y))


@pytest.mark.parametrize(("checkpoints", "said"), [
    ({1: TRUE, 2: POOR}, "It is the first checkpoint: the best may lie before it."), ({1: POOR, 2: TRUE}, "It is the last checkpoint: the best may lie beyond it."),
    ({1: POOR, 2: TRUE, 3: POOR}, "all others it is higher beyond chance. Training"), ({1: TRUE}, "least; it is the only checkpoint. Training")])
def test_a_best_checkpoint_at_an_edge_is_said_to_be_there(sets, checkpoints, said):
    words = " ".join(dn.checkup(TRUE, *sets, samples=0, levels=3, checkpoints=checkpoints, **QUIET).sentences())
    assert said in words and words.count("checkpoint: the best") == said.count("checkpoint: the best")


def test_a_doubtful_split_is_said_beside_a_verdict(honest):
    """Above 1% it is no reason for no verdict, and one split of twenty is below 5%."""
    for p, first in ((0.02, "Training and held-out records may differ without any model (p = 0.04; in one split of twenty"), (0.03, "It generalises"),
                     (0.004, "Training and held-out records differ without any model: split at random")):
        assert dataclasses.replace(honest, p_shift=(p, 0.5)).sentences()[0].startswith(first)
    none = dataclasses.replace(honest, p_shift=(0.004, 0.5))
    assert none.sentences()[:2] == [*none.warnings, "So there is no verdict."]


def test_a_few_records_known_by_heart_are_said_to_be_few(honest, memorising):
    """Which bug this catches: "its loss is less than half, or samples are copies", beside a gap that is not resolved."""
    some = dataclasses.replace(honest, copies=memorising.copies)
    assert some.verdict == "memorises" and not some.told
    assert some.sentences()[0] == (f"It memorises: {some.copies.samples.mean:.1%} of its samples are copies. A few records seem to be known by heart, "
                                   "and most are not.")
    assert "by heart, and" not in memorising.sentences()[0]


def test_shares_are_no_more_than_all_and_told_records_no_fault(memorising):
    assert all(one.mean <= one.high <= 1 for one in (*memorising.by_level, memorising.gap_share))
    words = " ".join(dataclasses.replace(memorising, by_level=[dn.Interval(0.1, 0.2, 0.3)] * 8, copies=None, p_shift=(1.0, 1.0)).sentences())
    assert "usual for a model at its best and is not memorisation" in words
