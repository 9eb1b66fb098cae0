"""The gradient along time: of recurrent modules, at every step of the sequence.

With h_t a hidden state and L the loss, ∂L/∂h_t over t shows where along a sequence a gradient grows or fades. Where the
loss uses every step it says nothing of memory, as each step has a gradient of its own; so a random vector v at the last
state is followed back as well: ∂(v·h_T)/∂(h_t, c_t), with c_t the cell state of an LSTM.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gradwidgets.core.finding import Finding
from gradwidgets.core.layers.passes import Subject, checked, copied, run, without_gradient_hooks
from gradwidgets.core.layers.recurrence import Tap
from gradwidgets.core.layers.stepwise import stepwise, why_not
from gradwidgets.core.results import Result
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.wording import number

# Decades that a gradient may grow along time; beyond the second it is an error.
DECADES = 3.0, 5.0
REACH = 1e-3  # of the gradient at the last state: where less is left, memory ends
_SEED = 0
_NEAR = 64  # nodes of the graph among which a state is looked for that an earlier call gave
_CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)


@dataclass(frozen=True, eq=False, repr=False)
class TimeProfile(Result):
    """The gradient at every time step of one recurrent module.

    A row is one layer of it in one direction. The steps are those of the sequence, in its order, whichever way the row
    runs. A module that is called once a step, as in a loop of one's own, is followed through all of its calls; of one
    that reads several sequences one after the other the longest ones are taken together.

    Attributes:
        name: As in `model.named_modules()`.
        kind: Name of its class.
        rows: "layer 0", or "layer 0, backwards" for one that reads the sequence from its end.
        gradient: ‖∂L/∂h_t‖, (rows, steps); 0 where the loss does not depend on a state, NaN where it was not measured.
        memory: ‖∂(v·h_T)/∂(h_t, c_t)‖ for a random v of length 1, (rows, steps), h_T the row's last state.
        reach: For each row, the number of steps back from its last state after which under 1/1000 of `memory` is left;
            None where more is left at the other end of the sequence, or it was not measured.
        steps: How many steps there are.
        calls: How often the module was called.
        note: Why something was not measured; "" for nothing.
    """

    name: str
    kind: str
    rows: tuple[str, ...]
    gradient: Tensor
    memory: Tensor
    reach: tuple[int | None, ...]
    steps: int
    calls: int
    note: str = ""

    def backwards(self, row: int) -> bool:
        """Whether a row reads the sequence from its end."""
        return self.rows[row].endswith("backwards")


def gradients_along_time(subject: Subject) -> tuple[TimeProfile, ...]:
    """Run model and loss once more, recurrent modules step by step, and follow the loss back to every state.

    Args:
        subject: A model that may run and be differentiated, as a copy may; whoever calls puts it back afterwards.

    Returns:
        One profile for each `nn.RNN`, `nn.LSTM`, `nn.GRU` that ran, and for each of their cells that ran several times;
        one without numbers, and with a note, for what cannot be taken apart. Empty without such modules.

    Raises:
        FlowError: (a ValueError) The model or the loss raised, or the loss is no real number in a tensor.
    """
    followed = list(_followed(subject.model))
    if not followed:
        return ()
    with without_gradient_hooks(subject.model):
        with contextlib.ExitStack() as stack:
            for one in followed:
                stack.enter_context(one.watching())
            inputs, targets = copied(subject.inputs), copied(subject.targets)
            output = run("the model", subject.model, inputs, subject.model)
            loss = checked(run("the loss", lambda: subject.loss_fn(output, targets), (), subject.model))
        with abroad():
            return tuple(one.profile(loss) for one in followed if one.tells)


@dataclass(eq=False)
class _Run:
    """One sequence, which may be read in several calls.

    Attributes:
        rows: Row → a tap of each call.
    """

    rows: dict[int, list[Tap]] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return max((sum(len(tap.sizes) for tap in taps) for taps in self.rows.values()), default=0)

    @property
    def taps(self) -> list[Tap]:
        return [tap for taps in self.rows.values() for tap in taps]

    def ends(self) -> list[Tensor]:
        return [taps[-1].last for taps in self.rows.values()]


class _Followed:
    """One recurrent module, watched.

    Args:
        name: Its name.
        module: An `nn.RNNBase`, or a cell.
    """

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name, self.module = name, module
        self.calls, self.note = 0, ""
        self._runs: list[_Run] = []
        self._over = False
        self._is_cell = isinstance(module, _CELLS)

    @property
    def tells(self) -> bool:
        """Whether there is something to be said: a cell that ran once has no time."""
        return bool(self.note) or self.calls > self._is_cell

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, its states are kept; after it, calls (of a checkpoint, say) are not looked at."""
        try:
            if self._is_cell:
                handle = self.module.register_forward_hook(self._cell_ran, with_kwargs=True)
                try:
                    yield
                finally:
                    handle.remove()
                return
            self.note = self.note or why_not(self.module)
            if self.note:
                yield
                return
            with stepwise(self.module, self._tap, self._begin, self._end):
                yield
        finally:
            self._over = True

    def _begin(self, hx: object) -> None:
        if self._over:
            return
        self.calls += 1
        state = next((t for t in (hx if isinstance(hx, (tuple, list)) else (hx,)) if isinstance(t, Tensor)), None)
        if not (self._runs and state is not None and _comes_from(state, self._runs[-1].ends())):
            self._runs.append(_Run())

    def _tap(self, row: int, sizes: list[int]) -> Tap:
        tap = Tap(sizes)
        if not self._over:
            self._runs[-1].rows.setdefault(row, []).append(tap)
        return tap

    def _end(self, error: Exception | None) -> None:
        if error is not None and not self._over:
            self._runs.pop()
            self.note = f"it could not be run step by step ({type(error).__name__}: {error})"

    def _cell_ran(self, module: nn.Module, arguments: tuple, keywords: Mapping, output: object) -> None:
        self._begin(arguments[1] if len(arguments) > 1 else keywords.get("hx"))
        states = output if isinstance(output, tuple) else (output,)
        tap = self._tap(0, [1])
        tap.wanted, tap.last = [one for one in states if one.requires_grad], states[0]

    def profile(self, loss: Tensor) -> TimeProfile:
        """What the states say."""
        longest = max((one.steps for one in self._runs), default=0)
        runs = [one for one in self._runs if one.steps == longest and longest]
        rows = sorted({row for one in runs for row in one.rows})
        alive = any(tap.wanted for one in runs for tap in one.taps)
        if runs and not alive:
            self.note = "no gradient passes its states: it is frozen, checkpointed, or runs under no_grad"
        elif len(runs) < len(self._runs):
            self.note = f"the {'longest' if len(runs) == 1 else f'{len(runs)} longest'} of {len(self._runs)} sequences"
        gradient = memory = torch.full((len(rows), longest), math.nan, dtype=torch.float64)
        if runs and alive:
            gradient = torch.linalg.vector_norm(_by_loss(loss, runs, rows), dim=0)
            memory = torch.stack([_by_last(runs[-1], row) for row in rows])
        names = tuple(self._named(row) for row in rows)
        reach = tuple(
            _reach(values.flip(0) if "back" not in n else values) for n, values in zip(names, memory, strict=True)
        )
        kind = type(self.module).__name__
        return TimeProfile(self.name, kind, names, gradient, memory, reach, longest, self.calls, self.note)

    def _named(self, row: int) -> str:
        if self._is_cell:
            return "layer 0"
        directions = 1 + self.module.bidirectional
        return f"layer {row // directions}" + (", backwards" if row % directions else "")


