"""The schedule that looks at the loss."""

from dataclasses import dataclass
from typing import Any, ClassVar

from gradwidgets.core.schedules.schedule import Schedule
from gradwidgets.core.schedules.schedule_setting import amount, choice, count, rate


@dataclass(frozen=True)
class ReduceLROnPlateau(Schedule):
    """Multiply lr by a factor once the loss stops falling, see `torch.optim.lr_scheduler.ReduceLROnPlateau`.

    It is told the loss of every step: that of the point from which the step was taken, on the batch if there are
    batches. Every path is driven by its own.
    """

    by_loss: ClassVar[bool] = True
    meaning: ClassVar[str] = "lr falls by a factor once the loss stops falling"

    mode: str = choice("whether the loss is to fall or to rise", "min", "max")
    factor: float = amount("what lr is multiplied by", 0.1)
    patience: int = count("how many steps without progress are put up with", 10, least=0)
    threshold: float = amount("how much progress counts as such", 1e-4, (1e-6, 1.0), "0 and log")
    threshold_mode: str = choice("whether the threshold is a share of the loss or a number", "rel", "abs")
    cooldown: int = count("how many steps after a fall do not count", 0, least=0)
    min_lr: float = rate("the lr below which it does not fall", 0.0)
    eps: float = amount("the smallest fall that is made", 1e-8, (1e-10, 1e-2), "0 and log")

    def advance(self, scheduler: Any, loss: float) -> None:
        """See `Schedule.advance`."""
        scheduler.step(loss)

    def after_step(self) -> list[str]:
        """See `Schedule.after_step`."""
        return ["scheduler.step(loss.item())"]
