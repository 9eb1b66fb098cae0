"""The steps of a recurrent layer as one node of autograd's graph, whose backward records the gradient at every state.

The steps run without a graph, which would take several times as long, and the backward is written out. With
δ_t = ∂L/∂h_t, the whole gradient by h_t, a plain layer h_t = f(g_t + W h_{t−1}) has
δ_{t−1} = ∂L/∂(its output at t−1) + Wᵀ(f′ δ_t), and the other kinds follow likewise. The gradients of the weights take
one product each.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

State: TypeAlias = tuple[Tensor, ...]  # the hidden state, followed by the cell state of an LSTM
_WEIGHTS = 6  # index of the first weight among the arguments of `_Steps`


@dataclass(eq=False)
class Tap:
    """What is recorded of the states in one call of a layer, in one direction.

    Attributes:
        sizes: The number of samples at each step.
        wanted: The tensors to differentiate by, so that autograd runs the backward of the steps.
        last: The last hidden state with its graph, set once the steps have run; in a packed batch, each sample's own.
        hidden: After a backward pass, the norms of the gradient by h_t, (steps,), in the order of the sequence.
        cell: The same by an LSTM's c_t; None for other kinds.
        states_only: Whether the backward may skip the gradients of the weights.
    """

    sizes: list[int]
    wanted: list[Tensor] = field(default_factory=list)
    last: Tensor = field(init=False)
    hidden: Tensor | None = None
    cell: Tensor | None = None
    states_only: bool = False

    def norms(self, rows: Tensor) -> Tensor:
        """Compute the norm of each step's rows; `rows` holds the steps one after the other."""
        norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        largest = norms.nan_to_num(0, 0, 0).max().clamp_min(torch.finfo(torch.float64).tiny)
        steps = torch.arange(len(self.sizes), device=rows.device)
        counts = torch.tensor(self.sizes, device=rows.device)
        squares = norms.new_zeros(len(self.sizes))
        squares.index_add_(0, steps.repeat_interleave(counts), (norms / largest).square())
        return squares.sqrt() * largest


class Cell(Protocol):
    """One kind of step, with its weights."""

    def step(self, given: Tensor, state: State) -> tuple[State, tuple[Tensor, ...]]:
        """Return the next state, and the tensors of this step that the backward needs."""

    def factors(self, *kept: Tensor) -> tuple[Tensor, ...]:
        """Return the factors of the backward, for all steps at once."""

    def back(self, factors: tuple[Tensor, ...], by_state: State) -> tuple[Tensor, State, tuple[Tensor, ...]]:
        """Return the gradients by the linear part, by the state before, and by this step's cell state if it has one."""

    def by_given(self, linear: Tensor, by_hidden: Tensor, factors: tuple[Tensor, ...]) -> Tensor:
        """Return the gradient by the inputs of the steps."""


MakeCell: TypeAlias = Callable[[Tensor, Tensor | None], Cell]  # from the weight W and the bias b of the state


class _Plain:
    """tanh or ReLU of the input plus W h."""

    def __init__(
        self, act: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor], weight: Tensor, bias: Tensor | None
    ) -> None:
        self._act, self._slope, self._weight, self._turned = act, slope, weight, weight.t()

    def step(self, given: Tensor, state: State) -> tuple[State, tuple[Tensor, ...]]:
        new = self._act(torch.addmm(given, state[0], self._turned))
        return (new,), (new,)

    def factors(self, *kept: Tensor) -> tuple[Tensor, ...]:
        return (self._slope(kept[0]),)

    def back(self, factors: tuple[Tensor, ...], by_state: State) -> tuple[Tensor, State, tuple[Tensor, ...]]:
        linear = by_state[0] * factors[0]
        return linear, (linear @ self._weight,), ()

    def by_given(self, linear: Tensor, by_hidden: Tensor, factors: tuple[Tensor, ...]) -> Tensor:
        return linear


