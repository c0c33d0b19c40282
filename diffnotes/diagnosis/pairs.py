r"""The losses of pairs of records, a training and a held-out one that share their noise, at all levels, for several models.

Whenever a model is asked, everything is read off that the check-up needs, record by record and averaged over draws of the noise:

the *loss* :math:`\|x - D\|^2 / \sigma^2` of each model, and *gaussian*, that of the best Gaussian denoiser for the training set;
*covariates*, what the loss may be regressed on as the model has no part in it, namely the length of the noise, the losses of the
two denoisers of ``smooth`` for a pool of both sets (of which the empirical one has not the record itself), and those of reference
models; and how far answers go *toward* a record, :math:`\langle D - D^-, D^+ - D^-\rangle / \sigma^2` of each model, of the
*span* :math:`\|D^+ - D^-\|^2 / \sigma^2` between the empirical denoisers of the training set without and with it.
"""

import hashlib
import io
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..base import files, sweeps
from .smooth import Empirical, Gaussian


@dataclass(frozen=True)
class Measured:
    """Everything that was read off, in float64 on the CPU; the side is 0 for train and 1 for held-out.

    loss, toward: [n, 2, L, models]; span, gaussian: [n, 2, L]; covariates: [n, 2, L, c]; seconds that a pair took: [n].
    """

    loss: Tensor
    toward: Tensor
    span: Tensor
    gaussian: Tensor
    covariates: Tensor
    seconds: Tensor

    def __len__(self) -> int:
        return len(self.span)


FIELDS = tuple(Measured.__dataclass_fields__)


