"""Blocks of work without side effects, however they end."""

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import nn

from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.copied.copies import Copies
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.held.process import Process, eager, put_stance, stance
from gradwidgets.core.subject.settings import EndsTwice


class Untouched(EndsTwice):
    """Restores, at its end, whatever was changed inside.

    An interrupt may come at any line, even while restoring: hence `with Untouched(model) as block, block.again():`.

    Args:
        *roots: What must stay unchanged: modules, functions, data.
        held: What must stay unchanged, if known from an earlier block.

    Attributes:
        restored: After the end, what was restored, in words.
        changed: After the end, what could not be restored, in words.
    """

    def __init__(self, *roots: object, held: Held | None = None) -> None:
        self._roots, self._known = roots, held
        self._copies: Held | None = None
        self._copied: Copies | None = None
        self.restored: list[str] = []
        self.changed: list[str] = []
        self._ended = False

    def __enter__(self) -> "Untouched":
        """Record everything."""
        self._process = Process()
        if self._known is not None:
            self._known.refresh()
        self._held = self._known or Held(*self._roots)
        return self

    def note(self, *copies: object) -> None:
        """Report changes of copies in the certificate too; they are restored as well."""
        self._copies = Held(*copies, outside=False)

    def watch(self, clone: Clone) -> None:
        """Report changes of copies in the certificate; the copies are discarded, not restored."""
        self._copied = Copies(self._held, clone.copy_of)

    def end(self) -> None:
        """Restore everything, unless that is done."""
        if self._ended:
            return
        settings = self._process.put_back()
        if self._copies is not None:
            self.restored += self._copies.restore()
        if self._copied is not None:
            self.restored += self._copied.changed()
        things = self._held.restore()
        if things:  # destroying replaced objects may change a setting
            settings += [words for words in self._process.put_back() if words not in settings]
        self.restored += things + settings
        self.changed = self._held.differences() + self._process.differences() if self.restored else []
        self._ended = True

    @property
    def certificate(self) -> Certificate:
        """After the end, the proof."""
        return self._held.certificate(self.restored, self.changed, self._process)


# The settings that a silent block itself changes, besides the random numbers.
_SET_BY_BLOCK = ("gradient mode", "anomaly mode", "warning filters", "standard output")


class HasStandIn(Protocol):
    """A caller of a function, or of its stand-in.

    Attributes:
        stand_in: What is called instead of the function; None for the function itself.
    """

    stand_in: Callable[..., object] | None


class Owner(Protocol):
    """What makes silent blocks.

    Attributes:
        models: The modules that its function holds.
    """

    models: list[nn.Module]

    def begun(self, block: "SilentBlock") -> None:
        """Called at the start of a block."""

    def ended(self, block: "SilentBlock", printed: str, warned: list[warnings.WarningMessage]) -> None:
        """Called at the end of a block, with what was printed and warned in it."""


class SilentBlock(Untouched):
    """A block in which random numbers are seeded, gradients are on, and nothing is printed or warned."""

    def __init__(self, owner: Owner, fn: Callable[..., object], call: HasStandIn) -> None:
        super().__init__(fn)
        self._owner, self._fn, self._call = owner, fn, call
        self._printed = io.StringIO()
        self._warned: list[warnings.WarningMessage] = []
        self._inference: torch.inference_mode | None = None
        self._stance = stance()

    def begin(self) -> None:
        """Make our own changes; the end undoes them as well."""
        self._inference = torch.inference_mode(False)
        self._inference.__enter__()
        torch.set_grad_enabled(True)
        torch.set_anomaly_enabled(False)  # what is not finite is a result here
        put_stance(eager())  # else the observers of the calls would be compiled too, and cached
        if self._owner.models:
            self._call.stand_in = Clone().of(self._fn)
            self.note(self._call.stand_in)
        sys.stdout = self._printed
        self._warned = warnings.catch_warnings(record=True).__enter__()
        warnings.simplefilter("always")
        self._owner.begun(self)

    def renew(self) -> list[str]:
        """Restore what the function holds; return what had changed, in words."""
        restored = (self._copies or self._held).restore()
        self.restored += restored
        return restored

    def end(self) -> None:
        """Restore everything, unless that is done."""
        if not self._ended:
            with contextlib.suppress(AttributeError):  # it was not entered yet
                if self._inference is not None:
                    self._inference.__exit__(None, None, None)
            self._call.stand_in = None
            put_stance(self._stance)
            self._process.undo(_SET_BY_BLOCK)
            super().end()
            self._owner.ended(self, self._printed.getvalue(), self._warned)

    def certify(self, restored: Iterable[str], changed: Iterable[str]) -> Certificate:
        """The certificate for several blocks, of which this is the last."""
        return self._held.certificate(restored, changed, self._process)
