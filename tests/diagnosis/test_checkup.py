"""The whole: what is said where the truth is known, false alarms, and what is refused."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from exact_models import F64, LOW, SIGMA, TRUE, empirical, flows, of, posterior, records
from scipy.stats import binom, kstest, norm, t

import diffnotes as dn
from diffnotes.diagnosis import whole
from diffnotes.diagnosis.chosen import choose
from diffnotes.diagnosis.evidence import swap_tests
from diffnotes.diagnosis.levels import log_weights
from diffnotes.diagnosis.pairs import Question, measure

CPU = torch.device("cpu")
TAU = [10.0, 1e4, 1e9]
QUIET = dict(progress=False)
CUDA = pytest.param("cuda", marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")])


@pytest.fixture(scope="module")
def sets():
    return records(64, 0), records(64, 1)


@pytest.fixture(scope="module")
def trained(sets):
    return flows(sets[0], TAU)


def test_the_true_score_generalises_and_tells_nobody(sets):
    found = dn.checkup(TRUE, *sets, **QUIET)
    assert found.verdict == "generalises" and not found.told and not found.copied
    assert found.gap.low < 0 < found.gap.high and found.against_gaussian.low > 0 and found.records == (64, 64)
    train, held_out = found.position
    assert all(abs(a.mean - b.mean) < max(0.2, 1.5 * (a.high - a.low)) for a, b in zip(train[:6], held_out[:6], strict=True))


def test_the_empirical_score_memorises(sets):
    """Which bug this catches: a verdict that looks at the sum over levels alone, or at sides the wrong way round."""
    found = dn.checkup(empirical(sets[0]), *sets, **QUIET)
    assert found.verdict == "memorises" and found.told and found.copied and found.copies.samples.mean > 0.9
    assert found.p_value == found.p_any == pytest.approx(1 / 2000) and max(one.mean for one in found.auc) > 0.99
    train, held_out = found.position
    assert all(one.mean == pytest.approx(1, abs=1e-6) for one in train) and all(abs(one.mean) < 1e-6 for one in held_out)
    low = dn.checkup(empirical(sets[0]), *sets, levels=[0.05, 0.1, 0.2], samples=0, draws=1, **QUIET)
    assert low.verdict == "memorises"  # though on all other records it is far worse than returning them as they are
    opposite = dn.checkup(empirical(sets[0]), sets[1], sets[0], samples=0, **QUIET)
    assert not opposite.told and opposite.gap.high < 0


def test_swapping_the_two_of_a_pair_changes_no_level_and_turns_its_difference():
    """Which bug this catches: levels, pool or regression from the training records alone, with which no swap test is exact."""
    train, held_out = records(90, 0), records(120, 1)
    pairs = choose(train, held_out, 90, 200, 0).pool[:180].view(90, 2, -1)
    changed = [train.clone(), held_out.clone()]
    for first, second in pairs[::2]:
        k, j = (int((where == one).all(1).nonzero()) for where, one in ((train, first), (held_out, second)))
        changed[0][k], changed[1][j] = second, first
    options = QUIET | dict(samples=0, pool=200, draws=1)
    before, after = dn.checkup(TRUE, train, held_out, **options), dn.checkup(TRUE, *changed, **options)
    torch.testing.assert_close(after.levels, before.levels, rtol=1e-12, atol=0.0)
    assert after.gap.mean != before.gap.mean and after.p_shift != before.p_shift
    whole_swap = dn.checkup(TRUE, *changed, **options | dict(levels=before.levels))
    assert whole_swap.gap.mean == pytest.approx(after.gap.mean, rel=1e-9)


def test_another_sets_empirical_score_tells_nobody(sets):
    found = dn.checkup(empirical(records(64, 2)), *sets, **QUIET)
    assert not found.told and found.verdict != "memorises" and found.copies.samples.mean < 0.2


def test_exact_flows_early_at_their_best_and_late(sets, trained):
    """Which bug this catches: a best stopping time that is called memorising as its records can be told."""
    found = [dn.checkup(one, *sets, **QUIET) for one in trained]
    assert [one.verdict for one in found] == ["no verdict", "generalises", "memorises"]
    assert [one.reasons for one in found] == [["wiring"], [], []]  # the first is hardly trained
    assert [one.told for one in found][1:] == [True, True] and found[0].gap_share.high < 0.05 < found[1].gap_share.low
    assert found[2].copied and not found[1].copied and found[1].against_gaussian.low > 0 > found[0].against_gaussian.high


def test_checkpoints_are_two_clocks_in_the_order_of_their_times(sets, trained):
    """Which bug this catches: two late checkpoints with one name, times that no longer stand beside their models."""
    named = {1e9: trained[2], 10: trained[0], 1_000_000_001: trained[2], np.float64(1e4): trained[1]}
    found = dn.checkup(trained[1], *sets, checkpoints=named, references=[TRUE], samples=0, draws=4, **QUIET)
    clock = found.clocks
    assert clock.tau == [10, 1e4, 1e9, 1e9 + 1] and clock.stop == (1e4, 1e4, 1e4)
    assert clock.memorised == [False, False, True, True] and clock.memorising == 1e9 and clock.remembering <= 1e4
    assert clock.share[1].mean == pytest.approx(found.gap_share.mean) and clock.share[2] == clock.share[3]


MODELS = [empirical(records(30, 5)), TRUE]


def alarms(seed, n, others, copies):
    """p-values of a model that does not know the split: that of any and of the sum."""
    train, held_out = records(n, seed), records(others, 10_000 + seed)
    train = torch.cat([train, train[:copies].repeat(3, 1)])
    chosen = choose(train, held_out, 1000, 4096, seed)
    sigma = whole._levels(4, TRUE, chosen, seed, CPU)
    asked = Question([MODELS[seed % 2]], 0, sigma.tolist(), 1, chosen.pool, chosen.known, seed, CPU, CPU)
    left = whole._adjusted(measure(asked, chosen.pairs, **QUIET))[..., 0]
    return swap_tests(left[:, 1] - left[:, 0], log_weights(sigma), np.random.default_rng([seed, 3]), 399)[:2]


def test_false_alarms_are_as_many_as_the_level_says():
    """200 splits that the models have not seen, one third with duplicates, one third with other numbers of held-out records.

    Which bug this catches: a covariate, a level or an order that knows which of a pair was trained on.
    """
    p = np.array([alarms(k, *[(24, 24, 0), (24, 24, 8), (40, 25, 0)][k % 3]) for k in range(200)])
    for each in p.T:
        low, high = binom(200, 0.05).ppf([1e-3, 0.999])
        assert low <= (each <= 0.05).sum() <= high
    assert kstest(p[:, 1], "uniform").pvalue > 1e-3


def test_a_shift_is_named(sets):
    """Before all else, as a gap may come from it."""
    spread = sets[1].var(0).mean().sqrt()
    train, held_out = records(250, 3), records(250, 4) + 0.3 * spread
    found = dn.checkup(TRUE, train, held_out, samples=0, draws=1, **QUIET)
    assert min(found.p_shift) < 0.025 and "differ without any model" in found.sentences()[0]
    same = dn.checkup(TRUE, train, held_out - 0.3 * spread, samples=0, draws=1, **QUIET)
    assert "differ" not in same.sentences()[0]


def equal(one, two):
    numbers = [[*vars(each.gap).values(), each.p_any, *(x for k in each.by_level + each.auc for x in vars(k).values()), each.copies.p_value]
               for each in (one, two)]
    return numbers[0] == pytest.approx(numbers[1], rel=1e-9, abs=1e-9)


def test_the_same_twice_with_threads_with_a_cache_and_in_another_shape(sets, tmp_path):
    few = dict(levels=4, draws=2, samples=40, **QUIET)
    one = dn.checkup(TRUE, *sets, **few)
    with ThreadPoolExecutor(2) as threads:
        assert equal(dn.checkup(TRUE, *sets, executor=threads, block=9, **few), one)
    assert equal(dn.checkup(TRUE, *sets, cache=tmp_path / "new", block=9, **few), one) and len(list((tmp_path / "new").iterdir())) == 8
    images = of(lambda y, s: posterior(y.flatten(1), s).view(y.shape))
    other = dn.checkup(images, *(x.view(-1, 2, 2, 2) for x in sets), **few)
    assert other.gap.mean == pytest.approx(one.gap.mean) and other.p_any == one.p_any
    single = dn.checkup(TRUE, *(x.float() for x in sets), **few)
    assert single.gap.mean == pytest.approx(one.gap.mean, abs=1e-3) and single.by_level[0].mean == pytest.approx(one.by_level[0].mean, abs=1e-3)


def test_the_budget_ends_it_early_and_says_on_how_many_pairs():
    found = dn.checkup(TRUE, records(60, 0), records(60, 1), budget=1e-9, block=25, samples=500, **QUIET)
    assert found.pairs == 25 and found.chosen == 60 and len(found.copies.ratio[0]) == 20 and found.records == (60, 60)
    assert "Asked: 25 pairs of 60, when the budget ended, 8 noise levels, 8 draws of the noise, 20 samples." in found.sentences()
    whole = dn.checkup(TRUE, records(60, 0), records(60, 1), budget=60.0, pairs=25, levels=2, samples=0, **QUIET)
    assert whole.pairs == whole.chosen == 25 and "budget" not in str(whole)


@pytest.mark.parametrize(("given", "draws"), [(64, 8), (100, 5), (250, 2), (500, 1)])
def test_without_draws_there_are_enough_for_500_in_all_and_no_more_than_8(given, draws):
    assert dn.checkup(TRUE, records(given, 0), records(given, 1), levels=2, samples=0, budget=1e-9, block=20, **QUIET).draws == draws


def test_what_is_there_when_a_model_fails_stays_in_the_cache(sets, tmp_path):
    asked = []

    def failing(y, sigma):
        asked.append(len(y))
        return y * (float("nan") if len(asked) > 20 else 0.5)
    with pytest.raises(ValueError, match=r"model\(x, t\) at sigma = .*: got nan; allowed"):
        dn.checkup(dn.Denoiser(failing, 0.05, 10.0), *sets, levels=3, draws=1, block=8, cache=tmp_path, **QUIET)
    assert 1 <= len(list(tmp_path.iterdir())) < 8


def test_options(sets):
    found = dn.checkup(TRUE, *sets, levels=[1.0, 0.2], samples=sets[0] + 0.01, likelihood=4, confidence=0.5, pairs=30, draws=1, **QUIET)
    assert found.levels.tolist() == [0.2, 1.0] and found.pairs == 30 and found.copied and found.likelihood.low <= found.likelihood.high
    wide = dn.checkup(TRUE, *sets, levels=[1.0, 0.2], samples=0, pairs=30, draws=1, **QUIET)
    assert wide.gap.high - wide.gap.low > 2.5 * (found.gap.high - found.gap.low) and wide.copies is wide.likelihood is wide.clocks is None
    known = dn.Denoiser(lambda y, s: posterior(y, s[0].item()), SIGMA[0], SIGMA[-1], levels=SIGMA)
    chosen = dn.checkup(known, *sets, levels=np.int64(5), samples=0, draws=1, **QUIET).levels
    assert all(np.isclose(SIGMA, one).any() for one in chosen.tolist())
    assert len(dn.checkup(known, *sets, levels=[0.06], samples=0, draws=1, **QUIET).levels) == 1


def test_limits_of_a_level_hold_for_all_levels_together(sets):
    """Which bug this catches: eight limits at 95% each, of which one in three check-ups has a false one."""
    one, four = (dn.checkup(TRUE, *sets, levels=some, samples=0, draws=1, **QUIET) for some in ([0.5], [0.2, 0.5, 1.0, 2.0]))
    wider = t.ppf(1 - 0.05 / 8, 63) / t.ppf(0.975, 63)
    alone, beside = one.by_level[0], four.by_level[1]
    assert beside.mean == pytest.approx(alone.mean) and beside.high - beside.mean == pytest.approx(wider * (alone.high - alone.mean))
    logit = lambda p: math.log(p / (1 - p))  # noqa: E731
    alone, beside = ([logit(x) for x in (each.mean, each.high)] for each in (one.auc[0], four.auc[1]))
    assert beside[1] - beside[0] == pytest.approx((alone[1] - alone[0]) * norm.ppf(1 - 0.05 / 8) / norm.ppf(0.975))


def test_models_that_have_no_loss_at_all_leave_no_nan(sets):
    """Which bug this catches: a share of nothing."""
    everything = torch.cat(sets)
    found = dn.checkup(of(lambda y, s: everything[torch.cdist(y, everything).argmin(1)]), *sets, levels=[0.05, 0.06], samples=0, draws=1, **QUIET)
    assert not found.told and "nan" not in " ".join(found.sentences()) and found.by_level[0].mean == 0


def test_references_take_out_what_is_hard_for_all(sets):
    model = of(lambda y, s: posterior(y, s) + 0.1 * (posterior(y, s) - y))
    plain, helped = (dn.checkup(model, *sets, references=some, samples=0, **QUIET) for some in ([], [TRUE]))
    assert helped.gap.high - helped.gap.low < 0.5 * (plain.gap.high - plain.gap.low)


def flow(data_at):
    def velocity(x, at):
        time = at[0].item() if data_at else 1 - at[0].item()  # from noise to data
        x0 = posterior(x / time, (1 - time) / time)
        forwards = x0 - (x - time * x0) / (1 - time)
        return forwards if data_at else -forwards
    return velocity


def test_models_that_do_not_fit_the_records_are_refused(sets):
    """Which bug this catches: numbers for a model that was asked at the wrong times, or with records in another scale."""
    alphas = 1 / (1 + torch.linspace(0.05, 10, 50, dtype=F64) ** 2)

    def epsilon(x, k):
        a = alphas[k[0]].item()
        y = x / a**0.5
        sigma = math.sqrt((1 - a) / a)
        return (y - posterior(y, sigma)) / sigma
    right = dn.Denoiser.of_velocity(flow(1), 0.05, 10.0, data_at=1)
    assert dn.checkup(right, *sets, samples=0, draws=1, **QUIET).verdict == "generalises"
    wrong = [(dn.Denoiser.of_velocity(flow(1), 0.05, 10.0, data_at=0), sets), (dn.Denoiser.of_velocity(flow(0), 0.05, 10.0, data_at=1), sets),
             (TRUE, [100 * x for x in sets]), (dn.Denoiser(lambda y, s: 2 * y, LOW, 10.0), sets),
             (dn.Denoiser.of_discrete(epsilon, alphas, "sample"), sets)]
    assert dn.checkup(dn.Denoiser.of_discrete(epsilon, alphas), *sets, samples=0, draws=1, **QUIET).verdict == "generalises"
    for model, given in wrong:
        with pytest.raises(ValueError, match=r"^model: got an error of .* times that of returning the noisy record as it is, at sigma = "):
            dn.checkup(model, *given, samples=0, draws=1, **QUIET)
    doubled = dn.checkup(TRUE, *(2 * x for x in sets), samples=0, draws=1, **QUIET)  # it may be a poor model
    assert doubled.against_gaussian.high < 0 and doubled.verdict == "no verdict" and doubled.reasons == ["wiring"]


def never(y, sigma):
    raise AssertionError("the model was asked before all was checked")


@pytest.mark.parametrize(("name", "change"), [
    ("model", dict(model=posterior)), ("train", dict(train=None)), ("held_out", dict(held_out=torch.zeros(64, 7, dtype=F64))),
    ("held_out", dict(held_out=records(64, 0))), ("train", dict(train=records(19, 0))), ("levels", dict(levels=1)), ("levels", dict(levels=True)),
    ("levels", dict(levels=[0.01, 1.0])), ("levels", dict(levels=[1.0, 20.0])), ("levels", dict(levels="all")), ("pairs", dict(pairs=19)),
    ("draws", dict(draws=0)), ("references", dict(references=[posterior])), ("references", dict(references=TRUE)), ("checkpoints", dict(checkpoints=[TRUE])),
    ("checkpoints", dict(checkpoints={"last": TRUE})), ("checkpoints[1]", dict(checkpoints={1: posterior})), ("samples", dict(samples=-1)),
    ("samples", dict(samples=torch.zeros(9, 3, dtype=F64))), ("samples", dict(samples=torch.zeros(9, 8))), ("samples", dict(samples="x")),
    ("steps", dict(steps=0)), ("likelihood", dict(likelihood=1)), ("likelihood", dict(likelihood=-2)), ("pool", dict(pool=10)), ("block", dict(block=0)),
    ("seed", dict(seed=-1)), ("seed", dict(seed=None)), ("confidence", dict(confidence=95)), ("budget", dict(budget=0.0)), ("budget", dict(budget=-3)),
    ("cache", dict(cache=3)), ("executor", dict(executor=map)), ("device", dict(device="nowhere")), ("device", dict(device="cuda:99")), ("device", dict(device="meta")),
    ("train", dict(train=torch.zeros(64, 8, device="meta"), held_out=torch.zeros(64, 8, device="meta")))])
def test_bad_input_is_refused_before_the_model_is_asked(name, change):
    """Which bug this catches: an hour of answers lost to a typing error in what comes after them."""
    valid = dict(model=dn.Denoiser(never, 0.05, 10.0), train=records(64, 0), held_out=records(64, 1))
    with pytest.raises(ValueError) as caught:
        dn.checkup(**valid | change, **QUIET)
    assert str(caught.value).replace("[0]", "").startswith(f"{name}: got ") and "; allowed: " in str(caught.value)


@pytest.mark.parametrize(("answer", "what"), [
    (lambda y, s: y[:, :3], "shape"), (lambda y, s: y.double() if y.dtype == torch.float32 else y.float(), "dtype"), (lambda y, s: y * math.inf, "inf"),
    (lambda y, s: None, "NoneType"), (lambda y, s: y.to("meta"), "device meta")])
def test_models_that_answer_with_something_else_are_refused(sets, answer, what):
    with pytest.raises(ValueError, match=rf"^model\(x, t\) at sigma = [\d.e-]+: got .*{what}"):
        dn.checkup(dn.Denoiser(answer, 0.05, 10.0), *sets, **QUIET)


@pytest.mark.parametrize("device", [CUDA])
def test_on_cuda_as_on_the_cpu(sets, device):
    """Records on the device, and records in memory with a model that is asked on the device."""
    options = dict(levels=4, draws=2, samples=40, likelihood=4, checkpoints={1: TRUE}, references=[of(lambda y, s: y / (1 + s**2))], **QUIET)
    one = dn.checkup(TRUE, *sets, **options)
    there = [x.to(device) for x in sets]
    for found in (dn.checkup(TRUE, *there, **options), dn.checkup(TRUE, *sets, device=device, **options),
                  dn.checkup(TRUE, *there, **options | dict(samples=there[0] + 1.0))):
        assert found.gap.mean == pytest.approx(one.gap.mean, rel=1e-6) and found.p_any == one.p_any and found.levels.device.type == "cpu"
        assert found.likelihood.mean == pytest.approx(one.likelihood.mean, rel=1e-4) and found.clocks.stop == one.clocks.stop
        assert found._repr_mimebundle_()["text/plain"]
