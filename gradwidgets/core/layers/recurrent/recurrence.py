"""A recurrent layer's steps as one node of autograd's graph, whose way back tells the gradient at every state.

The steps of a layer are taken without a graph of their own, which would take several times as long. The way back is
written out: with δ_t = ∂L/∂h_t, all of which passes h_t, a plain layer h_t = f(g_t + W h_{t−1}) has
δ_{t−1} = ∂L/∂(its output at t−1) + Wᵀ(f′ δ_t), and likewise the others. Gradients of weights follow in one product
each.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

State = tuple[Tensor, Tensor | None]
_WEIGHTS = 6  # where they begin among what `_Steps` takes


@dataclass(eq=False)
class Tap:
    """What one call of a layer, in one direction, tells of its states.

    Attributes:
        sizes: How many samples each step has.
        wanted: What to ask autograd for, so that the way back leads here.
        last: The last hidden state, with its graph; each sample's own in a packed batch.
        hidden: After a way back, the norms of the gradient by h_t, (steps,), in the order of the sequence.
        cell: Likewise by an LSTM's c_t; None for others.
        states_only: Whether the way back leads to states alone, so that nobody asks for gradients of weights.
    """

    sizes: list[int]
    wanted: list[Tensor] = field(default_factory=list)
    last: Tensor | None = None
    hidden: Tensor | None = None
    cell: Tensor | None = None
    states_only: bool = False

    def norms(self, rows: Tensor) -> Tensor:
        """Norms of each step's rows, which stand one step's beneath the other's."""
        norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        largest = norms.nan_to_num(0, 0, 0).max().clamp_min(torch.finfo(torch.float64).tiny)
        steps = torch.arange(len(self.sizes), device=rows.device)
        counts = torch.tensor(self.sizes, device=rows.device)
        squares = norms.new_zeros(len(self.sizes))
        squares.index_add_(0, steps.repeat_interleave(counts), (norms / largest).square())
        return squares.sqrt() * largest


class Cell(Protocol):
    """One kind of step, with its weights."""

    def step(self, given: Tensor, hidden: Tensor, cell: Tensor | None) -> tuple[Tensor, Tensor | None, tuple]:
        """The next state, and what the way back needs of this step."""

    def factors(self, *kept: Tensor) -> tuple[Tensor, ...]:
        """What the way back multiplies with, of all steps at once."""

    def back(
        self, factors: tuple[Tensor, ...], hidden: Tensor, cell: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """The gradients by what is linear in the state before, by that state, by this cell state and the one before."""

    def by_given(self, linear: Tensor, hidden: Tensor, factors: tuple[Tensor, ...]) -> Tensor:
        """The gradient by what was given to the steps."""


class _Plain:
    """tanh or ReLU of what is given plus W h."""

    def __init__(self, act: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor], weight: Tensor, *_: object):
        self._act, self._slope, self._weight, self._turned = act, slope, weight, weight.t()

    def step(self, given, hidden, cell):
        new = self._act(torch.addmm(given, hidden, self._turned))
        return new, None, (new,)

    def factors(self, new):
        return (self._slope(new),)

    def back(self, factors, hidden, cell):
        linear = hidden * factors[0]
        return linear, linear @ self._weight, None, None

    def by_given(self, linear, hidden, factors):
        return linear


class _Lstm:
    """Input, forget, cell and output gate."""

    def __init__(self, weight: Tensor, *_: object) -> None:
        self._weight, self._turned = weight, weight.t()

    def step(self, given, hidden, cell):
        gates = torch.addmm(given, hidden, self._turned)
        i, f, g, o = gates.chunk(4, 1)
        new = torch.addcmul(f.sigmoid_() * cell, i.sigmoid_(), g.tanh_())
        squashed = new.tanh()
        return o.sigmoid_() * squashed, new, (gates, cell, squashed)

    def factors(self, gates, before, squashed):
        i, f, g, o = gates.chunk(4, 1)
        by_cell = torch.stack([g * i * (1 - i), before * f * (1 - f), i * (1 - g * g)], 1)
        return by_cell, squashed * o * (1 - o), o * (1 - squashed * squashed), f

    def back(self, factors, hidden, cell):
        by_cell, by_output, squashed, forget = factors
        cell = torch.addcmul(cell, hidden, squashed)
        linear = torch.cat([(by_cell * cell.unsqueeze(1)).flatten(1), by_output * hidden], 1)
        return linear, linear @ self._weight, cell, cell * forget

    def by_given(self, linear, hidden, factors):
        return linear


