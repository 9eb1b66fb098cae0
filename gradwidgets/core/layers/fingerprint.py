"""All of a model that a pass through it may change, held to be compared and put back."""

import copy
import hashlib
import itertools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.bits import Digest, Piece, as_bytes, bits_of, write
from gradwidgets.core.layers.generators import Generator, generators
from gradwidgets.core.results import Result

_HOOKS = "_hooks"  # what the names of a module's dictionaries of hooks end with
_CONTAINERS = (dict, list, set)
_WAITING = 1 << 22  # bytes of a model's copy that may be held for a fingerprint that nobody has asked for
_PLAIN = {bool, int, float, str, tuple, type(None)}  # kinds of attributes that hold nothing to be looked at


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

    Everything is compared to the last bit; the fingerprints are SHA-256 digests of what was compared. Those of small
    models (up to 4 MB) are worked out when they are first read, from the copy that was compared.

    Attributes:
        unchanged: Whether all is as before, now that what had changed was put back.
        before: Fingerprint before the pass.
        after: Fingerprint after it.
        compared: How many there are of each kind that was compared: modules, tensors, gradients, bytes, hooks,
            random generators.
        put_back: What the pass had changed, in words: running statistics, a mode, a random generator.
        changed: What could not be put back; empty where `unchanged`.
        not_compared: Tensors without numbers of their own (lazy, meta).
    """

    unchanged: bool
    before: str = _Fingerprint()
    after: str = _Fingerprint()
    compared: dict[str, int]
    put_back: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()


class ModelState:
    """Parameters, gradients, buffers, modes, hooks, other attributes, and the random generators.

    Attributes of modules are held with what is in their dictionaries, lists and sets, one level deep.

    Args:
        models: The modules to hold.
    """

    def __init__(self, *models: nn.Module) -> None:
        self._models = models
        self._attributes: list[tuple[str, nn.Module, dict, list[tuple[str, object, object]]]] = []
        self._tensors: dict[int, tuple[str, Tensor, bool, Tensor | None]] = {}
        for model in models:
            for name, module in model.named_modules():
                self._hold(name, module)
        self._bits = list(bits_of(self._labelled()))
        self._sizes = [span for piece in self._bits for span in piece.spans]
        known = {label for label, _ in self._sizes}
        self._skipped = tuple([label for label, _ in self._labelled() if label not in known])
        self._random = generators()
        self._text = self._describe(self._random)

    def _hold(self, name: str, module: nn.Module) -> None:
        attributes, contents = vars(module).copy(), []
        for key, value in attributes.items():
            if type(value) in _PLAIN:
                continue
            if isinstance(value, _CONTAINERS):
                contents.append((key, value, copy.copy(value) if value else None))
                if value:
                    for inner, one in value.items() if isinstance(value, dict) else enumerate(value):
                        if isinstance(one, Tensor):
                            self._hold_tensor(f"{name}.{inner}", one)
            elif isinstance(value, Tensor):
                self._hold_tensor(f"{name}.{key}", value)
        self._attributes.append((name, module, attributes, contents))

    def _hold_tensor(self, label: str, tensor: Tensor) -> None:
        if id(tensor) not in self._tensors:
            # Reading a gradient that is not kept warns.
            gradient = tensor.grad if tensor.is_leaf else None
            self._tensors[id(tensor)] = label.removeprefix("."), tensor, tensor.requires_grad, gradient

    def _labelled(self) -> Iterator[tuple[str, Tensor]]:
        for label, tensor, _, gradient in self._tensors.values():
            yield label, tensor
            if gradient is not None:
                yield f"{label}.grad", gradient

    def put_back(self, *, random_numbers: bool = True) -> Certificate:
        """Restore what has changed, compare all with what was held, and certify it.

        Args:
            random_numbers: Whether the random generators go back too; else they are left where they are.
        """
        restored = [*self._attributes_put_back(), *self._gradients_put_back()]
        same_bits, random_now = self._same_bits(), generators() if random_numbers else {}
        restored += [*(() if same_bits else self._numbers_put_back()), *self._random_put_back(random_now)]
        if restored:
            same_bits, random_now = self._same_bits(), generators() if random_numbers else {}
        text = self._describe(random_now)
        return self._certificate(same_bits, bits_of(self._labelled()), text, tuple(dict.fromkeys(restored)), random_now)

    def compare(self) -> Certificate:
        """Compare the models with what was held and certify it; nothing is put back.

        Random generators are left out: whoever else ran in the meantime may have used them.
        """
        now = ModelState(*self._models)
        return self._certificate(_all_same(self._bits, now._bits), now._bits, now._describe({}), (), {})

    def _certificate(
        self,
        same_bits: bool,
        bits: Iterable[Piece],
        text: str,
        restored: tuple[str, ...],
        random_now: dict[str, Generator],
    ) -> Certificate:
        held = self._text if random_now else self._text.rpartition(" ")[0]
        unchanged = same_bits and text == held
        size = sum([size for _, size in self._sizes])
        before = Digest(self._bits, held)
        after = before if unchanged else Digest(bits, text)
        if size > _WAITING:
            before(), after()
        return Certificate(
            unchanged,
            before,
            after,
            {
                "modules": len(self._attributes),
                "tensors": len(self._tensors),
                "gradients": sum([gradient is not None for *_, gradient in self._tensors.values()]),
                "bytes": size,
                "hooks": sum([count for *_, count in self._hooks(before=True)]),
                "random generators": len(self._random) if random_now else 0,
            },
            restored,
            () if unchanged else ("numbers" if not same_bits else "modes, hooks, attributes or random generators",),
            self._skipped,
        )

    def _same_bits(self) -> bool:
        """Whether the tensors hold what they held, read piece by piece."""
        return _all_same(self._bits, bits_of(self._labelled()))

    def _attributes_put_back(self) -> Iterator[str]:
        for name, module, attributes, contents in self._attributes:
            now = vars(module)
            if not _same_items(now, attributes):
                different = [k for k in {**attributes, **now} if now.get(k, now) is not attributes.get(k, now)]
                now.clear()
                now.update(attributes)
                yield from (_words(key, name) for key in different)
            for key, container, before in contents:
                if (container or before is not None) and not _same_contents(container, before):
                    container.clear()
                    if before is not None:
                        container.extend(before) if isinstance(container, list) else container.update(before)
                    yield _words(key, name)

    def _gradients_put_back(self) -> Iterator[str]:
        for label, tensor, trained, gradient in self._tensors.values():
            if tensor.is_leaf:
                if tensor.requires_grad != trained:
                    tensor.requires_grad_(trained)
                    yield f"whether {label} is trained"
                if tensor.grad is not gradient:
                    tensor.grad = gradient
                    yield f"the gradient of {label}"

    def _numbers_put_back(self) -> Iterator[str]:
        tensors = dict(self._labelled())
        for piece in self._bits:
            held, start = piece.words.view(torch.uint8), 0
            for label, size in piece.spans:
                before, tensor = held[start : start + size], tensors[label]
                start += size
                now = as_bytes(tensor)
                if now is not None and not torch.equal(now, before):
                    write(tensor, before)
                    yield label

    def _random_put_back(self, now: dict[str, Generator]) -> Iterator[str]:
        for name, generator in self._random.items():
            if name in now and now[name].bits != generator.bits:
                generator.restore(generator.state)
                yield f"the random numbers of {name}"

    def _hooks(self, before: bool) -> list[tuple[str, str, int]]:
        """Module, kind of its hooks, and how many there are of them, or were."""
        return [
            (name, key, len(held))
            for name, *_, contents in self._attributes
            for key, container, held_before in contents
            if (held := held_before if before else container) and key.endswith(_HOOKS)
        ]

    def _describe(self, generators: dict[str, Generator]) -> str:
        """What is no tensor, as text; the random generators' part stands last."""
        modes = "".join(["t" if module.training else "e" for _, module, *_ in self._attributes])
        trained = "".join(["g" if tensor.requires_grad else "f" for _, tensor, *_ in self._tensors.values()])
        text = f"{modes} {self._hooks(before=False)} {trained} {self._sizes}"
        if not generators:
            return text
        return f"{text} {hashlib.sha256(b''.join([one.bits for one in generators.values()])).hexdigest()}"


def _all_same(held: Iterable[Piece], now: Iterable[Piece]) -> bool:
    return all(a is not None and a.same(b) for a, b in itertools.zip_longest(held, now))


def _same_items(now: dict, before: dict) -> bool:
    return now.keys() == before.keys() and (
        all(map(operator.is_, now.values(), before.values())) or all(now[key] is value for key, value in before.items())
    )


def _same_contents(now: object, before: object) -> bool:
    if before is None or len(now) != len(before):
        return False
    if isinstance(now, dict):
        return _same_items(now, before)
    if isinstance(now, list):
        return all(map(operator.is_, now, before))
    return now == before


def _words(key: str, name: str) -> str:
    whose = name or "the model"
    if key == "training":
        return f"the mode of {whose}"
    return f"the hooks of {whose}" if key.endswith(_HOOKS) else f"{key.removeprefix('_')} of {whose}"
