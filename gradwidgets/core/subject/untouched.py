"""A block of work without side effects, however it ends."""

from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.copied.copies import Copies
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.held.process import Process
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