class _Gru:
    """Reset and update gate; its bias on the state's side stands inside the reset."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._turned, self._bias = weight, weight.t(), bias

    def step(self, given, hidden, cell):
        linear = hidden @ self._turned if self._bias is None else torch.addmm(self._bias, hidden, self._turned)
        width = hidden.shape[1]
        gates = (given[:, : 2 * width] + linear[:, : 2 * width]).sigmoid_()
        inner, (reset, update) = linear[:, 2 * width :], gates.chunk(2, 1)
        new = torch.addcmul(given[:, 2 * width :], reset, inner).tanh_()
        return torch.lerp(new, hidden, update), None, (gates, inner, new, hidden)

    def factors(self, gates, inner, new, before):
        reset, update = gates.chunk(2, 1)
        by_new = (1 - update) * (1 - new * new)
        by_reset, by_update = by_new * inner * reset * (1 - reset), (before - new) * update * (1 - update)
        return torch.stack([by_reset, by_update, by_new * reset], 1), update, by_new

    def back(self, factors, hidden, cell):
        by_gates, update, _ = factors
        linear = (by_gates * hidden.unsqueeze(1)).flatten(1)
        return linear, torch.addcmul(linear @ self._weight, hidden, update), None, None

    def by_given(self, linear, hidden, factors):
        width = hidden.shape[1]
        return torch.cat([linear[:, : 2 * width], factors[2] * hidden], 1)


def _tanh_slope(output: Tensor) -> Tensor:
    return 1 - output * output


def _relu_slope(output: Tensor) -> Tensor:
    return (output <= 0).logical_not().to(output.dtype)  # of NaN, as torch has it, 1


# What makes a cell of W and b, by a module's mode.
CELLS: dict[str, Callable[[Tensor, Tensor | None], Cell]] = {
    "RNN_TANH": partial(_Plain, torch.tanh, _tanh_slope),
    "RNN_RELU": partial(_Plain, torch.relu, _relu_slope),
    "LSTM": _Lstm,
    "GRU": _Gru,
}


def recur(
    tap: Tap, make: Callable, back: bool, given: Tensor, state: State, weights: tuple[Tensor | None, ...]
) -> tuple[Tensor, State]:
    """Take the steps of one layer in one direction.

    Args:
        tap: What is to be told of the states; `sizes` says how the rows are split into steps.
        make: Makes the `Cell` from W and b.
        back: Whether the sequence is read from its end.
        given: What does not depend on the state, one step's rows beneath the other's, (rows, gates).
        state: To begin with.
        weights: W and b of what is linear in the state (b None where it is in `given`), and a projection or None.

    Returns:
        The outputs, (rows, width), and the last state.
    """
    hidden, cell = state
    outputs, last, last_cell = _Steps.apply(tap, make, back, given, hidden, cell, *weights)
    tap.wanted, tap.last = [t for t in (given, hidden) if t.requires_grad][:1], last
    return outputs, (last, last_cell)


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tap, make, back, given, hidden, cell, weight, bias, project):
        step, taken = make(weight, bias), {}
        state = hidden, cell
        parts, sizes = given.split(tap.sizes), tap.sizes
        for t in _order(len(sizes), back):
            before = _first(state, sizes[t])
            raw, new_cell, kept = step.step(parts[t], *before)
            new = raw if project is None else raw @ project.t()
            taken[t] = new, before[0], raw, kept
            state = _over((new, new_cell), state, sizes[t])
        outputs, before, raw = (_beneath(taken, k) for k in range(3))
        kept = [torch.cat([taken[t][3][k] for t in range(len(sizes))]) for k in range(len(taken[0][3]))]
        ctx.tap, ctx.make, ctx.turn, ctx.has_cell = tap, make, back, cell is not None
        ctx.set_materialize_grads(True)
        ctx.save_for_backward(weight, bias, project, before, raw, *kept)
        return outputs, state[0].clone(), None if cell is None else state[1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, by_outputs, by_last, by_last_cell):
        weight, bias, project, before, raw, *kept = ctx.saved_tensors
        step, tap = ctx.make(weight, bias), ctx.tap
        factors = step.factors(*kept)
        parts = list(zip(*(one.split(tap.sizes) for one in factors), strict=True))
        outputs, state, taken = by_outputs.split(tap.sizes), (by_last, by_last_cell if ctx.has_cell else None), {}
        for t in _order(len(tap.sizes), not ctx.turn):
            by_state, by_cell = _first(state, tap.sizes[t])
            by_state = by_state + outputs[t]
            by_raw = by_state if project is None else by_state @ project
            linear, earlier, by_cell, earlier_cell = step.back(parts[t], by_raw, by_cell)
            taken[t] = by_state, by_raw, linear, by_cell
            state = _over((earlier, earlier_cell), state, tap.sizes[t])
        by_state, by_raw, linear = (_beneath(taken, k) for k in range(3))
        tap.hidden = tap.norms(by_state)
        tap.cell = tap.norms(_beneath(taken, 3)) if ctx.has_cell else None
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
            by_state.t() @ raw if needs[8] else None,
        )


def _order(steps: int, back: bool) -> Iterable[int]:
    return range(steps - 1, -1, -1) if back else range(steps)


def _first(state: State, count: int) -> State:
    """A state's first samples: a packed batch has fewer of them in its later steps."""
    if count == len(state[0]):
        return state
    return state[0][:count], None if state[1] is None else state[1][:count]


def _over(new: State, old: State, count: int) -> State:
    """A state in which the first samples are new ones."""
    if count == len(old[0]):
        return new
    cell = None if old[1] is None else torch.cat([new[1], old[1][count:]])
    return torch.cat([new[0], old[0][count:]]), cell


def _beneath(taken: dict[int, tuple], place: int) -> Tensor:
    return torch.cat([taken[t][place] for t in range(len(taken))])
