"""Recurrent modules of torch's run step by step, so that every hidden state is a tensor that one can ask for."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from gradwidgets.core.layers.recurrent.recurrence import CELLS, State, Tap, recur

# Called with the row (layer × directions + direction) and the samples of each step.
MakeTap = Callable[[int, list[int]], Tap]


def why_not(module: nn.RNNBase) -> str:
    """Why a recurrent module cannot be replaced; "" if it can."""
    if "forward" in vars(module):
        return "its forward is replaced already"
    if module.mode not in CELLS:
        return f"its mode {module.mode} is unknown"
    own = {"LSTM": nn.LSTM, "GRU": nn.GRU}.get(module.mode, nn.RNN)
    return "" if type(module).forward is own.forward else "it is a subclass with a forward of its own"


@contextlib.contextmanager
def stepwise(module: nn.RNNBase, tap: MakeTap, begin: Callable, end: Callable) -> Iterator[None]:
    """Inside, a recurrent module runs step by step, with the same outputs.

    Args:
        module: One that `why_not` has nothing against.
        tap: Gives a tap for each row of a call.
        begin: Called before each call of the module with the initial state, or None.
        end: Called with what was raised when the steps could not be taken; tells whether to run the module as a whole
            instead.
    """

    def forward(input: Tensor | PackedSequence, hx: object = None) -> object:
        begin(hx)
        generator = torch.get_rng_state()
        try:
            return _call(module, input, hx, tap)
        except Exception as error:
            if not end(error):
                raise
            torch.set_rng_state(generator)
            return type(module).forward(module, input, hx)

    try:
        vars(module)["forward"] = forward
        yield
    finally:
        vars(module).pop("forward", None)


class _Sequence:
    """A batch of sequences as the steps' features, one beneath the other."""

    def __init__(self, module: nn.RNNBase, x: Tensor | PackedSequence) -> None:
        self.packed, self._first = isinstance(x, PackedSequence), module.batch_first
        self.single = not self.packed and x.dim() == 2
        if self.packed:
            self.rows, self._batch_sizes, self.order, self._back = x
            self.sizes = self._batch_sizes.tolist()
        else:
            x = x.unsqueeze(1) if self.single else x.transpose(0, 1) if self._first else x
            self.rows, self.order = x.reshape(-1, x.shape[-1]), None
            self.sizes = [x.shape[1]] * x.shape[0]

    def state(self, hx: Tensor) -> Tensor:
        """An initial state as (rows, batch, width) in the order of the steps."""
        hx = hx.unsqueeze(1) if self.single else hx
        return hx if self.order is None else hx.index_select(1, self.order)

    def whole(self, rows: Tensor) -> Tensor | PackedSequence:
        """The output in the form of the input."""
        if self.packed:
            return PackedSequence(rows, self._batch_sizes, self.order, self._back)
        steps = rows.reshape(len(self.sizes), -1, rows.shape[-1])
        return steps.squeeze(1) if self.single else steps.transpose(0, 1) if self._first else steps

    def last(self, states: list[Tensor]) -> Tensor:
        """The last state, likewise."""
        state = torch.stack(states)
        if self.packed:
            return state if self._back is None else state.index_select(1, self._back)
        return state.squeeze(1) if self.single else state


def _call(module: nn.RNNBase, x: Tensor | PackedSequence, hx: object, tap: MakeTap) -> object:
    sequence = _Sequence(module, x)
    directions = 1 + module.bidirectional
    hidden, cell = _initial(module, sequence, hx)
    rows, last = sequence.rows, []
    for layer in range(module.num_layers):
        sides = []
        for row in range(layer * directions, (layer + 1) * directions):
            begin = hidden[row], None if cell is None else cell[row]
            outputs, state = _row(module, row, rows, begin, tap(row, sequence.sizes))
            sides.append(outputs)
            last.append(state)
        rows = torch.cat(sides, -1) if directions == 2 else sides[0]
        if module.dropout and module.training and layer < module.num_layers - 1:
            rows = functional.dropout(rows, module.dropout, True)
    state = sequence.last([h for h, _ in last])
    if cell is not None:
        state = state, sequence.last([c for _, c in last])
    return sequence.whole(rows), state


def _initial(module: nn.RNNBase, sequence: _Sequence, hx: object) -> tuple[Tensor, Tensor | None]:
    has_cell = module.mode == "LSTM"
    if hx is not None:
        return (sequence.state(hx[0]), sequence.state(hx[1])) if has_cell else (sequence.state(hx), None)
    rows, batch = module.num_layers * (1 + module.bidirectional), sequence.sizes[0]
    zeros = sequence.rows.new_zeros(rows, batch, module.proj_size or module.hidden_size)
    return zeros, sequence.rows.new_zeros(rows, batch, module.hidden_size) if has_cell else None


def _row(module: nn.RNNBase, row: int, rows: Tensor, state: State, tap: Tap) -> tuple[Tensor, State]:
    """One layer in one direction: its outputs, one step's beneath the other's, and its last state."""
    layer, back = divmod(row, 1 + module.bidirectional)
    end = f"_l{layer}{'_reverse' if back else ''}"
    weight, inner = (getattr(module, name + end) for name in ("weight_ih", "weight_hh"))
    bias, other = (getattr(module, name + end) if module.bias else None for name in ("bias_ih", "bias_hh"))
    project = getattr(module, f"weight_hr{end}") if module.proj_size else None
    if other is not None and module.mode != "GRU":
        bias, other = bias + other, None
    given = functional.linear(rows, weight, bias)
    return recur(tap, CELLS[module.mode], bool(back), given, state, (inner, other, project))
