"""The gradient along time: of recurrent modules, at every step of the sequence.

With h_t a hidden state and L the loss, ∂L/∂h_t over t shows where along a sequence a gradient grows or fades. Where the
loss uses every step it says nothing of memory, as each step has a gradient of its own; so a random vector v at the last
state is followed back as well: ∂(v·h_T)/∂(h_t, c_t), with c_t the cell state of an LSTM.
"""

import contextlib
import math
from dataclasses import dataclass

from torch import Tensor

from gradwidgets.core.layers.passes.passes import Subject, checked, run, without_gradient_hooks
from gradwidgets.core.layers.recurrent.followed import Followed, followed_in
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import counted, number
from gradwidgets.core.subject.home import abroad

# Decades that a gradient may grow along time; beyond the second it is an error.
DECADES = 3.0, 5.0
REACH = 1e-3  # of the gradient at the last state: where less is left, memory ends
_OPEN = "a gate that keeps its state from the start (a bias of 1 or more at an LSTM's forget or a GRU's update gate)"
_MOSTLY = 0.5  # of the time steps: to reach back farther is nothing to speak of


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
        note: Why something was not measured, or what the rows are of; "" for nothing.
        whole: Steps of the longest sequence where its state is detached on the way, so that `steps` are a part of it.
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
    """Run model and loss once more, recurrent modules step by step, and follow the loss back to every state.

    Args:
        subject: A model that may run and be differentiated, as a copy may; whoever calls puts it back afterwards.

    Returns:
        One profile for each `nn.RNN`, `nn.LSTM`, `nn.GRU` that ran, and for each of their cells that ran several times;
        one without numbers, and with a note, for what cannot be taken apart. Empty without such modules.

    Raises:
        FlowError: (a ValueError) The model or the loss raised, or the loss is no real number in a tensor.
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
            return tuple(_profile(one, loss) for one in followed if one.tells)


def _profile(followed: Followed, loss: Tensor) -> TimeProfile:
    rows, gradient, memory, steps, note, whole = followed.measured(loss)
    kind = type(followed.module).__name__
    reach = tuple(_reach(one if is_back(row) else one.flip(0)) for row, one in zip(rows, memory, strict=True))
    return TimeProfile(followed.name, kind, rows, gradient, memory, reach, steps, followed.calls, note, whole)


def is_back(row: str) -> bool:
    """Whether a row of a `TimeProfile` reads the sequence from its end."""
    return row.endswith("backwards")


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
    if profile.whole > profile.steps:
        return _detached(profile)
    reach = [one for one in profile.reach if one is not None]
    if not reach or len(reach) < len(profile.reach) or max(reach) > _MOSTLY * profile.steps:
        return None
    message = (
        f"{profile.name} reaches {max(reach)} of {profile.steps:,} time steps: of a change further back, under 1/1000 "
        "is left in its last state"
    )
    evidence = {"layer": profile.name, "steps": profile.steps, "reach": list(profile.reach), "share": REACH}
    return Finding("along time", "info", message, evidence, action=_longer(profile))


def _longer(profile: TimeProfile) -> str:
    """What to do where what was further back is needed: which steps are, no pass can tell."""
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
    action = "Nothing, if it is meant so, to save memory; else leave the detach out, or do it every so many steps."
    # After every step there is no learning along time at all, and no more memory to save than by a step at a time.
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
    severity = "error" if decades >= DECADES[1] else "warning"
    return Finding("exploding along time", severity, message, evidence | {"thresholds": DECADES}, action=action)


def _growth(profile: TimeProfile, row: int) -> tuple[float, int]:
    """Decades by which a row's gradient grows back in time, and over how many steps."""
    both = profile.memory[row], profile.gradient[row]
    own, loss = map(_rise, both if is_back(profile.rows[row]) else [one.flip(0) for one in both])
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
