"""The gradient along time of recurrent modules, at every step of the sequence.

With h_t a hidden state and L the loss, ∂L/∂h_t over t shows where along a sequence the gradient grows or fades. Where
the loss uses every step this says nothing about memory, as each step contributes to it directly. For that, a random
vector v at the last state is propagated back as well: ∂(v·h_T)/∂(h_t, c_t), with c_t the cell state of an LSTM.
"""

import contextlib
import math
from dataclasses import dataclass

from torch import Tensor

from gradwidgets.core.layers.passes.passes import Subject, checked, run, without_gradient_hooks
from gradwidgets.core.layers.recurrent.followed import Followed, followed_in
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import counted, number
from gradwidgets.core.subject.home import abroad

# Decades of growth along time: from the first on a warning, from the second on an error.
DECADES = 3.0, 5.0
REACH = 1e-3  # share of the gradient at the last state below which memory ends
_OPEN = "a gate that keeps its state from the start (a bias of 1 or more at an LSTM's forget or a GRU's update gate)"
_MOSTLY = 0.5  # share of the time steps from which the reach is not reported


@dataclass(frozen=True, eq=False, repr=False)
class TimeProfile(Result):
    """The gradient at every time step of one recurrent module.

    A row is one layer in one direction. The steps are in the order of the sequence, whichever way the row runs. A
    module that is called once per step, in a loop, is followed through all of its calls; of several sequences, the
    longest ones are taken together.

    Attributes:
        name: The module's name, as in `model.named_modules()`.
        kind: Name of the module's class.
        rows: The names of the rows: "layer 0", or "layer 0, backwards" for one that reads the sequence from its end.
        gradient: ‖∂L/∂h_t‖, (rows, steps); 0 where the loss does not depend on a state, NaN where it was not measured.
        memory: ‖∂(v·h_T)/∂(h_t, c_t)‖ for a random v of length 1, (rows, steps), h_T the row's last state.
        reach: For each row, the number of steps back from its last state after which less than 1/1000 of `memory` is
            left; None if more is left at the other end of the sequence, or if it was not measured.
        steps: The number of steps.
        calls: The number of calls of the module.
        note: Why something was not measured, or which sequences the numbers are of; "" for nothing.
        whole: The number of steps of the longest sequence. It is larger than `steps` if the state is detached within
            the sequence.
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
    whole: int = 0


def gradients_along_time(subject: Subject) -> tuple[TimeProfile, ...]:
    """Run model and loss once more, recurrent modules step by step, and compute the gradients by every state.

    Args:
        subject: A copy of the model, which may be run; the caller restores it.

    Returns:
        One profile for each `nn.RNN`, `nn.LSTM`, `nn.GRU` that ran, and for each cell that ran several times. A module
        that cannot be run step by step has a profile with a note and without numbers.

    Raises:
        FlowError: (a ValueError) The model or the loss raised, or the loss is not a tensor of one real number.
    """
    followed = list(followed_in(subject.model))
    if not followed:
        return ()
    with without_gradient_hooks(subject.model), contextlib.ExitStack() as stack:
        for one in followed:
            stack.enter_context(one.watching())
        inputs, targets = subject.batch()
        output = run("the model", subject.model, inputs, subject.model)
        loss = checked(run("the loss", lambda: subject.loss_fn(output, targets), (), subject.model))
        for one in followed:
            one.over = True
        with abroad():
            return tuple(_profile(one, loss) for one in followed if one.is_reported)


def _profile(followed: Followed, loss: Tensor) -> TimeProfile:
    rows, gradient, memory, steps, note, whole = followed.measured(loss)
    kind = type(followed.module).__name__
    reach = tuple(_reach(one if is_back(row) else one.flip(0)) for row, one in zip(rows, memory, strict=True))
    return TimeProfile(followed.name, kind, rows, gradient, memory, reach, steps, followed.calls, note, whole)


def is_back(row: str) -> bool:
    """Whether a row of a `TimeProfile` reads the sequence from its end."""
    return row.endswith("backwards")


def _reach(memory: Tensor) -> int | None:
    """Return after how many steps back less than 1/1000 is left; `memory` begins at the last state."""
    if not len(memory) or not bool(memory[0] > 0):
        return None
    gone = (memory < REACH * memory[0]).nonzero()
    return int(gone[0]) if len(gone) else None


def time_finding(profile: TimeProfile) -> Finding | None:
    """Return a finding if the gradient explodes along time, the state is detached, or memory is short.

    A loss of every step sums many gradients at the early states, which grows too; so the growth must also show in
    `memory`.
    """
    grown = [_growth(profile, row) for row in range(len(profile.rows))]
    worst = max(grown, key=lambda one: one[0], default=(0.0, 0))
    if worst[0] >= DECADES[0]:
        return _exploding(profile, grown.index(worst), *worst)
    if profile.whole > profile.steps:
        return _detached(profile)
    reach = [one for one in profile.reach if one is not None]
    if not reach or len(reach) < len(profile.reach) or max(reach) > _MOSTLY * profile.steps or _reads_all(profile):
        return None
    message = (
        f"{profile.name} reaches {max(reach)} of {profile.steps:,} time steps: of a change further back, under 1/1000 "
        "is left in its last state"
    )
    evidence = {"layer": profile.name, "steps": profile.steps, "reach": list(profile.reach), "share": REACH}
    return Finding("along time", "info", message, evidence, action=_longer(profile))


def _reads_all(profile: TimeProfile) -> bool:
    """Whether the loss reads states that the last one has forgotten: each step then learns from what is near it."""
    for row, reach, gradient in zip(profile.rows, profile.reach, profile.gradient, strict=True):
        sizes = (gradient if is_back(row) else gradient.flip(0)).nan_to_num(0.0)
        if bool(sizes[reach:].max() > REACH * sizes.max()):
            return True
    return False


def _longer(profile: TimeProfile) -> str:
    """Return what to do if a longer memory is needed, which no pass can tell."""
    gated = any(one in profile.kind for one in ("LSTM", "GRU"))
    cell = _OPEN if gated else f"weight_hh drawn by nn.init.orthogonal_, or an LSTM or a GRU with {_OPEN}"
    return (
        f"Nothing, unless it has to remember for longer: then {cell}, fewer and longer steps, or a mean or attention "
        "over all its states in place of the last one."
    )


def _detached(profile: TimeProfile) -> Finding:
    often = "at every step" if profile.steps == 1 else "on the way"
    message = (
        f"the state of {profile.name} is detached {often}: of {profile.whole:,} time steps, no gradient reaches "
        f"further back than {counted(profile.steps, 'step')}"
    )
    evidence = {"layer": profile.name, "steps": profile.whole, "reach": [profile.steps]}
    action = "Nothing, if this is intended, to save memory; otherwise leave the detach out, or detach less often."
    # Detached at every step, nothing is learned along time at all.
    return Finding("along time", "warning" if profile.steps == 1 else "info", message, evidence, action=action)


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
        "Clip the gradient, and make weight_hh smaller or orthogonal (of singular values 1); an LSTM or a GRU bounds "
        "its states."
    )
    severity: Severity = "error" if decades >= DECADES[1] else "warning"
    return Finding("exploding along time", severity, message, evidence | {"thresholds": DECADES}, action=action)


def _growth(profile: TimeProfile, row: int) -> tuple[float, int]:
    """Return the decades by which a row's gradient grows back in time, and the number of steps."""
    both = profile.memory[row], profile.gradient[row]
    own, loss = map(_rise, both if is_back(profile.rows[row]) else [one.flip(0) for one in both])
    return min(own, loss) if loss is not None and own is not None else own or (0.0, 0)


def _rise(values: Tensor) -> tuple[float, int] | None:
    """Return the largest rise in decades, and its number of steps; None if no value is positive and finite."""
    lowest, best = None, (0.0, 0)
    logs = [(k, math.log10(v)) for k, v in enumerate(values.tolist()) if math.isfinite(v) and v > 0]
    for k, log in logs:
        if lowest is None or log < lowest[1]:
            lowest = k, log
        best = max(best, (log - lowest[1], k - lowest[0]))
    return best if logs else None
