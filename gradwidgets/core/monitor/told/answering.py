"""The questions that a monitor answers: how much it has seen, and what."""

import math

from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.pace import Pace
from gradwidgets.core.monitor.quantities import Sample
from gradwidgets.core.monitor.sampling.sampler import Sampler
from gradwidgets.core.monitor.training.first_pass import FirstLook
from gradwidgets.core.monitor.training.given.last_batch import Given
from gradwidgets.core.monitor.training.noted_loss import Losses, LossRecord
from gradwidgets.core.results.wording import counted, percent


class Answering:
    """The part of a `GradientMonitor` that answers questions."""

    _active: bool
    _steps: int
    _once: float
    _pace: Pace
    _sampler: Sampler
    _losses: LossRecord
    _given: Given
    _first: FirstLook | None

    @property
    def active(self) -> bool:
        """Whether it is watching."""
        return self._active

    @property
    def steps(self) -> int:
        """How many optimizer steps it has seen."""
        return self._steps

    @property
    def overhead(self) -> float:
        """The monitor's time as a share of the time of training without it; NaN before the start."""
        return self._pace.share_with(self._once + (0.0 if self._first is None else self._first.seconds))

    @property
    def lr(self) -> float | None:
        """The learning rate at the newest sample where plain gradient descent trains; None for other optimizers."""
        return self._sampler.lr

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be recorded, and what else a user should know, in sentences."""
        return self._sampler.sentences

    @property
    def history(self) -> History:
        """All samples that are kept; this is cheap, as it shares their memory."""
        return self._sampler.history(self._losses.losses(), self._first, self._given)

    @property
    def latest(self) -> Sample | None:
        """The newest sample; None before the first."""
        return self._sampler.latest

    @property
    def losses(self) -> Losses:
        """All losses that were noted, whether or not their steps were sampled (as far as `note_loss` reads them).

        They are a sequence of plain numbers, with `steps` and `values` as tensors.
        """
        return self._losses.losses()

    def __repr__(self) -> str:
        """How much it has seen."""
        share = "" if math.isnan(self.overhead) else f", overhead {percent(self.overhead)}"
        if self._pace.every is None and self.overhead > self._pace.budget:
            later = percent(self._pace.budget)
            share += f" so far: the first steps are looked at more closely, later ones within {later}"
        samples = f"{counted(len(self._sampler), 'sample')} of {counted(self._steps, 'step')}"
        stranger = self._sampler.notes.get("stranger", "")
        share += f"; {stranger}" if stranger else ""
        return f"<GradientMonitor: {counted(self._sampler.layers, 'layer')}, {samples}{share}>"
