"""Recurrent modules whose state weights get a gradient of exactly 0, since no step uses the state of another."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gradwidgets.core.layers.passes.passes import FlowError, Subject, run
from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.results.finding import Finding, Severity

UNUSED = "unused state"
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_NAMED = 3  # weights that a message names
_BOTH_WAYS = (
    "Take the state that each half ends in: torch.cat([h_n[-2], h_n[-1]], 1), h_n being the last layer's; or a mean or "
    "maximum over all steps, which knows both."
)
_LAST = "Read the last step, out[:, -1] with samples first, or h_n[-1]; or a mean or maximum over all steps."
_ONE = "Nothing, if there is no sequence: a Linear does the same with fewer weights. Else look at its axis of steps."


@dataclass
class _Calls:
    """How a module was called.

    Attributes:
        steps: The number of steps in each call.
        is_given: Whether any initial state passed was not 0.
    """

    steps: list[int] = field(default_factory=list)
    is_given: bool = False


def _zero_weights(rows: Iterable[Row], gradients: Mapping[int, float | None]) -> dict[str, list[str]]:
    """Return the state weights whose gradient is exactly 0, by the names of the recurrent modules.

    Args:
        rows: The model's layers.
        gradients: The norm of the gradient by each parameter, by the parameter's id; None without a gradient.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        if isinstance(row.module, _RECURRENT) and row.calls:
            norms = {key: gradients.get(id(one)) for key, one in row.own.items()}
            keys = [key for key in norms if key.startswith("weight_hh") and norms[key] == 0]
            keys = [key for key in keys if norms.get(key.replace("_hh", "_ih"))]
            if keys:
                found[row.name] = keys
    return found


def unused_states(subject: Subject, rows: Iterable[Row], gradients: Mapping[int, float | None]) -> list[Finding]:
    """Find recurrent modules that never use a state.

    Args:
        subject: A copy of the model, which may be run; it runs forward if such a gradient is 0.
        rows: The model's layers.
        gradients: As for `_zero_weights`.
    """
    rows = list(rows)
    weights = _zero_weights(rows, gradients)
    if not weights:
        return []
    calls = _calls_in(subject, [row for row in rows if row.name in weights])
    told = [_finding(row, weights[row.name], calls[row.name]) for row in rows if row.name in calls]
    return [one for one in told if one is not None]


def _calls_in(subject: Subject, rows: list[Row]) -> dict[str, _Calls]:
    """Run the model and return the calls of these modules, by name."""
    seen = {row.name: _Calls() for row in rows}
    handles = [row.module.register_forward_pre_hook(partial(_record, seen[row.name]), with_kwargs=True) for row in rows]
    try:
        with contextlib.suppress(FlowError):
            run("the model", subject.model, subject.batch()[0], subject.model)
    finally:
        for one in handles:
            one.remove()
    return {name: one for name, one in seen.items() if one.steps}


def _record(calls: _Calls, module: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
    given = [*arguments, *keywords.values()]
    states = [t for one in given[1:] for t in (one if isinstance(one, (tuple, list)) else (one,))]
    calls.is_given |= any(isinstance(one, Tensor) and bool(one.detach().any()) for one in states)
    calls.steps.append(_steps(module, given[0]))


def _steps(module: nn.Module, sequence: Any) -> int:
    if isinstance(module, nn.RNNCellBase):
        return 1
    if isinstance(sequence, PackedSequence):
        return len(sequence.batch_sizes)
    return sequence.shape[1 if module.batch_first and sequence.ndim > 2 else 0]


def _finding(row: Row, weights: list[str], calls: _Calls) -> Finding | None:
    """Return the finding; None for a cell that runs once, or for single steps with an initial state."""
    many, longest = len(calls.steps), max(calls.steps)
    if many == longest == 1 and isinstance(row.module, nn.RNNCellBase):
        return None
    if longest == 1 and calls.is_given:
        return None
    severity: Severity = "info" if many == longest == 1 else "warning"
    why, action = _of_calls(row, many) if longest == 1 else _of_one_step(row, weights)
    gets = "gets" if len(weights) == 1 else "get"
    message = f"{row.name}: {', '.join(weights[:_NAMED])} {gets} a gradient of exactly 0: {why}"
    evidence = {"layer": row.name, "weights": weights, "calls": many, "steps": longest, "gradient": 0.0, "threshold": 0}
    return Finding(UNUSED, severity, message, evidence, action=action)


def _of_calls(row: Row, many: int) -> tuple[str, str]:
    """Return the reason and the remedy for calls of one step each."""
    if many == 1:
        return "its sequence has a single step, whose state is the initial one, 0", _ONE
    heard = sorted({call for call, _ in row.gradients})
    only = " and only the last of them reaches the loss," if heard == [row.calls] else ""
    why = f"each of its {many} calls starts again with a state of 0,{only} so that no step knows those before it"
    name, is_cell = row.name.rpartition(".")[2], isinstance(row.module, nn.RNNCellBase)
    hand = f"h, c = {name}(x, (h, c))" if is_cell and "LSTM" in row.kind else f"h = {name}(x, h)"
    hand = hand if is_cell else f"y, h = {name}(x, h)"
    return why, f"Hand the state on from call to call: {hand}. Nothing, if each call is of another sequence."


def _of_one_step(row: Row, weights: list[str]) -> tuple[str, str]:
    """Return the reason and the remedy for sequences whose output is used at the first step only."""
    back = all(one.endswith("_reverse") for one in weights)
    if not row.module.bidirectional:
        return "the loss uses only the first step of its output, which knows no other step", _LAST
    way = "backwards from the last step" if back else "from the first step on"
    where = "out[:, -1]" if back else "out[:, 0]"
    why = f"of the half that reads {way}, the loss uses only one step, the one that it begins with ({where})"
    return f"{why}, which knows no other step", _BOTH_WAYS
