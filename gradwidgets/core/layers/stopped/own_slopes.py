"""How much of the gradient the backwards of custom autograd functions leave, each call by itself."""

import inspect
import math
import os
import statistics
from collections.abc import Callable, Iterable
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

    def __init__(self, nodes: Iterable[Node], layer_of: Callable[[Node], str]) -> None:
        own = [one for one in nodes if isinstance(one, torch.autograd.function.BackwardCFunction)][:_MOST]
        self._sizes: dict[type, dict[str, list[tuple[Tensor, Tensor]]]] = {}
        self._handles = []
        for one in own:
            function: Any = type(one)  # torch does not declare _forward_cls
            if not function._forward_cls.__module__.startswith("torch."):
                self._handles.append(one.register_hook(self._hook(function._forward_cls, layer_of(one))))

    def _hook(self, kind: type, layer: str) -> Any:
        def hook(after: tuple[Tensor | None, ...], before: tuple[Tensor | None, ...]) -> None:
            self._sizes.setdefault(kind, {}).setdefault(layer, []).append((_norm(before), _norm(after)))

        return hook

    def findings(self) -> list[Finding]:
        """Return for each function the share of the gradient that a call leaves, the median of its calls by layer."""
        for one in self._handles:
            one.remove()
        return [self._told(kind, by_layer) for kind, by_layer in self._sizes.items()]

    def _told(self, kind: type, by_layer: dict[str, list[tuple[Tensor, Tensor]]]) -> Finding:
        left = {layer: share for layer, sizes in by_layer.items() if 0 < (share := _median(sizes)) < math.inf}
        return Finding(LEFT, "info", f"{kind.__name__}{_line(kind)}", {"left": left, "threshold": 1.0})


def _norm(gradients: tuple[Tensor | None, ...]) -> Tensor:
    parts = [one.detach().double().norm() for one in gradients if one is not None and one.is_floating_point()]
    return torch.stack(parts).norm() if parts else torch.tensor(math.nan)


def _median(sizes: list[tuple[Tensor, Tensor]]) -> float:
    shares = [float(after) / float(before) for before, after in sizes if float(before) > 0]
    return statistics.median(shares) if shares and all(map(math.isfinite, shares)) else math.nan


def _line(kind: type) -> str:
    """Return file and line of a function's backward, in brackets; "" if it has no code of its own."""
    backward = getattr(kind, "backward", None)
    code = getattr(backward and inspect.unwrap(backward), "__code__", None)
    return f" ({os.path.basename(code.co_filename)}, line {code.co_firstlineno})" if code is not None else ""
