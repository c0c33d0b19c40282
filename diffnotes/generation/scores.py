"""What every function that takes a score asks of it: a ``ScoreFn`` (x [*b, d], t number or [*b]) -> [*b, d], checked."""

import torch
from torch import Tensor

from ..base import checks as check


class Score:
    """A checked score that keeps no graph for derivatives unless asked.

    It is called without gradients; where that fails, as for scores that are themselves gradients of an energy, with them, and the
    result is cut off.

    Args:
        score: the function; any device and precision, which its result must share with x.
        gradients: keep the graph, so that results can be differentiated by what the score depends on.
        batch: whether the result may have further batch dimensions in front, one for each of several parameters.
        finite: whether NaN and infinity are refused.
    """

    def __init__(self, score, *, gradients: bool = False, batch: bool = False, finite: bool = True):
        self.score, self.gradients = check.function("score", score), gradients
        self.batch, self.finite = batch, finite
        self.differentiates = False

    def __call__(self, x: Tensor, t) -> Tensor:
        """s(x, t), or a ``ValueError`` that names it."""
        if self.gradients:
            return self._checked(x, t)
        if not self.differentiates:
            try:
                with torch.no_grad():
                    return self._checked(x.detach(), t).detach()
            except RuntimeError:
                self.differentiates = True
        with torch.inference_mode(False), torch.enable_grad():
            return self._checked(*fresh(x, t)).detach()

    def _checked(self, x, t):
        shape = (..., *x.shape) if self.batch else tuple(x.shape)
        return check.tensor("score(x, t)", self.score(x, t), shape, like=x, finite=self.finite)


def fresh(x: Tensor, t) -> tuple:
    """Copies that know of no derivative, and can be differentiated even if they come from ``inference_mode``."""
    return x.detach().clone(), t.detach().clone() if isinstance(t, Tensor) else t
