"""A training as it is met in the field, small, with what is right to say of its record."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from gradwidgets.core.results.finding import Finding

STEPS = 120


@dataclass(frozen=True, eq=False)
class Training:
    """A training with its monitor.

    Attributes:
        name: Short, and no other's.
        right: What is right to say, or why nothing is wrong.
        run: Trains, and gives the findings of the record.
        findings: Names of which at least one must be a warning or an error; none for a clean training, which gets no
            warning and no error at all.
        words: What must stand in the message or the action of the first of them; "a|b" is one or the other.
        leads: Whether that one must be the first of all warnings and errors, as a cause is.
        never: Names of findings, and words, that no warning and no error may have.
    """

    name: str
    right: str
    run: Callable[[], list[Finding]]
    findings: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    leads: bool = False
    never: tuple[str, ...] = ()


def shortfall(training: Training, findings: list[Finding]) -> str:
    """What falls short of what is right, in a sentence; "" where nothing does."""
    blamed = [one for one in findings if one.severity in ("warning", "error")]
    if not training.findings:
        return f"a clean training is blamed: {'; '.join(map(str, blamed))}" if blamed else ""
    named = [one for one in (blamed[:1] if training.leads else blamed) if one.name in training.findings]
    text = " ".join(map(str, named)).lower()
    missing = [] if named else [" or ".join(sorted(training.findings))]
    missing += [repr(one) for one in training.words if not any(word.lower() in text for word in one.split("|"))]
    said = " ".join(map(str, blamed)).lower()
    missing += [f"silence on {one!r}" for one in training.never if one.lower() in said]
    return f"{' and '.join(missing)} missing: {'; '.join(map(str, findings))}" if missing else ""


@cache
def digits() -> tuple[Tensor, Tensor]:
    """1,797 pictures of 8 × 8 as rows from 0 to 1, and the digits that they show."""
    data = load_digits()
    return torch.tensor(data.data, dtype=torch.float32) / 16, torch.tensor(data.target)


def mlp(*sizes: int, act: type[nn.Module] = nn.ReLU, norm: type[nn.Module] | None = None) -> nn.Sequential:
    """Linear layers, behind each but the last a norm, if any, and an activation."""
    parts: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        parts += [nn.Linear(wide, narrow), *([norm(narrow)] if norm else []), act()]
    return nn.Sequential(*parts[: -2 if norm else -1])


def plain() -> nn.Sequential:
    """The model of most trainings here."""
    return mlp(64, 48, 32, 10)


def cross_entropy(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Of the model's logits."""
    return F.cross_entropy(model(inputs), labels)


def sgd(lr: float, **settings) -> Callable:
    """Makes that optimizer."""
    return lambda parameters: torch.optim.SGD(parameters, lr, **settings)


def adam(lr: float, **settings) -> Callable:
    """Makes that optimizer."""
    return lambda parameters: torch.optim.Adam(parameters, lr, **settings)


def rows_of(some: object, step: int, size: int) -> Tensor:
    """A batch's rows, drawn at random."""
    return torch.randint(len(some), (size,))


def train(
    make: Callable[[], nn.Module] = plain,
    optimizer: Callable = lambda parameters: torch.optim.SGD(parameters, 0.1),
    loss: Callable = cross_entropy,
    *,
    steps: int = STEPS,
    size: int = 32,
    micro: int = 1,
    zero: Callable | None = lambda optimizer, step: optimizer.zero_grad(),
    before_step: Callable = lambda model, optimizer, step: None,
    after_step: Callable = lambda model, optimizer, step: None,
    schedule: Callable | None = None,
    changed: Callable = lambda loss, model, step: loss,
    held: Callable = lambda model: model.parameters(),
    data: Callable = digits,
    rows: Callable = rows_of,
    given: bool = True,
    told: bool = True,
    every: int = 4,
    updates: bool = True,
    seldom: bool = False,
    noted: Callable = Tensor.detach,
    expected: Callable | None = None,
    **known: object,
) -> list[Finding]:
    """Train on digits, watched, and say what the record says.

    Args:
        make: Gives the model.
        optimizer: Makes one of the parameters.
        loss: Of model, inputs and labels.
        steps: How many.
        size: Of a batch.
        micro: Batches whose gradients are added up for a step.
        zero: Takes the gradients away, after the step; None where that is forgotten.
        before_step: What is done between the backward pass and the step.
        after_step: What is done after it.
        schedule: Makes a scheduler of the optimizer.
        changed: What becomes of a loss.
        held: Gives the parameters that the optimizer gets.
        data: Gives inputs and labels.
        rows: Gives a batch's rows, of the data, the step and the size.
        given: Whether the monitor is told the optimizer.
        told: Whether it is told the labels.
        every: Steps from sample to sample.
        updates: Whether the steps' lengths are recorded.
        seldom: Whether the monitor is left to itself, which samples as its budget allows and no activations.
        noted: What is noted of a loss: its value, or itself with its graph.
        expected: Gives what the monitor is told to expect.
        known: See `diagnose_record`.
    """
    torch.manual_seed(0)
    model = make()
    inputs, labels = data()
    steps_of = optimizer(list(held(model)))
    scheduled = schedule(steps_of) if schedule else None
    watch = {} if seldom else {"every": every, "activations": True, "updates": updates}
    with GradientMonitor(model, steps_of if given else None, **watch) as monitor:
        if expected:
            monitor.expect(*expected())
        for step in range(steps):
            for _ in range(micro):
                some = rows(inputs, step, size)
                if told:
                    monitor.note_targets(labels[some])
                value = changed(loss(model, inputs[some], labels[some]), model, step)
                (value / micro).backward()
            monitor.note_loss(noted(value))
            monitor.note_batch(step)
            before_step(model, steps_of, step)
            steps_of.step()
            if zero:
                zero(steps_of, step)
            after_step(model, steps_of, step)
            if scheduled:
                scheduled.step()
    return diagnose(monitor.history, losses=monitor.losses, **known)


