"""A layer that is several times in a list, where several layers were meant."""

from collections.abc import Sequence

from torch import nn

from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.results.finding import Finding

REPEATED = "repeated layer"
_ACTION = (
    "If each is to have its own weights, make each separately, nn.ModuleList(Block() for _ in range(n)), or by "
    "copy.deepcopy: [block] * n is the same one n times. Nothing, if they are to share them."
)


def repeated_in(model: nn.Module) -> list[Finding]:
    """Report the first list of a model that contains a layer with weights several times."""
    found = []
    for name, module in model.named_modules():
        if isinstance(module, (nn.ModuleList, nn.Sequential)):
            places: dict[int, list[str]] = {}
            for key, part in module._modules.items():
                places.setdefault(id(part), []).append(key)
            some = [(keys, module._modules[keys[0]]) for keys in places.values() if len(keys) > 1]
            found += [_told(name or ROOT, keys, part) for keys, part in some if any(True for _ in part.parameters())]
    return found[:1]


def _told(name: str, keys: Sequence[str], part: nn.Module) -> Finding:
    count = sum(one.numel() for one in part.parameters())
    message = (
        f"{name}: {', '.join(keys)} are one {type(part).__name__}, which runs {len(keys)} times: they share its "
        f"{count:,} parameters, and have no others"
    )
    evidence = {"layer": name, "places": list(keys), "parameters": count, "threshold": 1}
    return Finding(REPEATED, "info", message, evidence, action=_ACTION)
