r"""What n pairs of records say: tests that swap the two records of a pair, and intervals.

A pair is a training record and a held-out one that share their noise.  If the model does not know which of the two it was trained
on, swapping them changes nothing in law, so that a statistic of the n differences may be compared with its values under random
signs: the level of such a test is exact for any n, whatever the model.
"""

import math

import torch
from torch import Tensor

from ..base import Interval, rng
from ..base import checks as check
from ..generation import auc

_SIGNS = 2**24  # held at once

def swap_tests(differences: Tensor, weights: Tensor, generator, swaps: int = 1999) -> tuple[float, float, Tensor]:
    """One-sided p-values for mean differences above zero: of any, of their weighted sum over levels, and of each level.

    The first and the last are adjusted for looking at the sum and at all levels: the largest mean, each in units of its root mean
    square, under the same swaps (Westfall and Young 1993).  The smallest p-value of several tests, as it is, is below 5% far more
    often than in one case of twenty.

    Args:
        differences: held-out less train, [n, L].
        weights: [L].
        generator: draws the swaps; with ``swaps`` of them no p-value is below 1 / (swaps + 1).

    Returns:
        Two numbers, and [L].
    """
    differences = check.tensor("differences", differences, ("n", "L"))
    weights = check.tensor("weights", weights, (differences.shape[1],), like=differences)
    table = torch.cat([differences @ weights[:, None], differences], 1)
    table = table / table.square().mean(0).sqrt().clamp(min=torch.finfo(table.dtype).tiny)
    seen, swapped = table.mean(0), swapped_means(table, generator, swaps)
    each = _p_value(seen, swapped.amax(1, keepdim=True))
    return each.min().item(), _p_value(seen[:1], swapped[:, :1]).item(), each[1:]


def swapped_means(table: Tensor, generator, swaps: int) -> Tensor:
    """Means of the rows of a table [n, k] after random swaps, [swaps, k], a part of them at a time."""
    swaps, most = check.integer("swaps", swaps), max(1, _SIGNS // len(table))
    parts = [min(most, swaps - begin) for begin in range(0, swaps, most)]
    return torch.cat([random_signs(generator, part, table) @ table for part in parts]) / len(table)


def random_signs(generator, count: int, like: Tensor) -> Tensor:
    """Signs for the n rows of ``like``, [count, n]: which pairs are swapped."""
    coins = rng.uniform(generator, (count, len(like)), dtype=like.dtype, device=like.device)
    return 1 - 2 * (coins < 0.5).to(like.dtype)


def _p_value(seen: Tensor, swapped: Tensor) -> Tensor:
    """Share of [swaps, 1 or k] that are at least [k], the unswapped one counted among them; equal but for rounding is equal."""
    slack = 64 * torch.finfo(seen.dtype).eps * seen.abs()
    return (1 + (swapped >= seen - slack).sum(0).to(seen.dtype)) / (1 + len(swapped))


def ratio_intervals(parts: Tensor, wholes: Tensor, confidence: float = 0.95) -> list[Interval]:
    """Intervals for mean(parts) / mean(wholes) of n >= 2 independent rows [n, k] each: Student's t for the ratio's linearisation.

    Nothing of nothing is nothing.
    """
    from scipy.stats import t
    parts = check.tensor("parts", parts, ("n", "k")).double()
    wholes = check.tensor("wholes", wholes, tuple(parts.shape)).double()
    confidence, n = _confidence(confidence), len(parts)
    if n < 2:
        check.fail("parts", f"{n} row", "at least 2")
    whole = wholes.mean(0).clamp(min=torch.finfo(wholes.dtype).tiny)
    ratio = parts.mean(0) / whole
    half = t.ppf((1 + confidence) / 2, n - 1) / n**0.5 * ((parts - ratio * wholes) / whole).std(0)
    return [Interval(m - h, m, m + h) for m, h in zip(ratio.tolist(), half.tolist(), strict=True)]


def auc_interval(members: Tensor, others: Tensor, confidence: float = 0.95) -> Interval:
    """``auc`` of members [n] against others [n'], at least two each, with DeLong et al.'s limits (1988), on the logit's scale.

    Where the two do not overlap their variance is zero; the least taken for it leaves 1 - 3.5/n open.
    """
    from scipy.stats import norm
    value, variance = auc(members, others).item(), 0.0
    for name, one in (("members", members), ("others", others)):  # the scatter of a single one is unknown
        if len(one) < 2:
            check.fail(name, "1 number", "at least 2")
    for one, other in ((members, others), (others, members)):  # for each, the share of the others below it
        ordered = other.sort().values
        low, high = (torch.searchsorted(ordered, one.contiguous(), side=s).double() for s in ("left", "right"))
        variance += ((low + high) / (2 * len(other))).var().item() / len(one)
    least = 0.5 / min(len(members), len(others))
    inside = min(max(value, least), 1 - least)  # the logit of one is infinite
    logit, slope = math.log(inside / (1 - inside)), 1 / (inside * (1 - inside))
    half = norm.ppf((1 + _confidence(confidence)) / 2) * max(math.sqrt(variance), least) * slope
    first, last = (1 / (1 + math.exp(-edge)) for edge in (logit - half, logit + half))
    return Interval(min(first, value), value, max(last, value))


def share_interval(hits: int, count: int, confidence: float = 0.95) -> Interval:
    """The share of ``hits`` among ``count`` independent trials with the exact limits of Clopper and Pearson (1934)."""
    from scipy.stats import beta
    hits, count = check.integer("hits", hits, 0), check.integer("count", count)
    if hits > count:
        check.fail("hits", hits, f"at most count = {count}")
    tail = (1 - _confidence(confidence)) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, count - hits + 1))
    high = 1.0 if hits == count else float(beta.ppf(1 - tail, hits + 1, count - hits))
    return Interval(low, hits / count, high)


def pairs_needed(found: Interval, pairs: int, size: float) -> int:
    """How many pairs would make the interval's half-width no more than ``size``, if their scatter stays what it is."""
    return math.ceil(pairs * ((found.high - found.low) / 2 / check.number("size", size, 0.0, open_low=True)) ** 2)


def adjusted(loss: Tensor, covariates: Tensor) -> Tensor:
    """Losses [N] less their regression on covariates [N, c] in which the model has no part: what is left has less scatter.

    The regression does not know which records were trained on, so that swapping the two of a pair leaves it what it is.
    """
    loss = check.tensor("loss", loss, ("N",))
    centred = check.tensor("covariates", covariates, (len(loss), "c"), like=loss)
    size, centred = centred.abs().amax(0), centred - centred.mean(0)
    unit = centred.square().mean(0).sqrt()
    varies = unit > 64 * torch.finfo(unit.dtype).eps * size  # what rounding leaves of a constant does not
    centred = centred[:, varies] / unit[varies]
    slope = torch.linalg.pinv(centred, rtol=1e-8) @ (loss - loss.mean())
    return loss - centred @ slope


def _confidence(value) -> float:
    return check.number("confidence", value, 0.0, 1.0, open_low=True, open_high=True)
