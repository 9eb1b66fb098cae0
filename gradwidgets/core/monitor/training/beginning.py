"""A model's settings before its first step: how much dropout drops, and what is frozen."""

from collections.abc import Sequence

from torch import nn

from gradwidgets.core.monitor.facts import SettingFacts
from gradwidgets.core.monitor.owners import Owned

_HEAVY = 0.9  # of the numbers are dropped


def setting_of(model: nn.Module, owned: Sequence[Owned], layers: Sequence[str]) -> SettingFacts:
    """Find dropout of nearly everything, batch norms, and frozen parameters.

    Returns:
        Under "dropout" the shares that are dropped, by the modules' names; under "batch norms" the "layers" of those in
        training mode; under "frozen" the "share" of the model's numbers that is frozen, and their "layers". A key is
        left out where there is nothing of the kind.
    """
    kind = nn.modules.dropout._DropoutNd
    heavy = {name: one.p for name, one in model.named_modules() if isinstance(one, kind) and one.p >= _HEAVY}
    still = [one for one in owned if not one.parameter.requires_grad]
    found: SettingFacts = {"dropout": heavy} if heavy else {}
    of_batches = nn.modules.batchnorm._BatchNorm
    norms = [name for name, one in model.named_modules() if isinstance(one, of_batches) and one.training]
    if norms:
        found["batch norms"] = {"layers": norms}
    if still:
        share = sum(one.size for one in still) / sum(one.size for one in owned)
        found["frozen"] = {"share": share, "layers": list(dict.fromkeys(layers[one.column] for one in still))}
    return found
