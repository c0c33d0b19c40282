"""What a check-up found: numbers with their intervals, plain sentences, a table and two figures."""

from dataclasses import dataclass

from torch import Tensor

from ..base import Interval
from . import pictures, report
from .clocks import Clocks
from .levels import Collapse
from .samples import Copies


@dataclass(frozen=True, repr=False)
class Checkup:
    """The result of ``checkup``; shows itself.  Intervals are at ``confidence``; p-values come from swapping pairs.

    Attributes:
        levels: noise levels sigma [L] at which the model was asked.
        pairs: pairs of records that were asked about, with ``draws`` of the noise: ``chosen``, or fewer if the budget ended.
        records: training and held-out records that were given.
        gap: how much less the denoising loss is on a training record than on a held-out one, in nats of the likelihood's bound
            over the levels, after regression on what the model has no part in; ``gap_raw`` the same without the regression.
        gap_share: the gap as a share of the held-out loss; ``by_level`` the same at each level, limits for all together.
        p_value: of the gap; ``p_by_level`` [L] of each level, and ``p_any`` of any, adjusted for looking at all of them.
        auc: by level, how often the adjusted loss tells a training record from a held-out one; one half is guessing.
        position: of training and held-out records, how far the model's answer goes, at each level, from the empirical denoiser
            that has not the record (0) to the one that has it by heart (1).
        against_gaussian: by how many nats the held-out loss is below that of the best Gaussian denoiser of the training set, and
            ``gaussian_share`` as a share of that; ``own_against_gaussian`` by how many the loss on training records is.
        collapse: entropy of which training record was noised, by level.
        p_shift: of train and held-out differing without any model, by their energy distance and by the losses of the references.
        copies: of samples, where some were made or given.
        likelihood: bits per dimension by which training records are likelier, where asked.
        clocks: along the checkpoints, where given.
        duplicates: training records that were left out as equal to another; ``twins``: pairs that were, for being nearly so.
        needed: pairs that would resolve a gap of 1% of the held-out loss.
        cost: seconds for a thousand records, one level, one draw and one model.
        dimension: of a record.
    """

    levels: Tensor
    pairs: int
    chosen: int
    draws: int
    records: tuple[int, int]
    gap: Interval
    gap_raw: Interval
    gap_share: Interval
    by_level: list[Interval]
    p_any: float
    p_value: float
    p_by_level: Tensor
    auc: list[Interval]
    position: tuple[list[Interval], list[Interval]]
    against_gaussian: Interval
    gaussian_share: Interval
    own_against_gaussian: Interval
    collapse: Collapse
    p_shift: tuple[float, float]
    copies: Copies | None
    likelihood: Interval | None
    clocks: Clocks | None
    duplicates: int
    twins: int
    needed: int
    cost: float
    dimension: int
    confidence: float

    @property
    def verdict(self) -> str:
        """``memorises``, ``generalises``, ``does not memorise``, ``not resolved`` or ``no verdict``.

        It *memorises* if at some level its loss on its own records is less than half of that on others, or if more of its samples
        are copies than of held-out records, either beyond chance.  It *does not* if at every level that is excluded, and it
        *generalises* if besides its held-out loss is below that of the best Gaussian denoiser.  There is *no verdict* while one
        of the ``reasons`` stands; all but a shift give way to memory that is beyond chance.
        """
        if "shift" in self.reasons:
            return "no verdict"
        if self.copied or any(one.low > 0.5 for one in self.by_level):
            return "memorises"
        if self.reasons:
            return "no verdict"
        if any(one.high >= 0.5 for one in self.by_level):
            return "not resolved"
        return "generalises" if self.against_gaussian.low > 0 else "does not memorise"

    @property
    def reasons(self) -> list[str]:
        """Why there may be no verdict: ``shift``, ``exchanged``, ``near copies``, ``wiring``; ``warnings`` says them in words.

        The sets differ without any model (p <= 1%); the held-out loss is far below that on training records; two of five held-out
        records or more are copies of training records; or even on its own records the model is seen to be worse than the best
        Gaussian on new ones.
        """
        close = self.copies is not None and self.copies.held_out.low > 0.4
        found = {"shift": self.p_differ <= 0.01, "exchanged": self.gap.high < 0 and self.gap_share.mean < -0.2,
                 "near copies": close, "wiring": self.own_against_gaussian.high < 0}
        return [name for name, holds in found.items() if holds]

    @property
    def warnings(self) -> list[str]:
        """The reasons in words."""
        return [report.REASONS[name] for name in self.reasons]

    @property
    def p_differ(self) -> float:
        """The smaller p-value of ``p_shift``, adjusted for there being two."""
        return min(1.0, 2 * min(self.p_shift))

    @property
    def told(self) -> bool:
        """Whether its training records can be told from others at all: the gap is beyond chance (5%), in sum or at some level."""
        return self.p_any <= 0.05

    @property
    def copied(self) -> bool:
        """Whether more samples are copies than chance makes of held-out records."""
        return self.copies is not None and self.copies.samples.low > self.copies.held_out.high

    def sentences(self) -> list[str]:
        """What was found, what was not, and what would settle it."""
        return report.sentences(self)

    def table(self):
        """The numbers."""
        return report.numbers(self)

    def figures(self) -> list:
        """Where in the noise the memory sits; and when it came, or how near the samples lie."""
        return pictures.figures(self)

    def __str__(self) -> str:
        return report.text(self)

    __repr__ = __str__

    def _repr_mimebundle_(self, include=None, exclude=None):
        return report.bundle(self)