def watched(
    model: nn.Module, one_step: Callable, steps: int = STEPS, optimizer=None, every: int = 4, seldom: bool = False
) -> list[Finding]:
    """Train with a step of its own, `one_step(step)`, which gives the loss, and say what the record says."""
    watch = {} if seldom else {"every": every, "activations": True, "updates": True}
    with GradientMonitor(model, optimizer, **watch) as monitor:
        for step in range(steps):
            monitor.note_loss(one_step(step))
    return diagnose(monitor.history, losses=monitor.losses)


def looped(
    model: nn.Module, loss: Callable, steps: int = STEPS, *optimizers: torch.optim.Optimizer, **watch: object
) -> list[Finding]:
    """Train on `loss(step)` by all of these optimizers, of which the monitor is told where it is one alone."""

    def one_step(step: int) -> Tensor:
        value = loss(step)
        model.zero_grad()
        value.backward()
        for one in optimizers:
            one.step()
        return value.detach()

    told = optimizers[0] if len(optimizers) == 1 else None
    return watched(model, one_step, steps, **{"optimizer": told} | watch)


def of_digits(model: nn.Module, size: int = 32) -> Callable:
    """The cross-entropy of a batch at random, step by step."""
    inputs, labels = digits()

    def loss(step: int) -> Tensor:
        some = rows_of(inputs, step, size)
        return cross_entropy(model, inputs[some], labels[some])

    return loss


def clipped(limit: float) -> Callable:
    """Clips the whole gradient's norm."""
    return lambda model, optimizer, step: nn.utils.clip_grad_norm_(model.parameters(), limit)


def frozen(model: nn.Module, *parts: int) -> nn.Module:
    """The model, some of its parts not to be trained."""
    for part in parts:
        model[part].requires_grad_(False)
    return model


class Gru(nn.Module):
    """A picture read row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.GRU(8, 24, batch_first=True)
        self.out = nn.Linear(24, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of the last row's state."""
        return self.out(self.rows(inputs.reshape(-1, 8, 8))[0][:, -1])


class Grey(nn.Module):
    """A vector for each of seventeen shades."""

    def __init__(self, *, sparse: bool = False) -> None:
        super().__init__()
        self.shades = nn.Embedding(17, 8, sparse=sparse)
        self.out = nn.Linear(512, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        return self.out(self.shades((inputs * 16).long()).flatten(1))


def convolutions() -> nn.Sequential:
    """Two of them."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10),
    )  # fmt: skip


def adversaries(
    *, forget: str = "", never: str = "", steps: int = STEPS, in_place: bool = False, critics: int = 1
) -> list[Finding]:
    """A generator and a critic with an optimizer each.

    Args:
        forget: Whose gradients are never taken away.
        never: Whose optimizer never steps.
        steps: How many.
        in_place: Whether the gradients' memory is kept and filled with zeros.
        critics: Turns of the critic for each of the maker.
    """
    torch.manual_seed(0)
    inputs, _ = digits()
    model = nn.ModuleDict({"maker": mlp(8, 32, 64), "critic": mlp(64, 32, 1)})
    optimizers = {name: torch.optim.Adam(part.parameters(), 1e-3) for name, part in model.items()}
    true, false = torch.ones(32, 1), torch.zeros(32, 1)

    def turn(name: str, loss: Callable) -> Tensor:
        if name != forget:
            optimizers[name].zero_grad(set_to_none=not in_place)
        value = loss()
        value.backward()
        if name != never:
            optimizers[name].step()
        return value.detach()

    def one_step(step: int) -> Tensor:
        made = model["maker"](torch.randn(32, 8))
        real, binary = inputs[rows_of(inputs, step, 32)], F.binary_cross_entropy_with_logits
        critic = model["critic"]
        for _ in range(critics):
            turn("critic", lambda: binary(critic(real), true) + binary(critic(made.detach()), false))
        return turn("maker", lambda: binary(critic(made), true))

    return watched(model, one_step, steps, every=3)
