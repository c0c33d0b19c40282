"""The check-up: one call from a model and two sets of records to what can be said of its memory."""

import time
from collections.abc import Mapping
from concurrent.futures import Executor
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from ..base import Interval, files, mean_interval
from ..base import checks as check
from .chosen import LEAST, Chosen, as_tensor, choose
from .clocks import clocks
from .denoisers import Denoiser
from .evidence import adjusted, auc_interval, pairs_needed, ratio_intervals, swap_tests
from .levels import collapse, informative, log_weights
from .likelier import likelihood_gap
from .pairs import Measured, Question, measure
from .result import Checkup
from .samples import copies, generate
from .shift import energy_test, mean_test


def checkup(model: Denoiser, train: Tensor, held_out: Tensor, *, levels=8, pairs: int = 1000, draws: int | None = None,
            references=(), checkpoints: Mapping[float, Denoiser] | None = None, samples=200, steps: int = 18, likelihood: int = 0,
            pool: int = 4096, block: int = 64, seed: int = 0, confidence: float = 0.95, budget: float | None = None, cache=None,
            executor: Executor | None = None, device=None, labels=None, progress: bool = True) -> Checkup:
    r"""Has a diffusion model learned the distribution, or its training records?  Needs records that it has not seen.

    Training and held-out records must come from one distribution, split at random, and be as the model sees them (scaled, in
    its shape).  Pairs of a training and a held-out record see the same noise at each level; every test swaps the two.

    Args:
        model: a ``Denoiser``.
        train, held_out: [n, *event] and [n', *event], float32 or float64, in memory anywhere.
        levels: how many noise levels, chosen from the data, or which sigma.
        pairs: how many pairs at most, drawn at random.
        draws: of the noise, for each pair and level; without it enough for 500 in all, and 8 at most.
        references: models that were trained on other data of the kind; what they find hard is taken out of the losses.
        checkpoints: training time to model; adds the two clocks and when to stop.
        samples: how many to make with the probability flow in ``steps`` steps, or samples [N, *event] that were made, or 0.
        likelihood: number of pairs whose likelihood is computed with the probability flow (slow), or 0.
        pool: records at most that the empirical denoisers know.
        block: pairs in one call of the model.
        budget: seconds that may pass before no new block is begun; what is there by then is analysed.  One block, 20 samples
            and the likelihood are not cut.
        cache: a folder in which each block's answers are kept; a check-up that was killed goes on there.  Found again by the
            records and by what the model answers to a few.
        executor: any ``concurrent.futures.Executor``, for the blocks.
        device: where the model is asked; that of ``train`` without it.
        labels: labels of the training and of the held-out records, [n] and [n'], for a class-conditional model, to which each
            record goes with its label; so do checkpoints and references.  Samples are drawn at labels of training records.

    Raises:
        ValueError: sets that share records; too few of them; a model that answers with another shape, another dtype or NaN, or
            whose noise levels or scaling do not match the records.
    """
    begin, references = time.monotonic(), check.sequence("references", references)
    tau, runs = _models(model, checkpoints, references)
    numbers = dict(pairs=(pairs, LEAST), pool=(pool, 2 * LEAST), seed=(seed, 0), block=(block, 1), steps=(steps, 1),
                   likelihood=(likelihood, 0), draws=(1 if draws is None else draws, 1))
    for name, (value, least) in numbers.items():  # now, and not after what takes long
        check.integer(name, value, least)
    if likelihood == 1:
        check.fail("likelihood", 1, "no pair, or at least 2")
    confidence = check.number("confidence", confidence, 0.0, 1.0, open_low=True, open_high=True)
    mean_interval([0.0, 1.0], confidence)  # without SciPy it ends here
    _left(budget, begin)
    folder = None if cache is None else files.folder("cache", cache)
    if executor is not None:
        check.instance("executor", executor, Executor)
    chosen = choose(train, held_out, pairs, pool, seed, labels)
    samples = _asked(samples, chosen)
    place = _place(device, chosen.pool)
    exact = torch.device("cpu") if place.type == "mps" else place  # where there is float64
    sigma = _levels(levels, model, chosen, seed, exact)
    draws = max(1, min(8, -(-500 // chosen.pairs))) if draws is None else draws
    question = Question(runs, len(references), sigma.tolist(), draws, chosen.pool, chosen.known, seed, place, exact, pool,
                        chosen.labels)
    _sound(question)
    found = measure(question, chosen.pairs, block=block, budget=_left(budget, begin), cache=folder, executor=executor,
                    progress=progress)
    cost = found.seconds.mean().item() * 1000 / (2 * len(sigma) * draws * len(runs))
    hidden = collapse(chosen.train.flatten(1), model.low, model.high, np.random.default_rng([seed, 2]), place=exact)
    drawn = _samples(samples, model, chosen, steps, seed, place, _left(budget, begin), cost)
    alike = None if drawn is None else copies(drawn.to(exact), chosen.train.to(exact), chosen.fresh.to(exact),
                                              chosen.pool[:2 * chosen.pairs].to(exact), np.random.default_rng([seed, 4]),
                                              confidence=confidence)
    likelier = likelihood_gap(model, chosen.pool.to(place), min(likelihood, chosen.pairs), np.random.default_rng([seed, 6]),
                              labels=chosen.labels, confidence=confidence) if likelihood else None
    return _analysed(found, chosen, sigma, tau, seed, confidence, collapse=hidden, copies=alike, cost=cost, likelihood=likelier,
                     draws=draws, records=(len(train), len(held_out)))


def _analysed(found: Measured, chosen: Chosen, sigma, tau, seed, confidence, **other) -> Checkup:
    """Everything that is read off the losses."""
    weights, n, count = log_weights(sigma), len(found), len(sigma)
    left = _adjusted(found)  # [n, 2, L, models]
    differences, held_out = left[:, 1] - left[:, 0], found.loss[:, 1]
    p_any, p_value, p_each = swap_tests(differences[..., 0], weights, np.random.default_rng([seed, 3]))
    wide = 1 - (1 - confidence) / count  # all levels together
    shares = [_below_all(ratio_intervals(differences[..., k], held_out[..., k], wide)) for k in range(held_out.shape[-1])]
    position = [ratio_intervals(found.toward[:, side, :, 0], found.span[:, side], confidence) for side in (0, 1)]
    gap, total, plain = (one @ weights for one in (differences[..., 0], held_out[..., 0], found.gaussian[:, 1]))

    def share(part, whole):
        return ratio_intervals(part[:, None], whole[:, None], confidence)[0]

    # records of two sides are compared: less scatter has the one that is paired, or for heavy held-out losses the plain one
    own = [mean_interval(plain - one, confidence) for one in (total - gap, found.loss[:, 0, :, 0] @ weights)]
    return Checkup(
        levels=sigma, pairs=n, chosen=chosen.pairs, gap=mean_interval(gap, confidence), by_level=shares[0],
        gap_raw=mean_interval((found.loss[:, 1, :, 0] - found.loss[:, 0, :, 0]) @ weights, confidence),
        gap_share=_below_all([share(gap, total)])[0],
        p_any=p_any, p_value=p_value, p_by_level=p_each, position=(position[0], position[1]),
        p_shift=_shift(found, chosen, weights, seed),
        auc=[auc_interval(left[:, 0, k, 0], left[:, 1, k, 0], wide) for k in range(count)],
        against_gaussian=mean_interval(plain - total, confidence), gaussian_share=share(plain - total, plain),
        own_against_gaussian=min(own, key=lambda one: one.high - one.low),
        clocks=clocks(tau, found.loss[..., 1:], differences[..., 1:], shares[1:], weights, seed, confidence) if tau else None,
        duplicates=chosen.duplicates, twins=chosen.twins, dimension=chosen.pool[0].numel(), confidence=confidence,
        needed=pairs_needed(mean_interval(gap, confidence), n, max(total.mean().item() / 100, 1e-300)), **other)


def _below_all(shares: list[Interval]) -> list[Interval]:
    """No more than all of a loss can be gone."""
    return [Interval(one.low, min(one.mean, 1.0), min(one.high, 1.0)) for one in shares]


def _adjusted(found: Measured) -> Tensor:
    """Losses less their regression on the covariates, level by level and model by model: [n, 2, L, models]."""
    n, _, count, models = found.loss.shape
    rows = [torch.stack([adjusted(found.loss[:, :, k, j].flatten(), found.covariates[:, :, k].flatten(0, 1)).view(n, 2)
                         for j in range(models)], -1) for k in range(count)]
    return torch.stack(rows, 2)


def _shift(found, chosen, weights, seed) -> tuple[float, float]:
    """Two p-values for train and held-out differing without any model."""
    train, held_out = (chosen.pool[k:2 * min(len(found), 500):2].flatten(1).double().cpu() for k in (0, 1))
    known = (found.covariates[:, 1, :, 1:] - found.covariates[:, 0, :, 1:]).transpose(1, 2) @ weights
    return energy_test(train, held_out, np.random.default_rng([seed, 7])), mean_test(known, np.random.default_rng([seed, 8]))


def _models(model, checkpoints, references) -> tuple[list[float], list[Denoiser]]:
    """The checkpoints' training times; the model, then the checkpoints by these, then the references."""
    if checkpoints is not None and not isinstance(checkpoints, Mapping):
        check.fail("checkpoints", type(checkpoints).__name__, "a dict from training times to models")
    times = {check.number("checkpoints", tau): one for tau, one in (checkpoints or {}).items()}
    named = [("model", model), *((f"checkpoints[{tau:.15g}]", times[tau]) for tau in sorted(times)),
             *((f"references[{k}]", one) for k, one in enumerate(references))]
    return sorted(times), [check.instance(name, one, Denoiser, "a Denoiser; its constructors take networks of all conventions")
                           for name, one in named]


def _place(device, like) -> torch.device:
    """Where the models are asked."""
    try:
        probe = like[:0] if device is None else torch.empty(0, device=device)
    except (RuntimeError, TypeError, AssertionError):  # the last without CUDA
        check.fail("device", repr(device), "a device that torch knows and finds")
    return check.with_values("device", probe).device


def _levels(levels, model, chosen, seed, exact) -> Tensor:
    """The levels asked for, or chosen, of those that the model knows; chosen from both sets alike, as tests swap them."""
    if isinstance(levels, Integral):
        sigma = informative(collapse(chosen.pool.flatten(1), model.low, model.high, np.random.default_rng([seed, 1, 1]),
                                     together=2, place=exact), check.integer("levels", levels, 2))
    else:
        sigma = check.tensor("levels", levels, ("L",)).double().cpu()
        check.holds("levels", (sigma >= model.low * (1 - 1e-6)) & (sigma <= model.high * (1 + 1e-6)),
                    f"noise levels that the model knows, {model.low:.3g} to {model.high:.3g}", sigma)
    return model.nearest(sigma).unique()


def _sound(question: Question) -> None:
    """Refuse a model that makes noisy records worse at most levels: its scaling or its times are not those of the records.

    Of the two sides the one that it knows better: a model that memorises is far off on all others.
    """
    few = Question(question.models[:1], 0, question.levels, 1, question.pool[:16], question.train[:16], question.seed,
                   question.place, question.exact, labels=None if question.labels is None else question.labels[:16])
    try:
        loss = measure(few, 8, progress=False).loss[..., 0].mean(0).amin(0) / question.pool[0].numel()
    except (RuntimeError, TypeError, IndexError, AttributeError) as error:  # the network's own, deep in it
        said = str(error).splitlines()[0] if str(error) else ""
        check.fail("model", f"{type(error).__name__} on {question.pool.dtype} records {tuple(question.pool[:16].shape)}: {said}",
                   "one that takes records in their shape and precision (.float() for a half-precision network)")
    if (loss > 2).double().mean() > 0.5:
        worst = int(loss.argmax())
        check.fail("model", f"an error of {loss[worst]:.3g} times that of returning the noisy record as it is, at sigma = "
                   f"{question.levels[worst]:.3g}", "a model whose noise levels, prediction and scaling are those of the records")


def _asked(samples, chosen):
    """Samples that were made, or how many are asked for."""
    if isinstance(samples, Tensor | np.ndarray):
        return check.tensor("samples", as_tensor("samples", samples), ("N", *chosen.pool.shape[1:]), like=chosen.pool).detach()
    if not isinstance(samples, Integral):
        check.fail("samples", type(samples).__name__, "how many, or a tensor or NumPy array [N, *event]")
    return check.integer("samples", samples, 0)


def _samples(samples, model, chosen, steps, seed, place, left, cost) -> Tensor | None:
    """Samples as given, or made: fewer where time is short; None for none."""
    if isinstance(samples, Tensor) or not samples:
        return samples if isinstance(samples, Tensor) else None
    count = samples if left is None else min(samples, max(20, int(left / (2 * steps * cost / 1000))))
    ends = torch.tensor([model.high, model.low], dtype=torch.float64, device="cpu") ** (1 / 7)  # Karras et al. (2022), rho = 7
    way = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device="cpu")
    sigma = model.nearest((ends[0] + way * (ends[1] - ends[0])) ** 7).unique().flip(0)
    of_train = None if chosen.labels is None else chosen.labels[::2].repeat(-(-count // chosen.pairs))[:count]
    return generate(model, (count, *chosen.pool.shape[1:]), sigma, np.random.default_rng([seed, 9]), labels=of_train, place=place,
                    dtype=chosen.pool.dtype)


def _left(budget, begin) -> float | None:
    """Seconds that are left of the budget."""
    return None if budget is None else check.number("budget", budget, 0.0, open_low=True) - (time.monotonic() - begin)
