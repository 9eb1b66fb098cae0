"""The place of a pass in the user's code: the module that runs, the modules around it, and the line."""

import linecache
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.layers.passes.watch import tensors_in

LOSS = "the loss function"
_PACKAGE = str(Path(__file__).parents[3])
_TORCH = str(Path(torch.__file__).parent)
_CELL = re.compile(r"ipykernel_\d+|^<ipython-input")
_LONGEST = 100  # the most characters of a line that are quoted


@dataclass(eq=False)
class Place:
    """Where an operation ran.

    Attributes:
        module: The innermost module's name, `ROOT` in the model's own forward, `LOSS` after it.
        kind: The name of that module's class.
        sound: Whether all inputs of that module were finite.
        after: The last module that had returned before; "" for none.
        before: The next module with an input that is not finite; "" for none.
        code: File and number of the user's line; None if no code of the user's ran.
    """

    module: str
    kind: str = ""
    sound: bool = False
    after: str = ""
    before: str = ""
    code: tuple[str, int] | None = None

    @property
    def line(self) -> str:
        """The line in words, with its text; "" if it is not known."""
        if self.code is None:
            return ""
        path, number = self.code
        text = linecache.getline(path, number).strip()
        text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        where = "the cell" if _CELL.search(path) else Path(path).name
        return f"{where}, line {number}" + (f": {text}" if text else "")


@dataclass(eq=False)
class _Call:
    """A call of a module that has not returned yet."""

    module: nn.Module
    name: str
    sound: bool


@dataclass(eq=False)
class Places:
    """Follows a model's modules within a `with` block.

    Attributes:
        model: The model.
        in_loss: Set by the user after the model has run: what runs outside of modules from then on is the loss.
    """

    model: nn.Module
    in_loss: bool = False
    _calls: list[_Call] = field(default_factory=list)
    _last: str = ""
    _open: list[Place] = field(default_factory=list)
    _handles: list[RemovableHandle] = field(default_factory=list)

    def __enter__(self) -> "Places":
        for name, module in self.model.named_modules():
            # The computation of a parametrized weight belongs to the layer with the weight.
            if isinstance(module, torch.jit.ScriptModule) or ".parametrizations." in f".{name}.":
                continue
            begins = partial(self._begins, name or ROOT)
            self._handles.append(module.register_forward_pre_hook(begins, prepend=True, with_kwargs=True))
            self._handles.append(module.register_forward_hook(self._ends, always_call=True))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def here(self) -> Place:
        """Return the current place of the pass."""
        code = _line_of_theirs()
        if not self._calls:
            return Place(LOSS if self.in_loss else ROOT, after=self._last, code=code)
        call = self._calls[-1]
        return Place(call.name, type(call.module).__name__, call.sound, self._last, "", code)

    def remember(self, place: Place) -> None:
        """Set `before` of this place at the next module with an input that is not finite."""
        self._open.append(place)

    def _begins(self, name: str, module: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        sound = all(is_finite(t) for t in tensors_in((arguments, keywords)) if has_numbers(t))
        if not sound:
            for place in self._open:
                place.before = name
            self._open.clear()
        self._calls.append(_Call(module, name, sound))

    def _ends(self, module: nn.Module, *_: object) -> None:
        while self._calls:
            call = self._calls.pop()
            if call.module is module:
                self._last = self._last if module._modules else call.name
                break


def has_numbers(tensor: Tensor) -> bool:
    """Whether a tensor has floating-point numbers that can be read."""
    plain = tensor.layout is torch.strided and not (tensor.is_nested or tensor.is_meta or tensor.is_quantized)
    return plain and (tensor.is_floating_point() or tensor.is_complex())


def is_finite(tensor: Tensor) -> bool:
    """Whether all numbers of a tensor are finite; assumed for a dtype that torch cannot check."""
    try:
        return bool(tensor.detach().isfinite().all())
    except (RuntimeError, NotImplementedError):
        return True


def _line_of_theirs() -> tuple[str, int] | None:
    """Return the innermost line of the user's code, below the call of the model or the loss."""
    frame: FrameType | None = sys._getframe(1)
    begun = False
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_PACKAGE):
            if begun:
                return None
        else:
            begun = True
            if not (path.startswith((_TORCH, "<")) and not _CELL.search(path)):
                return path, frame.f_lineno
        frame = frame.f_back
    return None
