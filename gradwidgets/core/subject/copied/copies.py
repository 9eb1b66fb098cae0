"""Changes that a pass made to copies, found by comparison with the originals."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from gradwidgets.core.subject.held.bits import bits_of
from gradwidgets.core.subject.held.held import Held, all_same
from gradwidgets.core.subject.held.kinds import UNKNOWN
from gradwidgets.core.subject.held.parts import MISSING, Attribute, Contents, CopyOf, State, same_items
from gradwidgets.core.subject.held.tensors import HeldTensor


class Copies:
    """Copies of held objects as they were made: with the same values, and copies of the same contents.

    Only the locations of their tensors are recorded; changes are found by comparing the copies with the recorded state
    of their originals.

    Args:
        held: The record of what was copied.
        copy_of: Returns the copy of an object; `UNKNOWN` if there is none.
    """

    def __init__(self, held: Held, copy_of: CopyOf) -> None:
        self._held, self._copy_of = held, copy_of
        self._classes = held.reached.classes.copied(copy_of)
        pairs = [(one, copy_of(one.tensor)) for one in held.tensors()]
        self._tensors = {
            one.label: HeldTensor(one.label, copy) for one, copy in pairs if self._is_copy(one.tensor, copy)
        }

    @staticmethod
    def _is_copy(thing: object, copy: object) -> bool:
        return copy is not UNKNOWN and copy is not thing

    def changed(self) -> list[str]:
        """What has changed since it was copied, in words."""
        found = [*self._classes.changed(), *self._held.reached.empty.copied(self._copy_of).changed()]
        for part in self._held.reached.parts:
            found += self._part(part)
        for one in self._tensors.values():
            found += one.words()
        return [*found, *self._numbers()]

    def _part(self, part: Contents | Attribute | State) -> Iterator[str]:
        original = part.held if isinstance(part, Contents) else part.owner
        copy = self._copy_of(original)
        if not self._is_copy(original, copy):
            return
        if isinstance(part, Contents):
            if not self._is_as_copied(copy, part.before):
                before = self._expected(part.before, copy)
                if not same_items(copy, before):
                    yield from part.words(copy, before)
        elif isinstance(part, State):
            if not part.same(part.get(copy), part.before):
                yield part.place.words
        else:
            before = part.before if part.before is MISSING else self._copy_of(part.before)
            if before is not UNKNOWN and part.of(copy) is not before:
                yield part.place.words

    def _is_as_copied(self, now: Any, before: Any) -> bool:
        """Quick check that a copied dictionary is unchanged, for the many ordinary ones; otherwise look closely."""
        if not isinstance(before, dict) or len(now) != len(before):
            return False
        copy_of = self._copy_of
        for (key, value), (its, here) in zip(before.items(), now.items(), strict=True):
            if its is not key or (here is not value and here is not copy_of(value)):
                return False
        return True

    def _expected(self, before: Any, now: Any) -> Any:
        """The expected contents of a container's copy; where no copy is known, the present content counts."""
        copy_of = self._copy_of
        if isinstance(before, dict):
            pairs = [(copy_of(key), copy_of(value)) for key, value in before.items()]
            return {key: now.get(key) if value is UNKNOWN else value for key, value in pairs}
        copies = [copy_of(one) for one in before]
        if isinstance(before, set):
            return now if UNKNOWN in copies else set(copies)
        return [here if one is UNKNOWN else one for one, here in zip(copies, now, strict=False)] + copies[len(now) :]

    def _numbers(self) -> Iterator[str]:
        pairs = [(one.label, self._copied(one)) for one in self._held.tensors()]
        if all_same(self._held.bits, bits_of(pairs, copy=False)):
            return
        yield from (label for label, _ in self._held.differing(dict(pairs)))

    def _copied(self, held: HeldTensor) -> Tensor:
        copy = self._tensors.get(held.label)
        return held.tensor if copy is None or copy.moved() else copy.tensor
