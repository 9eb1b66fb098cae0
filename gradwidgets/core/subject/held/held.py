"""A record of everything reachable from the user's objects, to be compared and restored."""

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator

import torch
from torch import Tensor

from gradwidgets.core.subject.held.bits import Digest, Piece, as_bytes, bits_of, write
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.held.parts import Contents
from gradwidgets.core.subject.held.process import Process
from gradwidgets.core.subject.held.reached import Reached
from gradwidgets.core.subject.held.tensors import HeldTensor, writable

_LAZY_BYTES = 1 << 22  # size of a model's copy up to which it is kept for a fingerprint not yet requested


class Held:
    """A record of modules, parameters, gradients, buffers, modes, hooks, attributes, and containers at any depth.

    Args:
        *roots: Modules, functions or other objects.
        outside: Whether to include the globals that functions use, and attributes of classes.
        but: Ids of objects that are traversed but not recorded.

    Attributes:
        reached: The objects recorded.
        bits: The tensors' original bits.
        not_compared: What cannot be inspected: tensors without data of their own, objects of libraries.
        text: The original state other than tensors, as text.
    """

    def __init__(self, *roots: object, outside: bool = True, but: Collection[int] = ()) -> None:
        self.reached = Reached(*roots, outside=outside, but=but)
        self._read()

    def _read(self) -> None:
        self.bits = list(bits_of(self._numbered()))
        self._sizes = [span for piece in self.bits for span in piece.spans]
        known = {label for label, _ in self._sizes}
        unseen = [f"{label} ({kind})" if label else kind for label, kind in self.reached.opaque.items()]
        self.not_compared = (*(label for label, _ in self._numbered() if label not in known), *unseen)
        self.text = self._describe()

    def _numbered(self) -> Iterator[tuple[str, Tensor]]:
        return ((held.label, held.tensor) for held in self.tensors())

    def tensors(self) -> list[HeldTensor]:
        """All tensors, gradients first, since a restored gradient must fit its parameter."""
        return [*self.reached.gradients, *self.reached.tensors]

    def refresh(self) -> None:
        """Record the current state as the original one; objects added since are not included."""
        self.reached.classes.refresh()
        self.reached.empty.refresh()
        for part in self.reached.parts:
            part.refresh()
        for held in self.tensors():
            held.refresh()
        self._read()

    def restore(self) -> list[str]:
        """Restore whatever has changed; return what that was, in words. May be called again."""
        restored = [*self.reached.classes.put_back(), *self.reached.empty.put_back()]
        restored += [word for part in self.reached.parts if part.changed() for word in part.put_back()]
        restored += [word for held in self.tensors() if held.changed() for word in held.put_back()]
        if not self._same_bits():
            restored += self._numbers_put_back()
        for held in self.tensors():
            held.put_version()
        return restored

    def _same_bits(self) -> bool:
        """Whether the tensors' bits are unchanged, compared piece by piece."""
        return all_same(self.bits, bits_of(self._numbered(), copy=False))

    def _numbers_put_back(self) -> Iterator[str]:
        tensors = dict(self._numbered())
        for label, before in self.differing(tensors):
            with writable(tensors[label]):
                write(tensors[label], before)
            yield label

    def differing(self, tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Yield those of some tensors, by label, whose bits differ from the recorded ones, with the latter."""
        for piece in self.bits:
            held, start = piece.words.view(torch.uint8), 0
            for label, size in piece.spans:
                before, now = held[start : start + size], as_bytes(tensors[label])
                start += size
                if now is not None and not torch.equal(now, before):
                    yield label, before

    def differences(self) -> list[str]:
        """What has changed, in words; nothing is restored."""
        found = [*self.reached.classes.changed(), *self.reached.empty.changed()]
        found += [part.place.words for part in self.reached.parts if part.changed()]
        found += [held.label for held in self.tensors() if held.changed()]
        return found if self._same_bits() else [*found, "numbers"]

    def put_back(self) -> Certificate:
        """Restore what has changed, compare everything with the record, and certify it."""
        restored = self.restore()
        return self.certificate(restored, self.differences() if restored else [])

    def compare(self) -> Certificate:
        """Compare everything with the record and certify it; nothing is restored."""
        return self.certificate((), self.differences())

    def certificate(
        self, restored: Iterable[str], changed: Iterable[str], process: Process | None = None
    ) -> Certificate:
        """Make a certificate of what was found.

        Args:
            restored: What was restored.
            changed: What has changed.
            process: The process's settings, if they were compared too.
        """
        restored, changed = (tuple(dict.fromkeys(words)) for words in (restored, changed))
        random = "" if process is None else hashlib.sha256(process.random_bits()).hexdigest()
        before = Digest(self.bits, self.text + random)
        after = before if not changed else Digest(bits_of(self._numbered()), self._describe() + random)
        if self.size > _LAZY_BYTES:
            before(), after()
        return Certificate(
            not changed,
            before,  # type: ignore[arg-type]  # a text once it is read, see `_Fingerprint`
            after,  # type: ignore[arg-type]
            self._compared(process),
            restored,
            changed,
            self.not_compared,
        )

    @property
    def size(self) -> int:
        """The number of bytes of tensor data recorded."""
        return sum([size for _, size in self._sizes])

    def _compared(self, process: Process | None) -> dict[str, int]:
        reached = self.reached
        return {
            "modules": len(reached.modules),
            "tensors": len(reached.tensors),
            "gradients": len(reached.gradients),
            "bytes": self.size,
            "hooks": sum([len(one.before) for one in self._hooks()]),
            "attributes and containers": len(reached.parts) + len(reached.empty) + len(reached.classes),
            "random generators": 0 if process is None else process.generators,
            "settings": 0 if process is None else process.count,
        }

    def _hooks(self) -> list[Contents]:
        """The dictionaries of hooks."""
        return [p for p in self.reached.parts if isinstance(p, Contents) and p.place.attribute.endswith("_hooks")]

    def _describe(self) -> str:
        """The state other than tensors, as text."""
        modes = "".join(["t" if module.training else "e" for _, module in self.reached.modules])
        hooks = [(one.place.label, one.place.attribute, len(one.held)) for one in self._hooks()]
        trained = "".join(["g" if held.tensor.requires_grad else "f" for held in self.reached.tensors])
        return f"{modes} {hooks} {trained} {self._sizes} "


def all_same(held: Iterable[Piece], now: Iterable[Piece]) -> bool:
    """Whether two sequences of bits are equal."""
    return all(a is not None and a.same(b) for a, b in itertools.zip_longest(held, now))
