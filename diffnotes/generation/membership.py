r"""Membership inference: was a record among the training data?  Losses of records, and how well they tell members from others.

An attack gives each record a number, low for a member, such as the model's loss (Yeom et al. 2018).  Its *calibrated* form
subtracts the loss under a reference model that was trained on other data of the kind (Watson et al. 2022): hand the difference
to the same two read-outs.
"""

import math

import torch
from torch import Tensor

from ..base import checks as check
from ..processes import LinearSDE


def per_example_loss(score, sde: LinearSDE, x0: Tensor, t, noise: Tensor) -> Tensor:
    r"""Denoising loss per dimension of each record, averaged over draws of the noise.

    .. math:: \ell(x) = \overline L - \beta\,(\overline q - 1), \qquad
              L = \tfrac1d \|\mathrm{std}\, s(r x + \mathrm{std}\, z, t) + z\|^2, \quad q = \tfrac1d \|z\|^2

    The mean of q is known, so that its share in the scatter of L can be taken out: beta is the slope of L on q over all draws
    and records, near 1 where the model hardly sees through the noise, and 0 where it has learned it by heart.

    Args:
        score: a function (x, t); of x [n, d] it may give the scores of several models at once, [*b, n, d].
        sde: the process.
        x0: records [n, d].
        t: one SDE time.
        noise: standard normal, [draws, n, d].

    Returns:
        [*b, n].
    """
    check.instance("sde", sde, LinearSDE)
    x0 = check.tensor("x0", x0, ("n", "d"))
    t = check.times("t", t, 0.0, sde.T, like=x0)
    if t.ndim:
        check.fail("t", f"shape {tuple(t.shape)}", "a single time")
    noise = check.tensor("noise", noise, ("draws", *x0.shape), like=x0)
    check.function("score", score)
    losses = []
    for z in noise:
        value = check.tensor("score(x, t)", score(sde.perturb(x0, t, z), t), (..., *x0.shape), like=x0)
        losses.append((sde.std(t) * value + z).square().mean(-1))
    loss, size = torch.stack(losses, -2), noise.square().mean(-1)  # [*b, draws, n] and [draws, n]
    centred = size - size.mean()
    spread = centred.square().sum().clamp(min=torch.finfo(x0.dtype).tiny)  # a single draw of a single record has no slope
    slope = (loss * centred).sum((-2, -1), keepdim=True) / spread
    return (loss - slope * (size - 1)).mean(-2)


def auc(members: Tensor, others: Tensor) -> Tensor:
    """Probability that a random member's number is below a random other's, ties counting one half: the area under the ROC.

    One half for guessing.  ``members`` [*b, n] and ``others`` [*b, n'] give [*b]; Mann and Whitney's U over n n'.
    """
    members, others = _pair(members, others)
    ordered = others.sort(-1).values
    lower, upper = (torch.searchsorted(ordered, members, side=side) for side in ("left", "right"))
    return 1 - (lower + upper).to(members.dtype).mean(-1) / (2 * others.shape[-1])


def true_positive_rate(members: Tensor, others: Tensor, false_positive_rate=0.01) -> Tensor:
    """Share of members found by the best threshold that accuses at most this share of the others: the ROC curve.

    A record is called a member if its number lies below the threshold; what ties with it is not.  Read at a low rate of
    false positives, as Carlini et al. (2022) ask: an AUC near one half may hide a few members who are found for certain.

    Args:
        members: [*b, n], low for members.
        others: [*b, n'].
        false_positive_rate: a rate in [0, 1], or rates [k]; below 1/n' no other may be accused.

    Returns:
        [*b], or [*b, k].
    """
    members, others = _pair(members, others)
    rates = check.tensor("false_positive_rate", false_positive_rate, like=members)
    check.holds("false_positive_rate", (rates >= 0) & (rates <= 1), "rates in [0, 1]", rates)
    if rates.ndim > 1:
        check.fail("false_positive_rate", f"shape {tuple(rates.shape)}", "a rate, or rates [k]")
    ordered = torch.cat([others.sort(-1).values, torch.full_like(others[..., :1], math.inf)], -1)
    # 0.29 of 100 are 29, though the product is a little less
    allowed = torch.floor(rates.reshape(-1) * others.shape[-1] * (1 + 4 * torch.finfo(rates.dtype).eps)).long()
    allowed = allowed.clamp(max=others.shape[-1])  # in float32 a few millions round up by more than one
    below = torch.searchsorted(members.sort(-1).values, ordered[..., allowed].contiguous(), side="left")
    return (below.to(members.dtype) / members.shape[-1]).reshape((*members.shape[:-1], *rates.shape))


def _pair(members, others) -> tuple[Tensor, Tensor]:
    members = check.tensor("members", members, (..., "n"))
    others = check.tensor("others", others, (*members.shape[:-1], "n"), like=members)
    return members.contiguous(), others.contiguous()
