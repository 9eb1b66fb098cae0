"""The proof that somebody's model is as it was."""

from dataclasses import dataclass

from gradwidgets.core.results.result import Result
from gradwidgets.core.subject.held.bits import Digest


class _Fingerprint:
    """A certificate's text that may be given as a `Digest`, which is then asked when the text is first read."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, certificate: "Certificate", value: str | Digest) -> None:
        vars(certificate)[self._name] = value

    def __get__(self, certificate: "Certificate | None", owner: type) -> str:
        if certificate is None:
            raise AttributeError(self._name)  # tells dataclasses that there is no default
        value = vars(certificate)[self._name]
        if isinstance(value, Digest):
            value = vars(certificate)[self._name] = value()
        return value


@dataclass(frozen=True, eq=False, repr=False)
class Certificate(Result):
    """The proof that a model is as it was.

    A model runs as a copy. Everything that can be reached from the model and its loss is compared all the same, before
    and after, to the last bit: modules and their classes, parameters, buffers, gradients, hooks on modules and on
    tensors, attributes, containers at any depth, what closures and functions hold, random generators, settings of the
    process. The fingerprints are SHA-256 digests of the tensors' bits, modes, hooks and random numbers. Those of small
    models (up to 4 MB) are worked out when they are first read, from the copy that was compared.

    Attributes:
        unchanged: Whether all that was compared is as before, now that what had changed was put back. It says nothing
            of what `not_compared` lists.
        before: Fingerprint before the pass.
        after: Fingerprint after it.
        compared: How many there are of each kind that was compared: modules, tensors, gradients, bytes, hooks,
            attributes and containers, random generators, settings of the process.
        put_back: What the pass changed, on the copy or beside it, in words: running statistics, a mode, a random
            generator.
        changed: What could not be put back; empty where `unchanged`.
        not_compared: What cannot be seen: tensors without numbers of their own (lazy, meta), objects of libraries
            (files, locks), with the place where each was met.
    """

    unchanged: bool
    before: str = _Fingerprint()  # type: ignore[assignment]  # no default, as it says itself
    after: str = _Fingerprint()  # type: ignore[assignment]
    compared: dict[str, int]  # type: ignore[misc]  # comes after no default
    put_back: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
