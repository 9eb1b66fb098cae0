"""One trial: a model of the zoo, an analysis, a way to go wrong; and what the judge says to it."""

import contextlib
import dataclasses
import re
import signal
import time
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from tests.hardening import zoo_settings
from tests.hardening.cases import Case, Entry
from tests.hardening.interrupts import Clock, Tally, Tracer
from tests.hardening.judge import Snapshot, reading
from tests.hardening.undo import undone

ALLOWED = (ValueError, TypeError)
REWRITES = ("apply_in_place and undo",)  # whose word it is to write the model's numbers


@dataclass(frozen=True)
class Way:
    """How a run is disturbed.

    Attributes:
        kind: "normal"; "forward", "loss" or "backward", which raise at their nth call; "line" or "entry", where a
            signal comes at the nth place; "clock", where it comes at a time.
        share: Which place, as a share of all that a run has, 0 ≤ share < 1.
        at: Or its number.
        error: What is raised.
    """

    kind: str = "normal"
    share: float = 0.0
    at: int = 0
    error: type[BaseException] = KeyboardInterrupt

    def place(self, count: int) -> int:
        return self.at or 1 + int(self.share * count)


NORMAL = Way()
SIGNALS = ("line", "entry", "clock")


@dataclass
class Verdict:
    """What came of a trial; all well where it has no faults."""

    entry: str
    analysis: str
    way: Way
    outcome: str = ""
    where: str = ""
    left: list[str] = field(default_factory=list)  # traces
    rewritten: list[str] = field(default_factory=list)  # tensors that were written and hold the same numbers again
    crashed: str = ""  # an outcome that is not allowed
    lied: str = ""  # a certificate that says unchanged of what is not
    again: str = ""  # the second run differs from a fresh one
    lost: str = ""  # the interrupt never came out

    def excuse(self, beyond: str) -> None:
        """Forgive what a model does to what is not its own: there only a false certificate is a fault."""
        if beyond and not self.lied:
            self.left, self.rewritten, self.again = [], [], ""
        if beyond == "the process":
            self.left, self.lied, self.again = [], "", ""

    @property
    def faults(self) -> list[str]:
        return [
            *self.left,
            *self.rewritten,
            *[f"{k}: {v}" for k in ("crashed", "lied", "again", "lost") if (v := getattr(self, k))],
        ]

    def __str__(self) -> str:
        how = f"{self.way.kind} {self.where}".strip()
        return f"{self.entry} × {self.analysis} × {how} → {self.outcome}: " + "; ".join(self.faults[:4])


class Tapped(nn.Module):
    """A model whose calls are counted."""

    def __init__(self, inner: nn.Module, tally: Tally) -> None:
        super().__init__()
        self.inner, self.tally = inner, tally
        self.__dict__["training"] = inner.training  # `train()` would change the modes inside

    def forward(self, *args, **kwargs):
        self.tally.met("forward")
        out = self.inner(*args, **kwargs)
        for leaf in pytree.tree_leaves(out):
            if isinstance(leaf, torch.Tensor) and leaf.requires_grad:
                leaf.register_hook(lambda grad: self.tally.met("backward"))
        return out


def tapped(case: Case, tally: Tally) -> Case:
    """The same case, its calls counted."""

    def loss(output, targets):
        tally.met("loss")
        return case.loss_fn(output, targets)

    return Case(Tapped(case.model, tally), case.inputs, case.targets, loss, {**case.also, "own": case.loss_fn})


def outcome(analysis, case: Case, clock: Clock | None = None) -> tuple[object, object]:
    """The name of the exception that ended it, or None; and the exception or result itself."""
    torch.manual_seed(11)
    try:
        if clock is None:
            result = analysis(case)
        else:  # nowhere else may it ring
            try:
                clock.on()
                result = analysis(case)
            finally:
                clock.off()
    except BaseException as error:
        return type(error).__name__, error
    return None, result


