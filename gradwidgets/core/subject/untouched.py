"""A block of work that leaves no trace, however it ends."""

from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.copied.copies import Copies
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.held.process import Process
from gradwidgets.core.subject.settings import EndsTwice


class Untouched(EndsTwice):
    """Puts back, at its end, whatever was changed inside.

    An interrupt may come at any line, those that put back included: `with Untouched(model) as block, block.again():`.

    Args:
        *roots: What must be as it was: modules, functions, data.
        held: What must be as it was, where that is known from an earlier block.

    Attributes:
        restored: What was put back, in words, after the end.
        changed: What could not be put back, in words, after the end.
    """

    def __init__(self, *roots: object, held: Held | None = None) -> None:
        self._roots, self._known = roots, held
        self._copies: Held | None = None
        self._copied: Copies | None = None
        self.restored: list[str] = []
        self.changed: list[str] = []
        self._ended = False

    def __enter__(self) -> "Untouched":
        """Hold everything."""
        self._process = Process()
        if self._known is not None:
            self._known.refresh()
        self._held = self._known or Held(*self._roots)
        return self

    def note(self, *copies: object) -> None:
        """Tell in the certificate what is changed on copies too; they are put back as well."""
        self._copies = Held(*copies, outside=False)

    def watch(self, clone: Clone) -> None:
        """Tell in the certificate what is changed on copies, which are thrown away and not put back."""
        self._copied = Copies(self._held, clone.copy_of)

    def end(self) -> None:
        """Put everything back, unless that is done."""
        if self._ended:
            return
        settings = self._process.put_back()
        if self._copies is not None:
            self.restored += self._copies.restore()
        if self._copied is not None:
            self.restored += self._copied.changed()
        things = self._held.restore()
        if things:  # what goes with them may flip a setting as it goes
            settings += [words for words in self._process.put_back() if words not in settings]
        self.restored += things + settings
        self.changed = self._held.differences() + self._process.differences() if self.restored else []
        self._ended = True

    @property
    def certificate(self) -> Certificate:
        """The proof, after the end."""
        return self._held.certificate(self.restored, self.changed, self._process)
