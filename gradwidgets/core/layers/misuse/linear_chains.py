"""Consecutive linear layers without an activation between them: together they are one linear map."""

from collections import Counter

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.results.finding import Finding

CHAIN = "linear chain"
_VIEWS = frozenset(("view", "unsafe_view", "reshape_alias", "squeeze", "unsqueeze", "alias", "clone"))
_ACTION = (
    "Put an activation between them, or leave one of them alone. Nothing, if a deep linear network is meant, or one of "
    "them is to be trained or loaded by itself."
)


Linear = nn.Linear | _ConvNd


def linear_chains(model: nn.Module, graph: ModuleGraph) -> list[Finding]:
    """Report the longest chain of such layers; not layers that only pass through a narrower width.

    Args:
        model: The model that ran.
        graph: The graph of its pass.
    """
    if not model.training and any(isinstance(one, _DropoutNd) and one.p for one in model.modules()):
        return []  # in evaluation mode, dropout between the layers is not in the graph
    calls = Counter(name for v, name in enumerate(graph.names) if graph.weighted[v])
    once = [v for v in range(len(graph)) if graph.weighted[v] and calls[graph.names[v]] == 1]
    layers = {v: one for v in once if (one := _linear(model, graph.names[v])) is not None}
    behind = {v: before for v in layers if (before := _before(model, graph, layers, v)) is not None}
    ends = set(layers) - set(behind.values())
    chains = [_chain(behind, one) for one in ends]
    chain = max(chains, key=len, default=[])
    return [_told(model, graph, chain, [layers[v] for v in chain])] if len(chain) > 1 else []


def _chain(behind: dict[int, int], last: int) -> list[int]:
    """Return the vertices of a chain, from the inputs on."""
    found = [last]
    while found[-1] in behind:
        found.append(behind[found[-1]])
    return found[::-1]


def _linear(model: nn.Module, name: str) -> Linear | None:
    """Return the layer of this name if it is a linear layer of torch's; otherwise None."""
    module = model.get_submodule("" if name == ROOT else name)
    if isinstance(module, nn.Linear):
        return module if type(module).forward is nn.Linear.forward else None
    if not isinstance(module, _ConvNd) or not type(module).__module__.startswith("torch.nn."):
        return None
    return module if module.groups == 1 and type(module).forward in _FORWARDS else None


_FORWARDS = tuple(one.forward for one in (nn.Conv1d, nn.Conv2d, nn.Conv3d))


def _is_batch_norm(model: nn.Module, name: str) -> bool:
    return isinstance(model.get_submodule("" if name == ROOT else name), _BatchNorm)


def _before(model: nn.Module, graph: ModuleGraph, layers: dict[int, Linear], vertex: int) -> int | None:
    """Return the layer whose output is this one's only input and is used nowhere else, if both are one linear map."""
    at = vertex
    while len(graph.back[at]) == 1:
        at, came = graph.back[at][0], at
        if len(graph.onward[at]) != 1 or graph.onward[at][0] != came:
            return None
        if at in layers:
            return at if _is_no_gain(layers[at], layers[vertex]) else None
        if graph.is_layer[at] and not _is_batch_norm(model, graph.names[at]):
            return None
        if not graph.is_layer[at] and graph.names[at] not in _VIEWS:
            return None
    return None


def _is_no_gain(first: Linear, second: Linear) -> bool:
    """Whether a single layer could replace two: they are not narrower in between, and factorise no kernel."""
    if type(first) is not type(second) or first is second:
        return False
    if isinstance(first, nn.Linear) and isinstance(second, nn.Linear):
        return first.out_features >= min(first.in_features, second.out_features)
    if isinstance(first, _ConvNd) and isinstance(second, _ConvNd):
        same = all(len(set(one.kernel_size)) == 1 for one in (first, second))
        return same and first.out_channels >= min(first.in_channels, second.out_channels)
    return False


def _told(model: nn.Module, graph: ModuleGraph, chain: list[int], layers: list[Linear]) -> Finding:
    names, count = [graph.names[v] for v in chain], len(chain)
    listed = ", ".join(names[:6]) + (f" and {count - 6} more" if count > 6 else "")
    normed = any(
        _is_batch_norm(model, graph.names[v]) for one in chain[1:] for v in graph.back[one] if graph.is_layer[v]
    )
    norm = "but a BatchNorm, which scales and shifts each channel and is linear in evaluation" if normed else ""
    message = (
        f"{listed}: {count} linear layers one after the other with no activation between them{norm and f', {norm}'}: "
        f"together they are one linear map, and represent nothing that a single {type(layers[0]).__name__} could not"
    )
    idle = _idle_beside(model, graph, names)
    message += (
        f"; {', '.join(idle)} {'was' if len(idle) == 1 else 'were'} made beside them and never ran" if idle else ""
    )
    evidence = {"layer": names[0], "layers": names, "never ran": idle, "threshold": 1}
    return Finding(
        CHAIN, "info", message, evidence, action=f"Call {idle[0]} in forward. {_ACTION}" if idle else _ACTION
    )


def _idle_beside(model: nn.Module, graph: ModuleGraph, names: list[str]) -> list[str]:
    """Activations that stand in the same modules as these layers and did not run."""
    ran = {graph.names[v] for v in range(len(graph)) if graph.is_layer[v]}
    owners = dict.fromkeys(name.rpartition(".")[0] for name in names if "." in name)
    beside = [(f"{owner}.{key}", part) for owner in owners for key, part in model.get_submodule(owner).named_children()]
    shared = {id(part) for name, part in model.named_modules(remove_duplicate=False) if name in ran}
    return [name for name, part in beside if _is_activation(part) and name not in ran and id(part) not in shared]


def _is_activation(module: nn.Module) -> bool:
    return type(module).__module__ == "torch.nn.modules.activation" and not any(True for _ in module.parameters())
