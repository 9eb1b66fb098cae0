"""Whether a model that trains is in evaluation mode, and what that turns off."""

from torch import nn


def is_evaluating(model: nn.Module) -> bool:
    """Whether all of a model is in evaluation mode."""
    return not model.training and not any(one.training for one in model.modules())


class Evaluating:
    """Follows at each step, sampled or not, whether all of a model is in evaluation mode.

    Attributes:
        since: The step since which it is; 0 where the model is in training mode, -1 where a part of it is.
        first: The first step at which it was; 0 for none.
        steps: At how many steps it was.
        stretches: How often evaluation mode began.
    """

    def __init__(self) -> None:
        self.since = self.first = self.steps = self.stretches = 0

    def __call__(self, model: nn.Module | None, step: int) -> bool:
        """Look at the model before a step; return whether it is in evaluation mode and was not at the step before."""
        if model is None or model.training:
            self.since = 0
            return False
        begins = not self.since
        if begins:
            self.since = step if is_evaluating(model) else -1
            self.first = self.first or max(0, self.since)
            self.stretches += self.since > 0
        self.steps += self.since > 0
        return begins and self.since > 0

    @property
    def told(self) -> dict[str, int]:
        """The attributes by name; empty where the model never was in evaluation mode."""
        names = ("first", "steps", "stretches")
        return {"since": max(0, self.since)} | {name: getattr(self, name) for name in names} if self.steps else {}


def turned_off(model: nn.Module) -> dict[str, int]:
    """Count the modules that evaluation mode changes.

    Returns:
        How many modules of "dropout" drop something; how many batch "norms" use running statistics, and how many of
        these are "fresh": they have seen no batch and normalise nothing. How many parameters are "frozen".
    """
    norms = [one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    batches = [one.num_batches_tracked for one in norms if one.num_batches_tracked is not None]
    return {
        "dropout": sum(isinstance(one, nn.modules.dropout._DropoutNd) and one.p > 0 for one in model.modules()),
        "norms": len(batches),
        "fresh": sum(int(one) == 0 for one in batches),
        "frozen": sum(not one.requires_grad for one in model.parameters()),
    }
