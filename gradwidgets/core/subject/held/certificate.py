"""The proof that the user's model is unchanged."""

from dataclasses import dataclass

from gradwidgets.core.results.result import Result
from gradwidgets.core.subject.held.bits import Digest


class _Fingerprint:
    """A string field that may be set to a `Digest`, which is evaluated when the field is first read."""

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
    """The proof that a model is unchanged.

    A model runs as a copy. Nevertheless, everything reachable from the model and its loss is compared before and
    after, bit by bit: modules and their classes, parameters, buffers, gradients, hooks on modules and on tensors,
    attributes, containers at any depth, what closures and functions hold, random generators, settings of the process.
    The fingerprints are SHA-256 digests of the tensors' bits, modes, hooks and random state. Those of small models
    (up to 4 MB) are computed when they are first read, from the copy that was compared.

    Attributes:
        unchanged: Whether all that was compared is as before, now that changes have been undone. It says nothing about
            what `not_compared` lists.
        before: The fingerprint before the pass.
        after: The fingerprint after it.
        compared: The number of items of each kind that was compared: modules, tensors, gradients, bytes, hooks,
            attributes and containers, random generators, settings of the process.
        put_back: What the pass changed and what was restored, on the copy or elsewhere, in words: running statistics, a
            mode, a random generator.
        changed: What could not be restored; empty if `unchanged`.
        not_compared: What cannot be inspected: tensors without data of their own (lazy, meta), objects of libraries
            (files, locks), with the place where each was found.
    """

    unchanged: bool
    before: str = _Fingerprint()  # type: ignore[assignment]  # no default, as it says itself
    after: str = _Fingerprint()  # type: ignore[assignment]
    compared: dict[str, int]  # type: ignore[misc]  # comes after no default
    put_back: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
