"""Numbers that are squared while they are small, as by a squash: little comes back, and a step may do for all that.

A squash, v ‖v‖ / (1 + ‖v‖²), is quadratic near 0, and the gradient behind it as small as what comes in. That alone is
no fault: a step of an optimizer that scales steps, as Adam does, is as large as ever. What tells is whether such a step
of the layers behind it moves the loss.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.passes import Subject, checked, run, without_gradient_hooks
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

SQUASHED = "squash"  # explains what fades, and is not said by itself
SQUASHES = ("pow", "linalg_vector_norm", "norm", "div", "mul", "sqrt")
_SQUARES, _DIVIDES = ("pow", "linalg_vector_norm", "norm"), ("div",)
_LOST = 1e-3  # share of a gradient that is left, from which it is looked at
_MOST = 0.5  # share of the decades
_STEP = 1e-3  # of each weight, as Adam's first
ENOUGH = 5e-3  # share of the loss that such a step takes off
_ACTION = (
    "Larger weights between the squashes, {}: what comes into one is squared while it is below 1, so that ten times "
    "the weights are a hundred times the gradient or more; an optimizer that scales its steps, as Adam does, is then "
    "not held up by what is left of it."
)


def squashed(subject: Subject, graph: ModuleGraph) -> list[Finding]:
    """Whether most of a gradient is lost where small numbers are squared, and what a step of the layers behind does.

    Args:
        subject: A copy that may run.
        graph: Of its pass.
    """
    squares = [v for v in range(len(graph)) if _is_function(graph, v, _SQUARES)]
    divides = any(_is_function(graph, v, _DIVIDES) for v in range(len(graph)))
    if not squares or not divides:
        return []
    top = max((graph.norms[v] for v in range(len(graph)) if graph.places[v] is not None and not _is_unknown(graph, v)),
              default=0.0)  # fmt: skip
    faint = [v for v in range(len(graph)) if graph.weighted[v] and 0 < graph.norms[v] < _LOST * top]
    behind = [v for v in faint if _squares_behind(graph, v)]
    if not behind or not _loses_there(graph, behind, faint, top):
        return []
    names = list(dict.fromkeys(graph.names[v] for v in faint))
    fall = _fall(subject, names)
    weights = list(dict.fromkeys(name for v in behind for name in _factors(graph, v)))
    which = ", ".join(weights[:3]) if weights else "or of what comes into them"
    message = (
        f"most of it is lost where numbers far below 1 are squared, as by a squash; a step of {_STEP:g} of all weights "
        f"behind it takes {number(100 * max(fall, 0.0), 2)} % off the loss"
        + (f": the weights of {which} are too small for a function that is quadratic near 0" if weights else "")
    )
    evidence = {"fall": fall, "layers": names, "weights": weights, "threshold": ENOUGH}
    return [Finding(SQUASHED, "info", message, evidence, action=_ACTION.format(which))]


def _is_function(graph: ModuleGraph, vertex: int, names: tuple[str, ...]) -> bool:
    return not graph.is_layer[vertex] and graph.places[vertex] is not None and graph.names[vertex] in names


def _is_unknown(graph: ModuleGraph, vertex: int) -> bool:
    """Whether the size of its gradient is not known."""
    return graph.norms[vertex] != graph.norms[vertex]


def _between(graph: ModuleGraph, vertex: int) -> Iterator[int]:
    """The functions of the model that take what a layer gives, up to the next layers."""
    seen, waiting = set(), list(graph.onward[vertex])
    while waiting:
        one = waiting.pop()
        if one in seen or graph.is_layer[one] or graph.places[one] is None:
            continue
        seen.add(one)
        yield one
        waiting += graph.onward[one]


def _squares_behind(graph: ModuleGraph, vertex: int) -> bool:
    between = list(_between(graph, vertex))
    return all(any(_is_function(graph, one, names) for one in between) for names in (_SQUARES, _DIVIDES))


def _loses_there(graph: ModuleGraph, behind: list[int], faint: list[int], top: float) -> bool:
    """Whether at least half of the decades that are lost are lost between the layers behind and the next above."""
    lost = math.log10(top / min(graph.norms[v] for v in faint))
    steps = [math.log10(min([top, *_above(graph, v)]) / graph.norms[v]) for v in behind]
    return max(steps) >= _MOST * lost


def _above(graph: ModuleGraph, vertex: int) -> list[float]:
    """The gradients at the layers with weights that a layer's numbers go through."""
    seen, waiting = set(), list(graph.onward[vertex])
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += graph.onward[one]
    return [graph.norms[one] for one in seen if graph.weighted[one] and graph.norms[one] > 0]


def _factors(graph: ModuleGraph, vertex: int) -> list[str]:
    """The parameters that go into the functions up to the next layers, past functions of them alone."""
    between = list(_between(graph, vertex))
    seen, waiting = {vertex, *between}, [other for one in between for other in graph.back[one]]
    found = [name for one in between for name in graph.parameters[one]]
    while waiting:
        one = waiting.pop()
        if one not in seen and not graph.is_layer[one]:
            seen.add(one)
            found += graph.parameters[one]
            waiting += graph.back[one]
    return found


def _fall(subject: Subject, names: list[str]) -> float:
    """The share of the loss that one step of these layers' weights takes off, each by the same, against its slope."""
    model = subject.model
    parameters = [p for name in names for p in _own(model, name) if p.requires_grad]
    with without_gradient_hooks(model), torch.random.fork_rng(devices=[]), torch.enable_grad():
        before = _loss(subject)
        slopes = torch.autograd.grad(before, parameters, allow_unused=True)
        held = [one.detach().clone() for one in parameters]
        try:
            for one, slope in zip(parameters, slopes, strict=True):
                if slope is not None:
                    one.data.sub_(_STEP * slope.sign())
            with torch.no_grad():
                after = _loss(subject)
        finally:
            for one, old in zip(parameters, held, strict=True):
                one.data.copy_(old)
    return float((before.detach() - after) / before.detach().abs())


def _own(model: nn.Module, name: str) -> list[nn.Parameter]:
    return [one for one in model.get_submodule("" if name == ROOT else name)._parameters.values() if one is not None]


def _loss(subject: Subject) -> Tensor:
    torch.manual_seed(0)
    inputs, targets = subject.batch()
    output = run("the model", subject.model, inputs, subject.model)
    return checked(run("the loss", lambda: subject.loss_fn(output, targets), (), subject.model)).reshape(())
