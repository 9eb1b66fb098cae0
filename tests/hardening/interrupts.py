"""Ctrl-C at a chosen place: as a signal, so that code which holds signals back for a moment is heard.

Two kinds of places: the nth executed line of a file of gradwidgets, and the nth function that is entered below
one, wherever it is written. The second is where CPython itself looks for signals. Not counted are the lines that leave
a `with` block, where CPython never looks. And a clock, for an interrupt that comes when it likes.
"""

import contextlib
import dis
import functools
import signal
import sys
from pathlib import Path

import gradwidgets

FOLDER = str(Path(gradwidgets.__file__).parent)


@contextlib.contextmanager
def unraised(place):
    """Inside, an interrupt that Python itself drops, in a generator that is collected, say, is `dropped`."""
    before = sys.unraisablehook

    def heard(given) -> None:
        if isinstance(given.exc_value, KeyboardInterrupt):
            place.dropped = True
        else:
            before(given)

    sys.unraisablehook = heard
    try:
        yield
    finally:
        sys.unraisablehook = before


class Tracer:
    """Counts places, and interrupts at one of them.

    Args:
        kind: "line" or "entry".
        at: Which place, from 1 on; 0 for none.

    Attributes:
        count: Places met.
        where: The place of the interrupt, as file:line; "" for none yet.
        dropped: Whether Python dropped the interrupt, which nobody can help.
    """

    dropped = False

    def __init__(self, kind: str, at: int = 0) -> None:
        self.kind, self.at, self.count, self.where = kind, at, 0, ""
        self._inside = 0

    @contextlib.contextmanager
    def __call__(self):
        before = sys.gettrace()
        with unraised(self):
            sys.settrace(self._entered)
            try:
                yield self
            finally:
                sys.settrace(before)

    def _entered(self, frame, event, argument):
        ours = frame.f_code.co_filename.startswith(FOLDER)
        if self.kind == "line":
            return self._line if ours else None
        if ours or self._inside:
            self._met(frame)
        if ours:
            self._inside += 1
            return self._left
        return None

    def _left(self, frame, event, argument):
        if event == "return":
            self._inside -= 1
        return self._left

    def _line(self, frame, event, argument):
        if event == "line" and frame.f_lasti not in exits(frame.f_code):
            self._met(frame)
        return self._line

    def _met(self, frame) -> None:
        self.count += 1
        if self.count == self.at and not self.where:
            self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"
            self.dropped |= _switched_off()
            signal.raise_signal(signal.SIGINT)


@functools.cache
def exits(code) -> frozenset[int]:
    """Where a `with` block is left without an exception: three times None, then the call.

    Where it is left by `return`, what is returned is put below first, and the line begins with that.
    """
    steps = list(dis.get_instructions(code))
    found = set()
    for before, one, two, three, call in zip([None, *steps], steps, steps[1:], steps[2:], steps[3:], strict=False):
        nones = all(step.opname == "LOAD_CONST" and step.argval is None for step in (one, two, three))
        if nones and call.opname in ("PRECALL", "CALL"):
            found |= {one.offset} if before is None or before.opname != "SWAP" else {before.offset, one.offset}
    return frozenset(found)


class Clock:
    """A real Ctrl-C, after some microseconds of work: wherever CPython then looks for signals.

    Args:
        at: Microseconds of processor time; 0 for none.

    Attributes:
        where: "after … µs" once it came.
        dropped: As of a `Tracer`.
    """

    dropped = False

    def __init__(self, at: int = 0) -> None:
        self.at, self.where, self._on = at, "", False

    @contextlib.contextmanager
    def __call__(self):
        before = signal.signal(signal.SIGVTALRM, self._ring)
        try:
            with unraised(self):
                yield self
        finally:
            self.off()
            signal.signal(signal.SIGVTALRM, before)

    def on(self) -> None:
        """The work begins."""
        self._on = True
        signal.setitimer(signal.ITIMER_VIRTUAL, self.at / 1e6)

    def off(self) -> None:
        """The work is done: it need not ring any more."""
        self._on = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _ring(self, *_) -> None:
        if self._on:
            self._on, self.where = False, f"after {self.at} µs"
            self.dropped |= _switched_off()
            signal.raise_signal(signal.SIGINT)


def _switched_off() -> bool:
    """Whether the model's own code has just had interrupts ignored, as nothing of ours does."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


class Tally:
    """Counts calls, and raises at the nth of one kind; all copies of a model share it."""

    def __init__(self, kind: str = "", at: int = 0, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.kind, self.at, self.error, self.counts = kind, at, error, {"forward": 0, "backward": 0, "loss": 0}

    def __deepcopy__(self, memo):
        return self

    def __copy__(self):
        return self

    def __reduce__(self):
        return functools.partial(_the, self), ()

    def met(self, kind: str) -> None:
        self.counts[kind] += 1
        if kind == self.kind and self.counts[kind] == self.at:
            raise self.error(f"at {kind} {self.at}")


def _the(one):
    return one
