"""Schedules that let the learning rate rise and fall, and the momentum fall and rise."""

from dataclasses import dataclass
from typing import ClassVar

from gradwidgets.core.schedules.schedule import Schedule
from gradwidgets.core.schedules.schedule_setting import amount, choice, count, flag, momentum, rate

_CYCLE = "whether momentum (β₁ where there are betas) falls while lr rises"
_LOW, _HIGH = "the momentum where lr is highest", "the momentum where lr is lowest"


@dataclass(frozen=True)
class OneCycleLR(Schedule):
    """Let lr rise once and fall to almost nothing, see `torch.optim.lr_scheduler.OneCycleLR`.

    The optimizer's own lr does not count. A run may not be longer than `total_steps`.

    References:
        L. N. Smith and N. Topin, Super-convergence: very fast training of neural networks using large learning
        rates, 2017.
    """

    meaning: ClassVar[str] = "lr rises once and falls to almost nothing, momentum the other way round"

    max_lr: float = rate("the lr at its highest")
    total_steps: int | None = count("the steps of the cycle", None, optional=True)
    epochs: int | None = count("instead of total_steps: the number of epochs", None, optional=True)
    steps_per_epoch: int | None = count("instead of total_steps: the steps of an epoch", None, optional=True)
    pct_start: float = amount("the share of steps in which lr rises", 0.3)
    anneal_strategy: str = choice("whether it goes along a cosine or a line", "cos", "linear")
    cycle_momentum: bool = flag(_CYCLE, True)
    base_momentum: float = momentum(_LOW, 0.85)
    max_momentum: float = momentum(_HIGH, 0.95)
    div_factor: float = amount("how many times smaller than max_lr the first lr is", 25.0, (1.0, 1e3), "log")
    final_div_factor: float = amount("how many times smaller than the first lr the last one is", 1e4, (1.0, 1e6), "log")
    three_phase: bool = flag("whether lr first falls as it rose, and then further", False)


@dataclass(frozen=True)
class CyclicLR(Schedule):
    """Let lr rise and fall between two values, see `torch.optim.lr_scheduler.CyclicLR`.

    The optimizer's own lr does not count. torch's `scale_fn`, a function of one's own in place of `mode`, is left out.

    References:
        L. N. Smith, Cyclical learning rates for training neural networks, 2017.
    """

    meaning: ClassVar[str] = "lr rises and falls again and again, momentum the other way round"

    base_lr: float = rate("the lr at its lowest")
    max_lr: float = rate("the lr at its highest")
    step_size_up: int = count("the steps in which lr rises", 2000)
    step_size_down: int | None = count("the steps in which it falls; as many by default", None, least=0, optional=True)
    mode: str = choice("how high later cycles are", "triangular", "triangular2", "exp_range")
    gamma: float = amount("with exp_range: what the height is multiplied by at every step", 1.0)
    cycle_momentum: bool = flag(_CYCLE, True)
    base_momentum: float = momentum(_LOW, 0.8)
    max_momentum: float = momentum(_HIGH, 0.9)
