"""Recurrent modules followed through a pass: their states, call by call, and the gradients by them."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradwidgets.core.layers.recurrent.recurrence import Tap
from gradwidgets.core.layers.recurrent.stepwise import stepwise, why_not

_SEED = 0
_NEAR = 64  # nodes of the graph that are searched for the state of an earlier call
_OPEN = 8  # the most sequences that are continued at the same time
_CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)


class Measured(NamedTuple):
    """The gradients by one module's states; see `TimeProfile`."""

    rows: tuple[str, ...]
    gradient: Tensor
    memory: Tensor
    steps: int
    note: str
    whole: int


@dataclass(eq=False)
class Run:
    """One sequence, which may be read in several calls.

    Attributes:
        rows: For each row, the taps of all calls.
        before: The number of steps of the same sequence before its state was detached.
    """

    rows: dict[int, list[Tap]] = field(default_factory=dict)
    before: int = 0

    @property
    def steps(self) -> int:
        """The number of steps."""
        return max((sum(len(tap.sizes) for tap in taps) for taps in self.rows.values()), default=0)

    @property
    def taps(self) -> list[Tap]:
        """The taps of all rows."""
        return [tap for taps in self.rows.values() for tap in taps]

    def ends(self) -> list[Tensor]:
        """Return the rows' last states so far."""
        return [taps[-1].last for taps in self.rows.values()]


class Followed:
    """A recurrent module whose states are recorded during a pass.

    Args:
        name: The module's name.
        module: The module.
        note: Why the module cannot be followed; "" if it can.

    Attributes:
        fewest: The number of calls from which there is something to report.
        calls: The number of calls of the module.
        over: Set by the user after the forward pass; what runs later, in checkpoints, is not recorded.
    """

    fewest: ClassVar[int] = 1

    def __init__(self, name: str, module: nn.Module, note: str = "") -> None:
        self.name, self.module, self.note = name, module, note
        self.calls, self.over = 0, False
        self._runs: list[Run] = []

    @property
    def is_reported(self) -> bool:
        """Whether there is something to report."""
        return bool(self.note) or self.calls >= self.fewest

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Record the module's states within a block."""
        self.note = self.note or self._why_not()
        with contextlib.nullcontext() if self.note else self._recording():
            yield

    def _why_not(self) -> str:
        """Return why the module cannot be followed; "" if it can."""
        return ""

    def _recording(self) -> AbstractContextManager[None]:
        """Return a block that records the states of a module that can be followed."""
        raise NotImplementedError

    def _row_name(self, row: int) -> str:
        """Return the name of a row."""
        raise NotImplementedError

    def _begin(self, hx: object) -> None:
        if self.over:
            return
        self.calls += 1
        state = next((t for t in (hx if isinstance(hx, (tuple, list)) else (hx,)) if isinstance(t, Tensor)), None)
        begun = None if state is None else _continued_by(state, self._runs[-_OPEN:])
        if begun is None:
            cut = None if state is None else _detached_from(state, self._runs[-_OPEN:])
            self._runs.append(Run(before=cut.before + cut.steps if cut else 0))
        else:  # taps are added to the last run
            self._runs.remove(begun)
            self._runs.append(begun)

    def _tap(self, row: int, sizes: list[int]) -> Tap:
        tap = Tap(sizes)
        if not self.over:
            self._runs[-1].rows.setdefault(row, []).append(tap)
        return tap

    def _end(self, error: Exception) -> bool:
        if self.over:  # checkpoints stop their second forward pass by an exception
            return False
        self._runs.pop()
        self.note = f"it could not be run step by step ({type(error).__name__}: {error})"
        return True

    def measured(self, loss: Tensor) -> Measured:
        """Compute the gradients by all states, of the longest sequences."""
        longest = max((one.steps for one in self._runs), default=0)
        runs = [one for one in self._runs if one.steps == longest and longest]
        rows = sorted({row for one in runs for row in one.rows})
        alive = any(tap.wanted for one in runs for tap in one.taps)
        gradient = memory = torch.full((len(rows), longest), math.nan, dtype=torch.float64)
        if runs and alive:
            gradient = torch.linalg.vector_norm(_by_loss(loss, runs, rows), dim=0)
            memory = torch.stack([_by_last(runs[-1], row) for row in rows])
        names = tuple(self._row_name(row) for row in rows)
        return Measured(
            names, gradient, memory, longest, self.note or self._remark(len(runs), alive=alive), self._whole()
        )

    def _whole(self) -> int:
        """Return the number of steps of the longest sequence, also if its state is detached within it."""
        return max((one.before + one.steps for one in self._runs), default=0)

    def _remark(self, longest: int, *, alive: bool) -> str:
        if longest and not alive:
            return "no gradient passes its states: it is frozen, checkpointed, or runs under no_grad"
        if longest < len(self._runs):
            return f"the {'longest' if longest == 1 else f'{longest} longest'} of {len(self._runs)} sequences"
        return f"{longest} sequences taken together" if longest > 1 else ""


