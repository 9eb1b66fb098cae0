"""Rows of a table that no gradient reaches, and that weight decay shrinks all the same."""

import weakref
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gradwidgets.core.monitor.facts import IdleFacts
from gradwidgets.core.monitor.owners import Owned

_NUMBERS = 1 << 13  # of an embedding that are looked at
_SAMPLES = 64
_ALONG, _ALIKE = 1e-4, 1e-3  # of a row: off its own direction; between the shares that are left of rows
_LEAST = 4  # rows
_MOSTLY = 0.5  # of the rows of a table that is no embedding


class IdleRows:
    """Keeps a copy of some rows of the first table that an optimizer decays, and which of them had a gradient.

    A table is an embedding, or a matrix that a module of the user's owns and most of whose rows get a gradient of 0.

    A row that has had one between two samples has left its direction, or is longer or shorter than the others.
    """

    def __init__(self) -> None:
        self._looks = 0
        self._name, self._rows, self._apart = "", 0, 1
        self._parameter: weakref.ref[Tensor] | None = None
        self._before: Tensor | None = None
        self._idle: Tensor | None = None
        self._told: IdleFacts = {}

    def sampled(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned], modules: Sequence[nn.Module]) -> None:
        """A sample is taken of a step of an optimizer, which holds these parameters of these modules."""
        self._looks += 1
        if self._looks == 1:
            self._choose(optimizer, held, modules)
        parameter = None if self._parameter is None else self._parameter()
        if parameter is None or self._idle is None or self._looks > _SAMPLES:
            return
        gradient = parameter.grad
        if gradient is not None and gradient.layout == torch.strided:
            self._idle &= (gradient[:: self._apart] == 0).all(1)

    def _choose(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned], modules: Sequence[nn.Module]) -> None:
        decayed = {id(one) for group in optimizer.param_groups if group.get("weight_decay") for one in group["params"]}
        plain = [one for one in held if one.plain and one.parameter.ndim == 2 and one.parameter.grad is not None]
        plain = [one for one in plain if id(one.parameter) in decayed]
        tables = [one for one in plain if isinstance(modules[one.column], (nn.Embedding, nn.EmbeddingBag))]
        own = (one for one in plain if not tables and _is_own(modules[one.column]) and _is_read_by_rows(one))
        chosen = next(iter(tables), None) or next(own, None)
        if chosen is not None:
            self._name, self._rows = chosen.name, chosen.parameter.shape[0]
            self._apart = _apart(chosen)
            self._parameter = weakref.ref(chosen.parameter)
            self._before = chosen.parameter.detach()[:: self._apart].clone()
            self._idle = torch.ones(len(self._before), dtype=torch.bool, device=self._before.device)

    def forget(self) -> None:
        """Let go of the copy; what is known stays."""
        self._told = self.told
        self._parameter = self._before = self._idle = None

    @property
    def told(self) -> IdleFacts:
        """How many "rows" "of" those looked at no gradient has reached, and what share of them is "left".

        Returns:
            With them the parameter's "name" and how many rows it has in "all". Empty where no row has shrunk so.
        """
        parameter = None if self._parameter is None else self._parameter()
        if parameter is None or self._before is None or self._idle is None:
            return self._told
        with torch.no_grad():
            left = _shrunk(self._before[self._idle].double(), parameter.detach()[:: self._apart][self._idle].double())
        if len(left) < _LEAST or not float(left.max() - left.min()) <= _ALIKE or not float(left.max()) < 1:
            return {}
        return {
            "name": self._name,
            "all": self._rows,
            "rows": len(left),
            "of": len(self._idle),
            "left": float(left.median()),
        }


def _apart(one: Owned) -> int:
    """Every how many rows of a table one is looked at."""
    return -(-one.size // _NUMBERS)


def _is_own(module: nn.Module) -> bool:
    return not type(module).__module__.startswith("torch.")


def _is_read_by_rows(one: Owned) -> bool:
    """Whether most rows have a gradient of 0, as those have that no index of the batch asks for."""
    gradient = one.parameter.grad
    if gradient is None or gradient.layout != torch.strided or len(gradient) < _LEAST:
        return False
    idle = (gradient[:: _apart(one)] == 0).all(1)
    return bool(_MOSTLY * len(idle) <= idle.sum() < len(idle))


def _shrunk(before: Tensor, now: Tensor) -> Tensor:
    """What is left of each row that is what it was but for a factor."""
    length = before.square().sum(1)
    before, now, length = before[length > 0], now[length > 0], length[length > 0]
    left = (before * now).sum(1) / length
    off = (now - left[:, None] * before).square().sum(1).sqrt() / length.sqrt()
    return left[off <= _ALONG]