@dataclass(frozen=True)
class Question:
    """What is asked of each block of pairs: all of it can be sent to another process.

    Attributes:
        models: functions (y [b, *event], sigma) -> [b, *event]; the last ``references`` of them are reference models.
        levels: noise levels sigma [L].
        draws: noises for each pair, drawn from NumPy's stream (seed, number of the pair, one and the number of the draw).
        pool: records [N, *event], those of pair k at 2 k (train) and 2 k + 1 (held-out); ``most`` of them, the first, are what
            the smooth denoisers know, and as many of the training records.
        train: training records [N', *event], that of pair k at k.
        place: device on which the models are asked; ``exact``: where products are taken in float64.
        labels: of the pairs' records, in the order of the pool, which models get, or None.
    """

    models: list
    references: int
    levels: list[float]
    draws: int
    pool: Tensor
    train: Tensor
    seed: int
    place: torch.device
    exact: torch.device
    most: int = 4096
    labels: Tensor | None = None

    def told(self, rows: range) -> dict[str, Tensor]:
        """What models are told of these records of the pool beside noisy record and level."""
        return {} if self.labels is None else {"label": self.labels[rows.start:rows.stop].to(self.place)}

    def smooth(self) -> list[tuple[Gaussian, Empirical]]:
        """Of the pool, and of the training records."""
        flat = (part[:self.most // 2 * 2].flatten(1).to(self.exact, torch.float64) for part in (self.pool, self.train))
        return [(Gaussian(part[:2048]), Empirical(part)) for part in flat]


def measure(question: Question, pairs: int, *, block: int = 64, budget: float | None = None, cache: Path | None = None,
            executor: Executor | None = None, progress: bool = True) -> Measured:
    """The first ``pairs`` pairs, ``block`` at a time; fewer where the budget of seconds ends before (one block at least).

    Blocks in the cache cost nothing, and are all taken.
    """
    begin, smooth = time.monotonic(), question.smooth()
    blocks = [range(k, min(k + block, pairs)) for k in range(0, pairs, block)]
    paths = [cache / f"{name}.pt" for name in _names(question, blocks)] if cache else [None] * len(blocks)
    found: dict[int, Measured] = {}
    hidden = {} if progress else {"disable": True}  # disable=False would override the environment variable
    with tqdm(total=pairs, unit="pair", **hidden) as bar:
        for k, result, asked in _results(question, smooth, blocks, paths, executor):
            found[k] = result
            bar.update(len(blocks[k]))
            if asked and budget is not None and time.monotonic() - begin > budget:
                break
    parts = [found[k] for k in sorted(found)]
    return Measured(*(torch.cat([getattr(part, name) for part in parts]) for name in FIELDS))


def ask(question: Question, smooth: list[tuple[Gaussian, Empirical]], pairs: range) -> Measured:
    """One block: its pairs' records at all levels, averaged over the draws."""
    begin, own = time.monotonic(), torch.arange(2 * pairs.start, 2 * pairs.stop, device=question.exact)
    member = torch.where((own % 2 == 0) & (own // 2 < len(smooth[1][1].size)), own // 2, -1)
    own = torch.where(own < len(smooth[0][1].size), own, -1)  # both of a pair are known or neither is
    x = question.pool[2 * pairs.start:2 * pairs.stop].flatten(1).to(question.exact, torch.float64)
    far = [one.distances(x) for _, one in smooth]
    total: list[Tensor] = []
    told = question.told(range(2 * pairs.start, 2 * pairs.stop))
    for draw in range(question.draws):
        z = torch.stack([_noise(question.seed, pair, draw, x.shape[1]) for pair in pairs]).to(question.exact)
        z = z.repeat_interleave(2, 0)
        shifts, rows = [one.shifts(x, z) for _, one in smooth], []
        for sigma in question.levels:
            exponents = [-(a / sigma**2 + b / sigma) for a, b in zip(far, shifts, strict=True)]
            rows.append(_at(question, smooth, x, z, exponents, (own, member), sigma, told))
        found = [torch.stack(parts, 1) / question.draws for parts in zip(*rows, strict=True)]
        total = [a + b for a, b in zip(total, found, strict=True)] if total else found
    loss, toward, span, gaussian, known = (one.cpu().unflatten(0, (len(pairs), 2)) for one in total)
    split = loss.shape[-1] - question.references
    seconds = torch.full((len(pairs),), (time.monotonic() - begin) / len(pairs), dtype=torch.float64, device="cpu")
    return Measured(loss[..., :split], toward[..., :split], span, gaussian, torch.cat([known, loss[..., split:]], -1), seconds)


def _at(question, smooth, x, z, exponents, own, sigma, told):
    """At one level: losses and directions [b, models], span and Gaussian loss [b], and covariates [b, 3]."""
    (gaussian, pool), (own_gaussian, train) = smooth
    others, _ = pool.denoise(x, exponents[0], own[0])
    without, fully = train.denoise(x, exponents[1], own[1])
    y = x + sigma * z
    noisy = y.view(len(x), *question.pool.shape[1:]).to(question.place, question.pool.dtype)
    answers = [model(noisy, sigma, **told).flatten(1).to(x) for model in question.models]
    toward = [((answer - without) * (fully - without)).sum(1) / sigma**2 for answer in answers]
    known = [z.square().sum(1), _loss(x, gaussian.denoise(y, sigma), sigma), _loss(x, others, sigma)]
    return (torch.stack([_loss(x, answer, sigma) for answer in answers], 1), torch.stack(toward, 1), _loss(fully, without, sigma),
            _loss(x, own_gaussian.denoise(y, sigma), sigma), torch.stack(known, 1))


def _loss(x, answer, sigma):
    return (x - answer).square().sum(1) / sigma**2


def _noise(seed, pair, draw, d):
    # [seed, k] and [seed, k, 0] are one stream in NumPy: no number after the pair's may be zero
    return torch.from_numpy(np.random.default_rng([seed, pair, 1 + draw]).standard_normal(d))


def _results(question, smooth, blocks, paths, executor):
    """Yield (number, result, whether it was asked now) of each block: those in the cache at once, the others as they come."""
    kept = [_load(path) for path in paths]
    yield from ((k, one, False) for k, one in enumerate(kept) if one is not None)
    missing = [k for k, one in enumerate(kept) if one is None]
    asked = [dict(question=question, smooth=smooth, pairs=pairs) for pairs in blocks]
    for k, result in sweeps.run(ask, asked, missing, executor):
        yield k, _keep(result, paths[k]), True


def _names(question, blocks) -> list[str]:
    """A name for each block's result, which changes with records, levels and noise, and with what the models answer to a few.

    To the last bit: where records are small two models that differ may round alike.
    """
    known = hashlib.sha256(repr([question.levels, question.draws, question.seed, question.references]).encode())
    for records in (question.pool, question.train, *([] if question.labels is None else [question.labels])):
        known.update(records.detach().cpu().contiguous().numpy().tobytes())
    few = question.pool[:4].to(question.place)
    for sigma in (question.levels[0], question.levels[len(question.levels) // 2], question.levels[-1]):
        for model in question.models:
            known.update(model(few + sigma, sigma, **question.told(range(4))).cpu().numpy().tobytes())
    return [hashlib.sha256(f"{known.hexdigest()} {block}".encode()).hexdigest()[:24] for block in blocks]


def _load(path) -> Measured | None:
    try:
        return None if path is None else Measured(**torch.load(path, weights_only=True))
    except Exception:  # none yet, or a damaged one: asked again
        return None


def _keep(result: Measured, path) -> Measured:
    if path is not None:
        buffer = io.BytesIO()
        torch.save({name: getattr(result, name).clone() for name in FIELDS}, buffer)
        files.write(path, buffer.getvalue())
    return result
