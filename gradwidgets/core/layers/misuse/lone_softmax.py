"""A softmax along an axis of one entry: all it gives is 1, and what makes its scores gets no gradient."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from gradwidgets.core.layers.causes.following import place_of_call
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.passes.passes import FlowError, Subject, run
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import Args, Kwargs, Op, plain_name
from gradwidgets.core.results.finding import Finding

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
_FEW = 6  # operations between a layer and a softmax


def of_softmaxes(operations: Sequence[Operation], names: Mapping[int, str] = NO_NAMES) -> list[Finding]:
    """The softmaxes of the single number that a layer gives for each place, told of the first.

    Args:
        operations: Softmaxes.
        names: The model's parameters' names, by id.
    """
    lone = []
    for one in operations:
        shape = tuple(one.node._input_metadata[0].shape)
        axis = saved(one.node, "dim")
        axis = axis - 2**64 if axis >= 2**63 else axis
        # Along steps, or keys, one is a short sequence; along what a layer gives, the axis is wrong.
        if axis in (-1, len(shape) - 1) and shape and shape[-1] == 1 < len(shape) and (weights := _scoring(one.node)):
            layer = next((names[id(weight)] for weight in weights if id(weight) in names), "").rpartition(".")[0]
            lone.append((one, shape, layer))
    return [_found(*lone[0], [one.place for one, *_ in lone])] if lone else []


def _scoring(node: Node) -> list[Tensor]:
    """The weights of the layer with a single output that makes what it is given; none where products make it."""
    for _ in range(_FEW):
        node = next((one for one, _ in node.next_functions if one is not None), None)
        name = plain_name(node.name()) if node is not None else ""
        if name in _PRODUCTS:
            found = [weight_of(one) for one, _ in node.next_functions]
            return [one for one in found if one is not None]
        if name not in _PASSING:
            return []
    return []


def weight_of(node: Node | None) -> Tensor | None:
    """The parameter that an operation is given as a factor, turned over at most; None for what is computed."""
    while node is not None and plain_name(node.name()) in ("t", "transpose") and node.next_functions:
        node = node.next_functions[0][0]
    return getattr(node, "variable", None)


def with_line(subject: Subject, found: Finding) -> Finding:
    """The same with file and line, told by running the model once more, forward.

    Args:
        subject: A copy that may run.
        found: One of `of_softmaxes`, or another with a shape; `operation` in its evidence is what to look for.
    """
    names = _CALLED.get(found.evidence.get("operation", ""), ("softmax",))
    seen = _Calls(found.evidence["shape"], names)
    with contextlib.suppress(FlowError), torch.no_grad(), torch.random.fork_rng(devices=[]), seen:
        run("the model", subject.model, subject.batch()[0], subject.model)
    if not seen.place:
        return found
    return replace(found, message=found.message.replace(": ", f" ({seen.place}): ", 1))


class _Calls(TorchFunctionMode):
    """Notes where the first function of some names is called that takes a shape."""

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
