"""Whether a model that trains is in evaluation mode, and what that turns off."""

from torch import nn


def is_evaluating(model: nn.Module) -> bool:
    """Whether all of a model is in evaluation mode."""
    return not model.training and not any(one.training for one in model.modules())


class Evaluating:
    """Follows at each step, sampled or not, whether all of a model is in evaluation mode.

    Attributes:
        since: The step since which it is; 0 where it trains, -1 where a part of it does.
        first: The first step at which it was; 0 for none.
        steps: At how many it was.
        stretches: How often it began to be.
    """

    def __init__(self) -> None:
        self.since = self.first = self.steps = self.stretches = 0

    def __call__(self, model: nn.Module | None, step: int) -> bool:
        """A step is about to come; return whether the model has just come to be in evaluation mode."""
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
        """All of it; empty where it never was so."""
        names = ("first", "steps", "stretches")
        return {"since": max(0, self.since)} | {name: getattr(self, name) for name in names} if self.steps else {}


def turned_off(model: nn.Module) -> dict[str, int]:
    """What evaluation mode turns off in a model.

    Returns:
        How many modules of "dropout" that drop something; how many batch "norms" that go by running statistics, and
        how many of them are "fresh": they have seen no batch and normalise nothing. How many parameters are "frozen".
    """
    norms = [one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    norms = [one for one in norms if one.num_batches_tracked is not None]
    return {
        "dropout": sum(isinstance(one, nn.modules.dropout._DropoutNd) and one.p > 0 for one in model.modules()),
        "norms": len(norms),
        "fresh": sum(int(one.num_batches_tracked) == 0 for one in norms),
        "frozen": sum(not one.requires_grad for one in model.parameters()),
    }
