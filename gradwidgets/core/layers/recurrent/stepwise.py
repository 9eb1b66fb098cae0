"""torch's recurrent modules run step by step, so that the gradient by every hidden state can be recorded."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from gradwidgets.core.layers.recurrent.recurrence import CELLS, State, Tap, recur

# Makes the tap of a row (layer × directions + direction) from the number of samples at each step.
MakeTap: TypeAlias = Callable[[int, list[int]], Tap]
_FORWARDS: dict[str, object] = {"LSTM": nn.LSTM.forward, "GRU": nn.GRU.forward}


def why_not(module: nn.RNNBase) -> str:
    """Return why a recurrent module cannot be run step by step; "" if it can."""
    if "forward" in vars(module):
        return "its forward is replaced already"
    if module.mode not in CELLS:
        return f"its mode {module.mode} is unknown"
    forward = _FORWARDS.get(module.mode, nn.RNN.forward)
    return "" if type(module).forward is forward else "it is a subclass with a forward of its own"


@contextlib.contextmanager
def stepwise(
    module: nn.RNNBase, tap: MakeTap, begin: Callable[[object], None], end: Callable[[Exception], bool]
) -> Iterator[None]:
    """Run a recurrent module step by step within a block, with the same outputs.

    Args:
        module: A module for which `why_not` returns "".
        tap: Makes the tap for each row of a call.
        begin: Called before each call of the module with the initial state, or None.
        end: Called with the exception when the steps fail; returns whether to run the module as a whole instead.
    """

    def forward(input: Tensor | PackedSequence, hx: Any = None) -> object:
        begin(hx)
        generator = torch.get_rng_state()
        try:
            return _call(module, input, hx, tap)
        except Exception as error:
            if not end(error):
                raise
            torch.set_rng_state(generator)
            whole: Any = type(module)
            return whole.forward(module, input, hx)

    try:
        vars(module)["forward"] = forward
        yield
    finally:
        vars(module).pop("forward", None)


class _Padded:
    """A batch of sequences of equal length, or a single sequence.

    Attributes:
        rows: The features of all steps, (steps · batch, width).
        sizes: The number of samples at each step.
    """

    def __init__(self, module: nn.RNNBase, x: Tensor) -> None:
        self._single, self._first = x.dim() == 2, module.batch_first
        x = x.unsqueeze(1) if self._single else x.transpose(0, 1) if self._first else x
        self.rows = x.reshape(-1, x.shape[-1])
        self.sizes = [x.shape[1]] * x.shape[0]

    def state(self, hx: Tensor) -> Tensor:
        """Return an initial state as (rows, batch, width)."""
        return hx.unsqueeze(1) if self._single else hx

    def whole(self, rows: Tensor) -> Tensor:
        """Return the outputs in the form of the input."""
        steps = rows.reshape(len(self.sizes), -1, rows.shape[-1])
        return steps.squeeze(1) if self._single else steps.transpose(0, 1) if self._first else steps

    def last(self, states: list[Tensor]) -> Tensor:
        """Return the last states of all rows in the form of the input."""
        state = torch.stack(states)
        return state.squeeze(1) if self._single else state


class _Packed:
    """A packed batch of sequences, with the attributes and methods of `_Padded`; states are sorted by length."""

    def __init__(self, x: PackedSequence) -> None:
        self._input, self.rows = x, x.data
        self.sizes: list[int] = x.batch_sizes.tolist()

    def state(self, hx: Tensor) -> Tensor:
        order = self._input.sorted_indices
        return hx if order is None else hx.index_select(1, order)

    def whole(self, rows: Tensor) -> PackedSequence:
        packed = self._input
        return PackedSequence(rows, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)

    def last(self, states: list[Tensor]) -> Tensor:
        state, back = torch.stack(states), self._input.unsorted_indices
        return state if back is None else state.index_select(1, back)


_Sequence: TypeAlias = _Padded | _Packed


def _call(module: nn.RNNBase, x: Tensor | PackedSequence, hx: Any, tap: MakeTap) -> object:
    sequence: _Sequence = _Packed(x) if isinstance(x, PackedSequence) else _Padded(module, x)
    directions = 1 + module.bidirectional
    initial = _initial(module, sequence, hx)
    rows, last = sequence.rows, []
    for layer in range(module.num_layers):
        sides = []
        for row in range(layer * directions, (layer + 1) * directions):
            begin = tuple([one[row] for one in initial])
            outputs, state = _row(module, row, rows, begin, tap(row, sequence.sizes))
            sides.append(outputs)
            last.append(state)
        rows = torch.cat(sides, -1) if directions == 2 else sides[0]
        if module.dropout and module.training and layer < module.num_layers - 1:
            rows = functional.dropout(rows, module.dropout, True)
    states = tuple(sequence.last([state[k] for state in last]) for k in range(len(initial)))
    return sequence.whole(rows), states if len(states) > 1 else states[0]


def _initial(module: nn.RNNBase, sequence: _Sequence, hx: Any) -> State:
    """Return the initial state of all rows, (rows, batch, width)."""
    has_cell = module.mode == "LSTM"
    if hx is not None:
        return (sequence.state(hx[0]), sequence.state(hx[1])) if has_cell else (sequence.state(hx),)
    rows, batch = module.num_layers * (1 + module.bidirectional), sequence.sizes[0]
    zeros = sequence.rows.new_zeros(rows, batch, module.proj_size or module.hidden_size)
    return (zeros, sequence.rows.new_zeros(rows, batch, module.hidden_size)) if has_cell else (zeros,)


def _row(module: nn.RNNBase, row: int, rows: Tensor, state: State, tap: Tap) -> tuple[Tensor, State]:
    """Run one layer in one direction; return its outputs, the steps one after the other, and its last state."""
    layer, back = divmod(row, 1 + module.bidirectional)
    end = f"_l{layer}{'_reverse' if back else ''}"
    weight, inner = (getattr(module, name + end) for name in ("weight_ih", "weight_hh"))
    bias, other = (getattr(module, name + end) if module.bias else None for name in ("bias_ih", "bias_hh"))
    project = getattr(module, f"weight_hr{end}") if module.proj_size else None
    if other is not None and module.mode != "GRU":
        bias, other = bias + other, None
    given = functional.linear(rows, weight, bias)
    return recur(tap, CELLS[module.mode], bool(back), given, state, (inner, other, project))
