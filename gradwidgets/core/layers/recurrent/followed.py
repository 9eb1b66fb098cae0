"""Recurrent modules watched for a pass: their states call by call, and what comes back to them."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.recurrent.recurrence import Tap
from gradwidgets.core.layers.recurrent.stepwise import stepwise, why_not

_SEED = 0
_NEAR = 64  # nodes of the graph among which a state is looked for that an earlier call gave
_OPEN = 8  # sequences that may go on at the same time
_CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)


class Measured(NamedTuple):
    """What one module's states say; see `TimeProfile`."""

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
        rows: Row → a tap of each call.
        before: Steps of the same sequence before its state was detached.
    """

    rows: dict[int, list[Tap]] = field(default_factory=dict)
    before: int = 0

    @property
    def steps(self) -> int:
        """How many it has."""
        return max((sum(len(tap.sizes) for tap in taps) for taps in self.rows.values()), default=0)

    @property
    def taps(self) -> list[Tap]:
        """All of them."""
        return [tap for taps in self.rows.values() for tap in taps]

    def ends(self) -> list[Tensor]:
        """The rows' last states so far."""
        return [taps[-1].last for taps in self.rows.values()]


class Followed:
    """One recurrent module, watched.

    Args:
        name: Its name.
        module: An `nn.RNNBase`, or a cell.

    Attributes:
        calls: How often it was called.
        note: Why it cannot be followed; "" if it can.
        over: Set after the pass forward: what runs then is not looked at.
    """

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name, self.module = name, module
        self.calls, self.note, self.over = 0, "", False
        self._runs: list[Run] = []
        self._is_cell = isinstance(module, _CELLS)

    @property
    def tells(self) -> bool:
        """Whether there is something to be said: a cell that ran once has no time."""
        return bool(self.note) or self.calls > self._is_cell

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, its states are kept, until it is `over`; a checkpoint may call it later to run once more."""
        if not self.note and not self._is_cell:
            self.note = why_not(self.module)
        if self.note:
            yield
        elif self._is_cell:
            handle = self.module.register_forward_hook(self._cell_ran, with_kwargs=True)
            try:
                yield
            finally:
                handle.remove()
        else:
            with stepwise(self.module, self._tap, self._begin, self._end):
                yield

    def _begin(self, hx: object) -> None:
        if self.over:
            return
        self.calls += 1
        state = next((t for t in (hx if isinstance(hx, (tuple, list)) else (hx,)) if isinstance(t, Tensor)), None)
        begun = None if state is None else _where_from(state, self._runs[-_OPEN:])
        if begun is None:
            cut = None if state is None else _detached_from(state, self._runs[-_OPEN:])
            self._runs.append(Run(before=cut.before + cut.steps if cut else 0))
        else:  # the last one is the one that is added to
            self._runs.remove(begun)
            self._runs.append(begun)

    def _tap(self, row: int, sizes: list[int]) -> Tap:
        tap = Tap(sizes)
        if not self.over:
            self._runs[-1].rows.setdefault(row, []).append(tap)
        return tap

    def _end(self, error: Exception) -> bool:
        if self.over:  # it may be how a checkpoint ends what it runs once more
            return False
        self._runs.pop()
        self.note = f"it could not be run step by step ({type(error).__name__}: {error})"
        return True

    def _cell_ran(self, module: nn.Module, arguments: tuple, keywords: Mapping, output: object) -> None:
        self._begin(arguments[1] if len(arguments) > 1 else keywords.get("hx"))
        states = output if isinstance(output, tuple) else (output,)
        tap = self._tap(0, [1])
        tap.wanted, tap.last = [one for one in states if one.requires_grad], states[0]

    def measured(self, loss: Tensor) -> Measured:
        """What the states say."""
        longest = max((one.steps for one in self._runs), default=0)
        runs = [one for one in self._runs if one.steps == longest and longest]
        rows = sorted({row for one in runs for row in one.rows})
        alive = any(tap.wanted for one in runs for tap in one.taps)
        gradient = memory = torch.full((len(rows), longest), math.nan, dtype=torch.float64)
        if runs and alive:
            gradient = torch.linalg.vector_norm(_by_loss(loss, runs, rows), dim=0)
            memory = torch.stack([_by_last(runs[-1], row) for row in rows])
        names = tuple(self._named(row) for row in rows)
        return Measured(
            names, gradient, memory, longest, self.note or self._said(len(runs), alive=alive), self._whole()
        )

    def _whole(self) -> int:
        """Steps of the longest sequence, whether its state is detached on the way or not."""
        return max((one.before + one.steps for one in self._runs), default=0)

    def _said(self, longest: int, *, alive: bool) -> str:
        if longest and not alive:
            return "no gradient passes its states: it is frozen, checkpointed, or runs under no_grad"
        if longest < len(self._runs):
            return f"the {'longest' if longest == 1 else f'{longest} longest'} of {len(self._runs)} sequences"
        return f"{longest} sequences taken together" if longest > 1 else ""

    def _named(self, row: int) -> str:
        if self._is_cell:
            return "layer 0"
        directions = 1 + self.module.bidirectional
        return f"layer {row // directions}" + (", backwards" if row % directions else "")


def followed_in(model: nn.Module) -> Iterator[Followed]:
    """All recurrent modules and cells of a model."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            if getattr(module, "original_name", "") in ("RNN", "LSTM", "GRU"):
                one = Followed(name, module)
                one.note = "it is scripted"
                yield one
        elif isinstance(module, (nn.RNNBase, *_CELLS)):
            yield Followed(name or "(model)", module)