class _Lstm:
    """Input, forget, cell and output gate."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._turned = weight, weight.t()

    def step(self, given: Tensor, state: State) -> tuple[State, tuple[Tensor, ...]]:
        hidden, cell = state
        gates = torch.addmm(given, hidden, self._turned)
        i, f, g, o = gates.chunk(4, 1)
        new = torch.addcmul(f.sigmoid_() * cell, i.sigmoid_(), g.tanh_())
        squashed = new.tanh()
        return (o.sigmoid_() * squashed, new), (gates, cell, squashed)

    def factors(self, *kept: Tensor) -> tuple[Tensor, ...]:
        gates, before, squashed = kept
        i, f, g, o = gates.chunk(4, 1)
        by_cell = torch.stack([g * i * (1 - i), before * f * (1 - f), i * (1 - g * g)], 1)
        return by_cell, squashed * o * (1 - o), o * (1 - squashed * squashed), f

    def back(self, factors: tuple[Tensor, ...], by_state: State) -> tuple[Tensor, State, tuple[Tensor, ...]]:
        by_gates, by_output, squashed, forget = factors
        by_hidden, by_cell = by_state
        by_cell = torch.addcmul(by_cell, by_hidden, squashed)
        linear = torch.cat([(by_gates * by_cell.unsqueeze(1)).flatten(1), by_output * by_hidden], 1)
        return linear, (linear @ self._weight, by_cell * forget), (by_cell,)

    def by_given(self, linear: Tensor, by_hidden: Tensor, factors: tuple[Tensor, ...]) -> Tensor:
        return linear


class _Gru:
    """Reset and update gate; the bias of the state's side is inside the reset."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._turned, self._bias = weight, weight.t(), bias

    def step(self, given: Tensor, state: State) -> tuple[State, tuple[Tensor, ...]]:
        (hidden,) = state
        linear = hidden @ self._turned if self._bias is None else torch.addmm(self._bias, hidden, self._turned)
        width = hidden.shape[1]
        gates = (given[:, : 2 * width] + linear[:, : 2 * width]).sigmoid_()
        inner, (reset, update) = linear[:, 2 * width :], gates.chunk(2, 1)
        new = torch.addcmul(given[:, 2 * width :], reset, inner).tanh_()
        return (torch.lerp(new, hidden, update),), (gates, inner, new, hidden)

    def factors(self, *kept: Tensor) -> tuple[Tensor, ...]:
        gates, inner, new, before = kept
        reset, update = gates.chunk(2, 1)
        by_new = (1 - update) * (1 - new * new)
        by_reset, by_update = by_new * inner * reset * (1 - reset), (before - new) * update * (1 - update)
        return torch.stack([by_reset, by_update, by_new * reset], 1), update, by_new

    def back(self, factors: tuple[Tensor, ...], by_state: State) -> tuple[Tensor, State, tuple[Tensor, ...]]:
        by_gates, update, _ = factors
        (by_hidden,) = by_state
        linear = (by_gates * by_hidden.unsqueeze(1)).flatten(1)
        return linear, (torch.addcmul(linear @ self._weight, by_hidden, update),), ()

    def by_given(self, linear: Tensor, by_hidden: Tensor, factors: tuple[Tensor, ...]) -> Tensor:
        width = by_hidden.shape[1]
        return torch.cat([linear[:, : 2 * width], factors[2] * by_hidden], 1)


def _tanh_slope(output: Tensor) -> Tensor:
    return 1 - output * output


def _relu_slope(output: Tensor) -> Tensor:
    return (output <= 0).logical_not().to(output.dtype)  # 1 for NaN, as in torch


# Makes the `Cell` of a module, by the module's mode.
CELLS: dict[str, MakeCell] = {
    "RNN_TANH": partial(_Plain, torch.tanh, _tanh_slope),
    "RNN_RELU": partial(_Plain, torch.relu, _relu_slope),
    "LSTM": _Lstm,
    "GRU": _Gru,
}


