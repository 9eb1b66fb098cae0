"""How much of the gradient the backwards of custom autograd functions leave, each call by itself."""

import inspect
import math
import os
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.results.finding import Finding

LEFT = "left by own functions"  # explains what is lost, and is not said by itself
_MOST = 2000  # calls that are measured


class OwnSlopes:
    """Measures the gradient before and after custom functions in one backward pass.

    Args:
        nodes: The operations of the pass, before its backward.
        layer_of: Returns the layer or module that an operation is part of; "" for the loss.
    """

    def __init__(self, nodes: Sequence[Node], layer_of: Callable[[Node], str]) -> None:
        own = [one for one in nodes if isinstance(one, torch.autograd.function.BackwardCFunction)][:_MOST]
        own = [one for one in own if not _kind(one).__module__.startswith("torch.")]
        self._nodes = nodes if own else ()
        self._layers = {one: layer_of(one) for one in own}
        self._sizes: dict[Node, tuple[Tensor, Tensor]] = {}
        self._handles = [one.register_hook(self._hook(one)) for one in own]

    def _hook(self, node: Node) -> Any:
        def hook(after: tuple[Tensor | None, ...], before: tuple[Tensor | None, ...]) -> None:
            self._sizes[node] = _norm(before), _norm(after)

        return hook

    def findings(self) -> list[Finding]:
        """Return for each function the share that a call leaves, by layer, and the most decades lost on one path."""
        for one in self._handles:
            one.remove()
        left = {one: share for one, sizes in self._sizes.items() if 0 < (share := _share(*sizes)) < math.inf}
        kinds = dict.fromkeys(_kind(one) for one in left)
        return [self._told(kind, {one: share for one, share in left.items() if _kind(one) is kind}) for kind in kinds]

    def _told(self, kind: type, left: dict[Node, float]) -> Finding:
        by_layer: dict[str, list[float]] = {}
        for one, share in left.items():
            by_layer.setdefault(self._layers[one], []).append(share)
        medians = {layer: statistics.median(some) for layer, some in by_layer.items()}
        evidence = {"left": medians, "decades": self._decades(left), "threshold": 1.0}
        return Finding(LEFT, "info", f"{kind.__name__}{_line(kind)}", evidence)

    def _decades(self, left: dict[Node, float]) -> float:
        """Return the most decades that calls lose on one path back from the loss."""
        lost: dict[Node, float] = {}
        for node in self._nodes:  # each before those whose results it takes
            here = lost.get(node, 0.0) - (math.log10(left[node]) if node in left else 0.0)
            for other, _ in node.next_functions:
                if other is not None:
                    lost[other] = max(lost.get(other, 0.0), here)
        return max(lost.values(), default=0.0)


def _kind(node: Node) -> type:
    function: Any = type(node)  # torch does not declare _forward_cls
    kind: type = function._forward_cls
    return kind


def _share(before: Tensor, after: Tensor) -> float:
    return float(after) / float(before) if float(before) > 0 else math.nan


def _norm(gradients: tuple[Tensor | None, ...]) -> Tensor:
    parts = [one.detach().double().norm() for one in gradients if one is not None and one.is_floating_point()]
    return torch.stack(parts).norm() if parts else torch.tensor(math.nan)


def _line(kind: type) -> str:
    """Return file and line of a function's backward, in brackets; "" if it has no code of its own."""
    backward = getattr(kind, "backward", None)
    code = getattr(backward and inspect.unwrap(backward), "__code__", None)
    return f" ({os.path.basename(code.co_filename)}, line {code.co_firstlineno})" if code is not None else ""