def _followed(model: nn.Module) -> Iterator[_Followed]:
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            if getattr(module, "original_name", "") in ("RNN", "LSTM", "GRU"):
                one = _Followed(name, module)
                one.note = "it is scripted"
                yield one
        elif isinstance(module, (nn.RNNBase, *_CELLS)):
            yield _Followed(name or "(model)", module)


def _comes_from(state: Tensor, ends: list[Tensor]) -> bool:
    """Whether a state is made of what an earlier call ended with."""
    wanted = {end.grad_fn for end in ends if end.grad_fn is not None}
    waiting, met = [state.grad_fn], set()
    while waiting and len(met) < _NEAR:
        node = waiting.pop(0)
        if node in wanted:
            return True
        if node is not None and node not in met:
            met.add(node)
            waiting += [behind for behind, _ in node.next_functions]
    return False


def _by_loss(loss: Tensor, runs: list[_Run], rows: list[int]) -> Tensor:
    """The norms of the loss's gradient by every state, (runs, rows, steps)."""
    taps = [tap for one in runs for tap in one.taps]
    _follow(loss.reshape(()), None, taps)
    return torch.stack([torch.stack([_read(one.rows[row], with_cell=False) for row in rows]) for one in runs])


def _by_last(one: _Run, row: int) -> Tensor:
    """What is left at each state of a random vector at the last one (each sample's own last one), (steps,)."""
    taps = one.rows[row]
    last = taps[-1].last
    seed = torch.randn(last.shape, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)
    _follow(last, (seed / torch.linalg.vector_norm(seed)).to(last.device, last.dtype), taps)
    return _read(taps, with_cell=True)


