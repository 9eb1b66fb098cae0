"""Whether a model that trains is in evaluation mode, and what that turns off."""

from torch import nn


def is_evaluating(model: nn.Module) -> bool:
    """Whether all of a model is in evaluation mode."""
    return not model.training and not any(one.training for one in model.modules())


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
