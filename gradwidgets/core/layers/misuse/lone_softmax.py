"""A softmax along an axis of one entry: its output is always 1, and the scores get no gradient."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.passes.passes import FlowError, Subject, run
from gradwidgets.core.layers.scores.ahead_of import before
from gradwidgets.core.losses.graph import saved, variable_of
from gradwidgets.core.operations.watching import Args, Kwargs, Op, plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

LONE = "softmax_of_one"
NO_NAMES: Mapping[int, str] = MappingProxyType({})
SOFTMAXES = ("softmax", "safe_softmax")
_LONG = "Name the axis along which shares are to sum to 1: dim=1 for the steps of (samples, steps, 1)."
_FLAT = (
    "No axis of this shape will do: the scores that are weighed against each other all lie on the first. Bring them to "
    "(samples, steps) before the softmax, by view or squeeze, and take it over the steps; where there is one score for "
    "a sample, take a sigmoid."
)
_PASSING = ("view", "unsafe_view", "reshape_alias", "squeeze", "unsqueeze", "clone", "mul", "div", "add")
_PRODUCTS = ("addmm", "mm", "linear", "convolution")
_CALLED = {"div": ("div", "div_", "__truediv__", "true_divide"), "normalize": ("normalize",)}
_FEW = 6  # the most operations between a layer and a softmax


def of_softmaxes(operations: Sequence[Operation], names: Mapping[int, str] = NO_NAMES) -> list[Finding]:
    """Report the first softmax over the last axis of a layer with a single output, and the places of all such.

    Args:
        operations: The softmaxes.
        names: The names of the model's parameters, by id.
    """
    lone = []
    for one in operations:
        shape = tuple(one.node._input_metadata[0].shape)
        axis = saved(one.node, "dim")
        axis = axis - 2**64 if axis >= 2**63 else axis
        # One step or key is a short sequence; but along a layer's single output, the axis is wrong.
        if axis in (-1, len(shape) - 1) and shape and shape[-1] == 1 < len(shape) and (weights := _scoring(one.node)):
            layer = next((names[id(weight)] for weight in weights if id(weight) in names), "").rpartition(".")[0]
            lone.append((one, shape, layer))
    return [_found(*lone[0], [one.place for one, *_ in lone])] if lone else []


def _scoring(node: Node) -> list[Tensor]:
    """Return the weights of the layer that computes a softmax's scores; none if no layer does."""
    for name, one in before(node, _FEW):
        if name in _PRODUCTS:
            found = [weight_of(other) for other, _ in one.next_functions]
            return [weight for weight in found if weight is not None]
        if name not in _PASSING:
            return []
    return []


def weight_of(node: Node | None) -> Tensor | None:
    """Return the parameter at a node, also if it is transposed; None for a computed tensor."""
    while node is not None and plain_name(node.name()) in ("t", "transpose") and node.next_functions:
        node = node.next_functions[0][0]
    return None if node is None else variable_of(node)


def with_line(subject: Subject, found: Finding) -> Finding:
    """Add file and line to a finding, by running the model forward once more.

    Args:
        subject: A copy of the model, which runs.
        found: A finding with a shape in its evidence, and in `operation` the function to search for, if no softmax.
    """
    names = _CALLED.get(found.evidence.get("operation", ""), ("softmax",))
    seen = _Calls(found.evidence["shape"], names)
    with contextlib.suppress(FlowError), torch.no_grad(), torch.random.fork_rng(devices=[]), seen:
        run("the model", subject.model, subject.batch()[0], subject.model)
    if not seen.place:
        return found
    return replace(found, message=found.message.replace(": ", f" ({seen.place}): ", 1))


class _Calls(FunctionMode):
    """Records the place of the first call of some functions with a tensor of a given shape."""

    def __init__(self, shape: tuple[int, ...], names: Sequence[str]) -> None:
        super().__init__()
        self.place = ""
        self._shape, self._names = shape, names

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        if getattr(func, "__name__", "") in self._names and not self.place:
            given = next((one for one in (*args, *(kwargs or {}).values()) if isinstance(one, Tensor)), None)
            self.place = place_of_call() if given is not None and tuple(given.shape) == self._shape else ""
        return func(*args, **(kwargs or {}))


def _found(one: Operation, shape: tuple[int, ...], layer: str, places: list[str]) -> Finding:
    message = (
        f"{one}: a softmax along the last axis of {shape}, which has a single entry: all it gives is 1, whatever the "
        f"scores, and {layer or 'what'}{', which' * bool(layer)} makes them{',' * bool(layer)} gets no gradient"
    )
    evidence = {"layer": layer or one.place, "place": one.place, "shape": shape, "threshold": 2, "all": places}
    return Finding(LONE, "error", message, evidence, action=_FLAT if len(shape) == 2 else _LONG)
