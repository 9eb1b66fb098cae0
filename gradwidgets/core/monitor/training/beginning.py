"""What a model is set to before its first step: how much it drops, and what of it is frozen."""

from collections.abc import Sequence

from torch import nn

from gradwidgets.core.monitor.owners import Owned

_HEAVY = 0.9  # of what comes in


def setting_of(model: nn.Module, owned: Sequence[Owned], layers: Sequence[str]) -> dict[str, dict[str, object]]:
    """Dropout of nearly everything, by its "layers", and the "share" of the model's numbers that is frozen, and where.

    Returns:
        Under "dropout" the shares that are dropped, by the modules' names; under "frozen" a "share" and the "layers".
        What there is nothing to say of is left out.
    """
    kind = nn.modules.dropout._DropoutNd
    heavy = {name: one.p for name, one in model.named_modules() if isinstance(one, kind) and one.p >= _HEAVY}
    still = [one for one in owned if not one.parameter.requires_grad]
    found: dict[str, dict[str, object]] = {"dropout": heavy} if heavy else {}
    of_batches = nn.modules.batchnorm._BatchNorm
    norms = [name for name, one in model.named_modules() if isinstance(one, of_batches) and one.training]
    found |= {"batch norms": {"layers": norms}} if norms else {}
    if still:
        share = sum(one.size for one in still) / sum(one.size for one in owned)
        found["frozen"] = {"share": share, "layers": list(dict.fromkeys(layers[one.column] for one in still))}
    return found