def _follow(value: Tensor, seed: Tensor | None, taps: list[Tap]) -> None:
    """Follow a value back, so that taps know the gradients by their states; those that it does not reach have none."""
    for tap in taps:
        tap.hidden = tap.cell = None
    wanted = [one for tap in taps for one in tap.wanted]
    if not (wanted and value.requires_grad):
        return
    found = torch.autograd.grad(value, wanted, seed, retain_graph=True, allow_unused=True)
    by_id = {id(one): g for one, g in zip(wanted, found, strict=True) if g is not None}
    for tap in taps:
        if tap.wanted and tap.wanted[0] is tap.last:  # a cell's own output
            norms = [torch.linalg.vector_norm(by_id[id(t)], dtype=torch.float64) for t in tap.wanted if id(t) in by_id]
            tap.hidden, tap.cell = [*(one.reshape(1) for one in norms), None, None][:2]


def _read(taps: list[Tap], *, with_cell: bool) -> Tensor:
    """The norms by every state, in the order of the sequence."""
    parts = []
    for tap in taps:
        norms = torch.zeros(len(tap.sizes), dtype=torch.float64) if tap.hidden is None else tap.hidden.cpu()
        parts.append(torch.hypot(norms, tap.cell.cpu()) if with_cell and tap.cell is not None else norms)
    return torch.cat(parts)


def _reach(memory: Tensor) -> int | None:
    """How many steps back from the last state under 1/1000 is left; memory runs back in time."""
    if not len(memory) or not bool(memory[0] > 0):
        return None
    gone = (memory < REACH * memory[0]).nonzero()
    return int(gone[0]) if len(gone) else None


def time_finding(profile: TimeProfile) -> Finding | None:
    """What a profile says: that the gradient explodes along time, or how far memory reaches.

    A loss of every step gives early states the sum of many gradients, which grows too; so it must be seen in the memory
    of the module itself as well.
    """
    grown = [_growth(profile, row) for row in range(len(profile.rows))]
    worst = max(grown, key=lambda one: one[0], default=(0.0, 0))
    if worst[0] >= DECADES[0]:
        return _exploding(profile, grown.index(worst), *worst)
    reach = [one for one in profile.reach if one is not None]
    if not reach or len(reach) < len(profile.reach) or max(reach) >= profile.steps:
        return None
    message = (
        f"{profile.name} reaches {max(reach)} of {profile.steps:,} time steps: of a change further back, under 1/1000 "
        "is left in its last state"
    )
    evidence = {"layer": profile.name, "steps": profile.steps, "reach": list(profile.reach), "share": REACH}
    return Finding("along time", "info", message, evidence, action="Nothing, unless it has to remember for longer.")


def _exploding(profile: TimeProfile, row: int, decades: float, steps: int) -> Finding:
    factor = 10 ** (decades / max(steps, 1))
    which = f", {profile.rows[row]}" if len(profile.rows) > 1 else ""
    overflows = not bool(profile.gradient[row].isfinite().all() and profile.memory[row].isfinite().all())
    message = (
        f"the gradient of {profile.name}{which} grows {number(decades, 3)} decades over {steps:,} time steps, back in "
        f"time: {number(factor, 3)} times a step" + (", until it overflows" if overflows else "")
    )
    evidence = {"layer": profile.name, "row": profile.rows[row], "decades": decades, "steps": steps, "factor": factor}
    action = (
        "Clip the gradient, and make weight_hh smaller or orthogonal (of singular values 1); an LSTM or GRU bounds what "
        "it remembers."
    )
    severity = "error" if decades >= DECADES[1] else "warning"
    return Finding("exploding along time", severity, message, evidence | {"thresholds": DECADES}, action=action)


def _growth(profile: TimeProfile, row: int) -> tuple[float, int]:
    """Decades by which a row's gradient grows back in time, and over how many steps."""
    flip = (lambda one: one) if profile.backwards(row) else (lambda one: one.flip(0))
    own, loss = _rise(flip(profile.memory[row])), _rise(flip(profile.gradient[row]))
    return min(own, loss) if loss is not None and own is not None else own or (0.0, 0)


def _rise(values: Tensor) -> tuple[float, int] | None:
    """The largest rise among values, in decades, and over how many steps; None where none is positive and finite."""
    lowest, best = None, (0.0, 0)
    logs = [(k, math.log10(v)) for k, v in enumerate(values.tolist()) if math.isfinite(v) and v > 0]
    for k, log in logs:
        if lowest is None or log < lowest[1]:
            lowest = k, log
        best = max(best, (log - lowest[1], k - lowest[0]))
    return best if logs else None