def told_of(ended: tuple[object, object]) -> object:
    """An outcome's numbers, or the name of its exception."""
    with reading():
        return ended[0] or told(ended[1])


def told(value: object) -> object:
    """A result's numbers, as nested tuples; functions and certificates left out."""
    if isinstance(value, torch.Tensor):
        return _numbers(value.detach())
    if dataclasses.is_dataclass(value):
        if type(value).__name__ == "Certificate":
            return "certificate"
        return type(value).__name__, *[told(getattr(value, f.name)) for f in dataclasses.fields(value)]
    if isinstance(value, dict):
        return tuple((key, told(one)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(told, value))
    return value if isinstance(value, (int, float, str, bool, type(None))) else type(value).__name__


def _numbers(tensor: torch.Tensor) -> object:
    if tensor.is_sparse:
        return "sparse", told(tensor._indices()), told(tensor._values())
    if tensor.is_meta or nn.parameter.is_lazy(tensor):
        return str(tensor.dtype)
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return str(tensor.dtype), tuple(tensor.shape), np.asarray(tensor.double() if tensor.is_floating_point() else tensor)


def alike(one: object, two: object) -> bool:
    """Whether two results have the same numbers, to rounding: sums may be made in another order."""
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        return one.shape == two.shape and np.allclose(one, two, 1e-5, 1e-7, equal_nan=True)
    if isinstance(one, float) and isinstance(two, float):
        return bool(np.isclose(one, two, 1e-5, 1e-7, equal_nan=True))
    if isinstance(one, tuple) and isinstance(two, tuple):
        return len(one) == len(two) and all(map(alike, one, two))
    if isinstance(one, str) and isinstance(two, str):
        return re.sub(r"[\d.,−e-]+", "", one) == re.sub(r"[\d.,−e-]+", "", two)
    return type(one) is type(two) and one == two


class Hung(BaseException):
    """A run that does not end. Not an Exception: a loss that raises one is looked at further."""


class Bench:
    """Runs trials; knows what undisturbed runs give, once a pair of model and analysis.

    Args:
        analyses: Functions of a case, by name.
        seconds: A run of an analysis that takes longer is ended; for a heavy model, thirty times as many.
    """

    def __init__(self, analyses: dict, seconds: int = 60) -> None:
        self.analyses, self.seconds = analyses, seconds
        self._expected: dict[tuple[str, str, bool], object] = {}
        self._counts: dict[tuple[str, str, str], int] = {}

    def expected(self, entry: Entry, name: str, tap: bool) -> object:
        key = entry.name, name, tap
        if key not in self._expected:
            with self._guarded(entry):
                case = entry.build()
                self._expected[key] = told_of(outcome(self.analyses[name], tapped(case, Tally()) if tap else case))
        return self._expected[key]

    def places(self, entry: Entry, name: str, kind: str) -> int:
        """How many an undisturbed run has."""
        key = entry.name, name, kind
        if key not in self._counts:
            with self._guarded(entry):
                case, tally = entry.build(), Tally()
                if kind in tally.counts:
                    outcome(self.analyses[name], tapped(case, tally))
                    self._counts[key] = tally.counts[kind]
                else:
                    outcome(self.analyses[name], case)  # what is imported or made once
                    self._counts[key] = self._measured(entry.build(), name, kind)
        return self._counts[key]

    def _measured(self, case: Case, name: str, kind: str) -> int:
        if kind == "clock":
            begin = time.process_time_ns()
            outcome(self.analyses[name], case)
            return (time.process_time_ns() - begin) // 1000
        with Tracer(kind)() as tracer:
            outcome(self.analyses[name], case)
        return tracer.count

    def trial(self, entry: Entry, name: str, way: Way = NORMAL) -> Verdict | None:
        """Do it; None where the run has no such place."""
        verdict = self._trial(entry, name, way)
        if verdict is not None:
            verdict.excuse(entry.beyond)
        return verdict

    def _trial(self, entry: Entry, name: str, way: Way) -> Verdict | None:
        verdict = Verdict(entry.name, name, way)
        tap = way.kind in ("forward", "loss", "backward")
        place = 0
        if way != NORMAL:
            count = self.places(entry, name, way.kind)
            place = way.place(count)
            if place > count:
                return None
        expected = self.expected(entry, name, tap)
        with self._guarded(entry):
            case = entry.build()
            tally = Tally(way.kind, place, way.error) if tap else Tally()
            if tap:
                case = tapped(case, tally)
            tracer = Clock(place) if way.kind == "clock" else Tracer(way.kind, place) if way.kind in SIGNALS else None
            self._judged(case, name, verdict, tracer, (tally, zoo_settings.HELD), expected)
            if way == NORMAL or verdict.left:
                return verdict
            tally.at = 0
            self._again(case, verdict, expected)
        return verdict

    def _again(self, case: Case, verdict: Verdict, expected: object) -> None:
        """The same analysis once more gives what it gives of a fresh model."""
        with undone():
            again = told_of(outcome(self.analyses[verdict.analysis], case))
        if not alike(again, expected):
            verdict.again = f"gives {_where(again, expected)}"

    def _judged(self, case, name, verdict, tracer, ignored, expected) -> None:
        roots = {"model": case.model, "inputs": case.inputs, "targets": case.targets, "loss_fn": case.loss_fn}
        torch.manual_seed(11)  # as `outcome` does
        before = Snapshot({**roots, "also": case.also}, ignored, versions=name not in REWRITES)
        with tracer() if tracer is not None else contextlib.nullcontext():
            ended, result = outcome(self.analyses[name], case, tracer if isinstance(tracer, Clock) else None)
        # The exception is still held, as a notebook holds the last one.
        changed = before.changes()
        verdict.outcome = ended or "a result"
        verdict.left = [words for words in changed if ": version was" not in words]
        verdict.rewritten = [words for words in changed if ": version was" in words] if not verdict.left else []
        verdict.where = tracer.where if tracer is not None else ""
        verdict.crashed = crash(verdict, result)
        if verdict.left and getattr(getattr(result, "certificate", None), "unchanged", False):
            verdict.lied = "the certificate says unchanged"
        heard = isinstance(result, KeyboardInterrupt)
        if verdict.way.kind in SIGNALS and tracer.where and not heard and not tracer.dropped:
            verdict.lost = f"the interrupt at {tracer.where}"
        if verdict.way == NORMAL and not verdict.left:
            self._again(case, verdict, expected)

    @contextlib.contextmanager
    def _guarded(self, entry: Entry):
        """Everything is put right at the end; what hangs is ended."""
        seconds = self.seconds * (30 if entry.heavy else 1)

        def ring(*_):
            raise Hung(f"{seconds} s")

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            with undone():
                signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
                warnings.simplefilter("ignore")  # not by `catch_warnings`, which would put back what the zoo changes
                yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _where(one: object, two: object) -> str:
    """The first place where two results differ."""
    if isinstance(one, tuple) and isinstance(two, tuple) and len(one) == len(two):
        return next((_where(a, b) for a, b in zip(one, two, strict=True) if not alike(a, b)), "")
    return f"{one!s:.100}, a fresh model {two!s:.100}"


def crash(verdict: Verdict, result: object) -> str:
    """What is no allowed outcome, in words."""
    if not isinstance(result, BaseException) or isinstance(result, ALLOWED):
        return ""
    if verdict.way != NORMAL and (
        isinstance(result, KeyboardInterrupt) or str(result).startswith(f"at {verdict.way.kind}")
    ):
        return ""  # what was raised comes through
    if not isinstance(result, Exception) and type(result).__name__ in verdict.entry:
        return ""
    text = " ".join(str(result).split())
    return f"{type(result).__name__}: {text:.100}"
