"""Where in somebody's code a pass is: which module runs, between which others, and at which line."""

import linecache
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.layers.passes.watch import tensors_in

LOSS = "the loss function"
_PACKAGE = str(Path(__file__).parents[3])
_TORCH = str(Path(torch.__file__).parent)
_CELL = re.compile(r"ipykernel_\d+|^<ipython-input")
_LONGEST = 100  # letters of a line that are quoted


@dataclass(eq=False)
class Place:
    """Where an operation ran.

    Attributes:
        module: The innermost module's name, `ROOT` in the model's own forward, `LOSS` after it.
        kind: Its class.
        sound: Whether it was given finite numbers alone.
        after: The last module that had ended before; "" for none.
        before: The next module that was given something not finite; "" for none.
        code: File and number of the line; None where none of somebody's own ran.
    """

    module: str
    kind: str = ""
    sound: bool = False
    after: str = ""
    before: str = ""
    code: tuple[str, int] | None = None

    @property
    def line(self) -> str:
        """The line in words, with its text; "" for none."""
        if self.code is None:
            return ""
        path, number = self.code
        text = linecache.getline(path, number).strip()
        text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        where = "the cell" if _CELL.search(path) else Path(path).name
        return f"{where}, line {number}" + (f": {text}" if text else "")


@dataclass(eq=False)
class _Call:
    module: nn.Module
    name: str
    sound: bool


@dataclass(eq=False)
class Places:
    """Follows a model's modules within a `with` block.

    Attributes:
        model: The model.
        in_loss: Set after its pass: what runs then outside of its modules is the loss.
    """

    model: nn.Module
    in_loss: bool = False
    _calls: list[_Call] = field(default_factory=list)
    _last: str = ""
    _open: list[Place] = field(default_factory=list)
    _handles: list = field(default_factory=list)

    def __enter__(self) -> "Places":
        for name, module in self.model.named_modules():
            # A weight that is computed belongs to the layer whose weight it is.
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
        """Where the pass is now."""
        code = _line_of_theirs()
        if not self._calls:
            return Place(LOSS if self.in_loss else ROOT, after=self._last, code=code)
        call = self._calls[-1]
        return Place(call.name, type(call.module).__name__, call.sound, self._last, "", code)

    def remember(self, place: Place) -> None:
        """Have the module noted that is next given something not finite."""
        self._open.append(place)

    def _begins(self, name: str, module: nn.Module, arguments: tuple, keywords: Mapping) -> None:
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
                break
        if not module._modules:
            self._last = call.name


def has_numbers(tensor: Tensor) -> bool:
    """Whether a tensor has numbers of floating point that can be looked at."""
    plain = tensor.layout is torch.strided and not (tensor.is_nested or tensor.is_meta or tensor.is_quantized)
    return plain and (tensor.is_floating_point() or tensor.is_complex())


def is_finite(tensor: Tensor) -> bool:
    """Whether all numbers of a tensor are finite; of a dtype that torch cannot tell it of, they are taken to be."""
    try:
        return bool(tensor.detach().isfinite().all())
    except (RuntimeError, NotImplementedError):
        return True


def _line_of_theirs() -> tuple[str, int] | None:
    """The innermost line that is neither torch's nor ours, above the call of the model or the loss."""
    frame, begun = sys._getframe(1), False
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