def recur(
    tap: Tap,
    make: MakeCell,
    back: bool,
    given: Tensor,
    state: State,
    weights: tuple[Tensor, Tensor | None, Tensor | None],
) -> tuple[Tensor, State]:
    """Run the steps of one layer in one direction.

    Args:
        tap: Records the states; `sizes` says how the rows are split into steps.
        make: Makes the `Cell`.
        back: Whether the sequence is read from its end.
        given: The part that does not depend on the state, (rows, gates), the steps one after the other.
        state: The initial state.
        weights: W and b of the part that is linear in the state (b is None if `given` contains it), and a projection
            or None.

    Returns:
        The outputs, (rows, width), and the last state.
    """
    hidden, cell = state[0], state[1] if len(state) > 1 else None
    steps: Any = _Steps  # torch's `apply` has no annotations
    outputs, last, last_cell = steps.apply(tap, make, back, given, hidden, cell, *weights)
    tap.wanted, tap.last = [t for t in (given, hidden) if t.requires_grad][:1], last
    return outputs, (last,) if cell is None else (last, last_cell)


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        tap: Tap,
        make: MakeCell,
        back: bool,
        given: Tensor,
        hidden: Tensor,
        cell: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        project: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        step, sizes, parts = make(weight, bias), tap.sizes, given.split(tap.sizes)
        taken: dict[int, tuple[Tensor, ...]] = {}
        state: State = (hidden,) if cell is None else (hidden, cell)
        for t in _order(len(sizes), back):
            before = _first(state, sizes[t])
            (raw, *cells), kept = step.step(parts[t], before)
            new = raw if project is None else raw @ project.t()
            taken[t] = (new, before[0], raw, *kept)
            state = _with_first((new, *cells), state, sizes[t])
        outputs, *saved = (_joined(taken, k) for k in range(len(taken[0])))
        ctx.tap, ctx.make, ctx.turn, ctx.has_cell = tap, make, back, cell is not None
        ctx.set_materialize_grads(True)
        ctx.save_for_backward(weight, bias, project, *saved)
        return outputs, state[0].clone(), None if cell is None else state[1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor, *by_last: Tensor) -> tuple[Tensor | None, ...]:
        weight, bias, project, before, raw, *kept = ctx.saved_tensors
        step: Cell = ctx.make(weight, bias)
        tap: Tap = ctx.tap
        factors = step.factors(*kept)
        parts = list(zip(*(one.split(tap.sizes) for one in factors), strict=True))
        outputs, state = by_outputs.split(tap.sizes), by_last if ctx.has_cell else by_last[:1]
        taken: dict[int, tuple[Tensor, ...]] = {}
        for t in _order(len(tap.sizes), not ctx.turn):
            by_hidden, *by_cells = _first(state, tap.sizes[t])
            by_hidden = by_hidden + outputs[t]
            by_raw = by_hidden if project is None else by_hidden @ project
            linear, earlier, by_cell = step.back(parts[t], (by_raw, *by_cells))
            taken[t] = (by_hidden, by_raw, linear, *by_cell)
            state = _with_first(earlier, state, tap.sizes[t])
        by_hidden, by_raw, linear, *cells = (_joined(taken, k) for k in range(len(taken[0])))
        tap.hidden = tap.norms(by_hidden)
        tap.cell = tap.norms(cells[0]) if cells else None
        needs = [
            needed and not (tap.states_only and place >= _WEIGHTS) for place, needed in enumerate(ctx.needs_input_grad)
        ]
        return (
            None,
            None,
            None,
            step.by_given(linear, by_raw, factors) if needs[3] else None,
            state[0] if needs[4] else None,
            state[1] if needs[5] else None,
            linear.t() @ before if needs[6] else None,
            linear.sum(0) if needs[7] else None,
            by_hidden.t() @ raw if needs[8] else None,
        )


def _order(steps: int, back: bool) -> Iterable[int]:
    return range(steps - 1, -1, -1) if back else range(steps)


def _first(state: State, count: int) -> State:
    """Return the first samples of a state: a packed batch has fewer samples at its later steps."""
    return state if count == len(state[0]) else tuple([one[:count] for one in state])


def _with_first(new: State, old: State, count: int) -> State:
    """Return a state whose first samples are new."""
    if count == len(old[0]):
        return new
    return tuple([torch.cat([one, other[count:]]) for one, other in zip(new, old, strict=True)])


def _joined(taken: dict[int, tuple[Tensor, ...]], place: int) -> Tensor:
    """Concatenate one of the tensors of all steps, in the order of the sequence."""
    return torch.cat([taken[t][place] for t in range(len(taken))])