def _where_from(state: Tensor, runs: list[Run]) -> Run | None:
    """The sequence whose last state so far another state is made of, the nearest in the graph; None for none."""
    ends = {end.grad_fn: one for one in runs for end in one.ends() if end.grad_fn is not None}
    waiting, met = [state.grad_fn], set()
    while waiting and len(met) < _NEAR:
        node = waiting.pop(0)
        if node in ends:
            return ends[node]
        if node is not None and node not in met:
            met.add(node)
            waiting += [behind for behind, _ in node.next_functions]
    return None


def _detached_from(state: Tensor, runs: list[Run]) -> Run | None:
    """The sequence whose last state so far another state is a detached copy of; None for none."""
    if state.requires_grad or not bool(state.any()):
        return None
    for one in reversed(runs):
        for end in one.ends():
            parts = state if state.ndim > end.ndim else [state]
            if end.requires_grad and any(part.shape == end.shape and torch.equal(part, end.detach()) for part in parts):
                return one
    return None


def _by_loss(loss: Tensor, runs: list[Run], rows: list[int]) -> Tensor:
    """The norms of the loss's gradient by every state, (runs, rows, steps)."""
    taps = [tap for one in runs for tap in one.taps]
    _follow(loss.reshape(()), taps)
    return torch.stack([torch.stack([_read(one.rows[row], with_cell=False) for row in rows]) for one in runs])


def _by_last(one: Run, row: int) -> Tensor:
    """What is left at each state of a random vector at the last one (each sample's own last one), (steps,)."""
    taps = one.rows[row]
    last = taps[-1].last
    seed = torch.randn(last.shape, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)
    # To hand a vector to autograd makes torch import its symbolic shapes, which takes seconds.
    _follow((last * (seed / torch.linalg.vector_norm(seed)).to(last.device, last.dtype)).sum(), taps)
    return _read(taps, with_cell=True)


def _follow(value: Tensor, taps: list[Tap]) -> None:
    """Follow a value back, so that taps know the gradients by their states; those that it does not reach have none."""
    for tap in taps:
        tap.hidden = tap.cell = None
        tap.states_only = True
    wanted = [one for tap in taps for one in tap.wanted]
    if not (wanted and value.requires_grad):
        return
    found = torch.autograd.grad(value, wanted, retain_graph=True, allow_unused=True)
    by_id = {id(one): g for one, g in zip(wanted, found, strict=True) if g is not None}
    for tap in taps:
        if tap.wanted and tap.wanted[0] is tap.last:  # a cell's own output
            norms = [_norm(by_id.get(id(one)), one.device) for one in tap.wanted]
            tap.hidden, tap.cell = [*norms, None][:2]


def _norm(gradient: Tensor | None, device: torch.device) -> Tensor:
    if gradient is None:
        return torch.zeros(1, dtype=torch.float64, device=device)
    return torch.linalg.vector_norm(gradient, dtype=torch.float64).reshape(1)


def _read(taps: list[Tap], *, with_cell: bool) -> Tensor:
    """The norms by every state, in the order of the sequence."""
    parts = []
    for tap in taps:
        norms = torch.zeros(len(tap.sizes), dtype=torch.float64) if tap.hidden is None else tap.hidden.cpu()
        parts.append(torch.hypot(norms, tap.cell.cpu()) if with_cell and tap.cell is not None else norms)
    return torch.cat(parts)