class _FollowedLayers(Followed):
    """An `nn.RNN`, `nn.LSTM` or `nn.GRU`, which is run step by step."""

    def __init__(self, name: str, module: nn.RNNBase) -> None:
        super().__init__(name, module)
        self._layers = module

    def _why_not(self) -> str:
        return why_not(self._layers)

    def _recording(self) -> AbstractContextManager[None]:
        return stepwise(self._layers, self._tap, self._begin, self._end)

    def _row_name(self, row: int) -> str:
        directions = 1 + self._layers.bidirectional
        return f"layer {row // directions}" + (", backwards" if row % directions else "")


class _FollowedCell(Followed):
    """A recurrent cell, which is called once per step; a single call has no time axis."""

    fewest = 2

    @contextlib.contextmanager
    def _recording(self) -> Iterator[None]:
        handle = self.module.register_forward_hook(self._record, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def _row_name(self, row: int) -> str:
        return "layer 0"

    def _record(self, module: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any], output: Any) -> None:
        self._begin(arguments[1] if len(arguments) > 1 else keywords.get("hx"))
        states = output if isinstance(output, tuple) else (output,)
        tap = self._tap(0, [1])
        tap.wanted, tap.last = [one for one in states if one.requires_grad], states[0]


def followed_in(model: nn.Module) -> Iterator[Followed]:
    """Yield all recurrent modules and cells of a model."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            if getattr(module, "original_name", "") in ("RNN", "LSTM", "GRU"):
                yield Followed(name, module, "it is scripted")
        elif isinstance(module, nn.RNNBase):
            yield _FollowedLayers(name or "(model)", module)
        elif isinstance(module, _CELLS):
            yield _FollowedCell(name or "(model)", module)


def _continued_by(state: Tensor, runs: list[Run]) -> Run | None:
    """Return the sequence whose last state a given state is computed from, the nearest in the graph; None for none."""
    ends = {end.grad_fn: one for one in runs for end in one.ends() if end.grad_fn is not None}
    waiting, met = [state.grad_fn], set[Node]()
    while waiting and len(met) < _NEAR:
        node = waiting.pop(0)
        if node in ends:
            return ends[node]
        if node is not None and node not in met:
            met.add(node)
            waiting += [behind for behind, _ in node.next_functions]
    return None


def _detached_from(state: Tensor, runs: list[Run]) -> Run | None:
    """Return the sequence whose last state a given state is a detached copy of; None for none."""
    if state.requires_grad or not bool(state.any()):
        return None
    for one in reversed(runs):
        for end in one.ends():
            parts = state if state.ndim > end.ndim else [state]
            if end.requires_grad and any(part.shape == end.shape and torch.equal(part, end.detach()) for part in parts):
                return one
    return None


def _by_loss(loss: Tensor, runs: list[Run], rows: list[int]) -> Tensor:
    """Compute the norms of the loss's gradient by every state, (runs, rows, steps)."""
    taps = [tap for one in runs for tap in one.taps]
    _follow(loss.reshape(()), taps)
    return torch.stack([torch.stack([_read(one.rows[row], with_cell=False) for row in rows]) for one in runs])


def _by_last(one: Run, row: int) -> Tensor:
    """Compute the norms of the gradient by every state of a random vector times the last state, (steps,)."""
    taps = one.rows[row]
    last = taps[-1].last
    seed = torch.randn(last.shape, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)
    if last.ndim > 1 and 0 < taps[-1].sizes[-1] < len(last):  # shorter ones of a packed batch would come in later
        seed[taps[-1].sizes[-1] :] = 0
    # Passing the vector to autograd.grad would import torch's symbolic shapes, which takes seconds.
    _follow((last * (seed / torch.linalg.vector_norm(seed)).to(last.device, last.dtype)).sum(), taps)
    return _read(taps, with_cell=True)


def _follow(value: Tensor, taps: list[Tap]) -> None:
    """Run the backward of a value, so that the taps record the gradients by their states, None where there is none."""
    for tap in taps:
        tap.hidden = tap.cell = None
        tap.states_only = True
    wanted = [one for tap in taps for one in tap.wanted]
    if not (wanted and value.requires_grad):
        return
    found = torch.autograd.grad(value, wanted, retain_graph=True, allow_unused=True)
    by_id = {id(one): g for one, g in zip(wanted, found, strict=True) if g is not None}
    for tap in taps:
        if tap.wanted and tap.wanted[0] is tap.last:  # the output of a cell
            norms = [_norm(by_id.get(id(one)), one.device) for one in tap.wanted]
            tap.hidden, tap.cell = [*norms, None][:2]


def _norm(gradient: Tensor | None, device: torch.device) -> Tensor:
    if gradient is None:
        return torch.zeros(1, dtype=torch.float64, device=device)
    return torch.linalg.vector_norm(gradient, dtype=torch.float64).reshape(1)


def _read(taps: list[Tap], *, with_cell: bool) -> Tensor:
    """Return the recorded norms by every state, in the order of the sequence."""
    parts = []
    for tap in taps:
        norms = torch.zeros(len(tap.sizes), dtype=torch.float64) if tap.hidden is None else tap.hidden.cpu()
        parts.append(torch.hypot(norms, tap.cell.cpu()) if with_cell and tap.cell is not None else norms)
    return torch.cat(parts)
