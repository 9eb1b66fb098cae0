"""An optimizer without parameters, for torch's schedulers to set the learning rate of."""

from typing import Any

import torch


class StandIn(torch.optim.Optimizer):
    """One group of settings and no parameters.

    It does not call its base class, which would import torch's compiler: two seconds in which nothing moves.

    Args:
        settings: What the group holds, by torch's names.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.defaults = settings
        self.param_groups = [dict(settings)]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # it is never given one
        """Nothing moves; schedulers ask that this is called before they are."""
