"""A BatchNorm1d that takes steps for channels, in front of a recurrent layer that takes samples first."""

from collections.abc import Iterator

from torch import nn

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.results.finding import Finding

STEPS = "steps as channels"
# They leave axes where they are.
_PASSING = ("relu", "gelu", "silu", "tanh", "sigmoid", "leaky_relu", "elu", "native_dropout", "mul", "add", "clone")
_ACTION = (
    "Change the axes over around it, norm(x.transpose(1, 2)).transpose(1, 2), with as many channels as features; or a "
    "LayerNorm over the features. Nothing, if each step is to be normalised by itself, over samples and features."
)


def step_channels(model: nn.Module, graph: ModuleGraph) -> list[Finding]:
    """A note on such a norm: it has as many channels as there are steps, which are not the features of what follows.

    Args:
        model: The model that ran.
        graph: Of its pass.
    """
    modules = dict(model.named_modules())
    norms = [
        v
        for v in range(len(graph))
        if graph.is_layer[v] and isinstance(modules.get(graph.names[v]), nn.BatchNorm1d | nn.SyncBatchNorm)
    ]
    pairs = ((graph.names[v], name) for v in norms for name in _next(graph, modules, v))
    found = [(norm, name) for norm, name in pairs if _are_steps(modules[norm], modules.get(name))]
    return [_told(*found[0], modules)] if found else []


def _next(graph: ModuleGraph, modules: dict[str, nn.Module], vertex: int) -> Iterator[str]:
    """The layers that take what a vertex gives, past activations and dropout."""
    seen, waiting = set(), list(graph.onward[vertex])
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        passes = _is_pointwise(modules.get(graph.names[one])) if graph.is_layer[one] else graph.names[one] in _PASSING
        if passes:
            waiting += graph.onward[one]
        elif graph.is_layer[one]:
            yield graph.names[one]


def _is_pointwise(module: nn.Module | None) -> bool:
    return type(module).__module__ in ("torch.nn.modules.activation", "torch.nn.modules.dropout") and not isinstance(
        module, nn.MultiheadAttention
    )


def _are_steps(norm: nn.Module, layer: nn.Module | None) -> bool:
    return isinstance(layer, nn.RNNBase) and layer.batch_first and bool(norm.num_features != layer.input_size)


def _told(norm: str, layer: str, modules: dict[str, nn.Module]) -> Finding:
    channels, features = modules[norm].num_features, modules[layer].input_size
    message = (
        f"{norm} takes the {channels} steps for channels: {layer}, which follows, has batch_first=True and takes what "
        f"it gives as {channels} steps of {features} features; each step has a mean and a scale of its own, over all "
        "features together"
    )
    evidence = {"layer": norm, "before": layer, "channels": channels, "features": features, "threshold": features}
    return Finding(STEPS, "info", message, evidence, action=_ACTION)
