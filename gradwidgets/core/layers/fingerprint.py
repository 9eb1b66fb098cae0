"""All of a model that a pass through it may change, held to be compared and put back."""

import copy
import ctypes
import hashlib
import pickle
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradwidgets.core.results import Result

_HOOKS = "_hooks"  # what the names of a module's dictionaries of hooks end with
_CONTAINERS = (dict, list, set)


@dataclass(frozen=True, eq=False, repr=False)
class Certificate(Result):
    """The proof that a model is as it was.

    Everything is compared to the last bit; the fingerprints are SHA-256 digests of what was compared.

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
    before: str
    after: str
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
        self._bits, self._skipped = _bits_of(self._labelled())
        self._sizes = [(label, size) for label, _, _, size in self._bits.spans]
        self._random = _random_states()
        self._text = self._describe()
        self._digest = _digest(self._bits, self._text)

    def _hold(self, name: str, module: nn.Module) -> None:
        attributes = dict(vars(module))
        contents = []
        for key, value in attributes.items():
            if isinstance(value, Tensor):
                self._hold_tensor(f"{name}.{key}", value)
            elif isinstance(value, _CONTAINERS):
                contents.append((key, value, copy.copy(value) if value else None))
                if value:
                    for inner, one in value.items() if isinstance(value, dict) else enumerate(value):
                        if isinstance(one, Tensor):
                            self._hold_tensor(f"{name}.{inner}", one)
        self._attributes.append((name, module, attributes, contents))

    def _hold_tensor(self, label: str, tensor: Tensor) -> None:
        if id(tensor) not in self._tensors:
            # Reading a gradient that is not kept warns.
            gradient = tensor.grad if tensor.is_leaf else None
            self._tensors[id(tensor)] = label.removeprefix("."), tensor, tensor.requires_grad, gradient

    def _labelled(self) -> Iterable[tuple[str, Tensor]]:
        for label, tensor, _, gradient in self._tensors.values():
            yield label, tensor
            if gradient is not None:
                yield f"{label}.grad", gradient

    def put_back(self, *, random_numbers: bool = True) -> Certificate:
        """Restore what has changed, compare all with what was held, and certify it.

        Args:
            random_numbers: Whether the random generators go back too; else they are left where they are.
        """
        restored = [*self._attributes_put_back(), *self._numbers_put_back()]
        if random_numbers:
            restored += self._random_put_back()
        bits, _ = _bits_of(self._labelled()) if restored else (self._after, None)
        return self._certificate(bits, self._describe(random_numbers), tuple(dict.fromkeys(restored)), random_numbers)

    def compare(self) -> Certificate:
        """Compare the models with what was held and certify it; nothing is put back.

        Random generators are left out: whoever else ran in the meantime may have used them.
        """
        now = ModelState(*self._models)
        return self._certificate(now._bits, now._describe(False), (), False)

    def _certificate(self, bits: "_Bits", text: str, restored: tuple[str, ...], random_numbers: bool) -> Certificate:
        held = self._text if random_numbers else self._text.rpartition(" ")[0]
        digest = self._digest if random_numbers else _digest(self._bits, held)
        same_bits = _same_bits(self._bits, bits)
        unchanged = same_bits and text == held
        hooks = sum(len(one) for *_, kept in self._attributes for key, _, one in kept if one and key.endswith(_HOOKS))
        return Certificate(
            unchanged,
            digest,
            digest if unchanged else _digest(bits, text),
            {
                "modules": len(self._attributes),
                "tensors": len(self._tensors),
                "gradients": sum(gradient is not None for *_, gradient in self._tensors.values()),
                "bytes": sum(size for *_, size in self._bits.spans),
                "hooks": hooks,
                "random generators": len(self._random) if random_numbers else 0,
            },
            restored,
            () if unchanged else ("numbers" if not same_bits else "modes, hooks, attributes or random generators",),
            self._skipped,
        )

    def _attributes_put_back(self) -> Iterable[str]:
        for name, module, attributes, contents in self._attributes:
            now = vars(module)
            if now.keys() != attributes.keys() or any(now[key] is not value for key, value in attributes.items()):
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

    def _numbers_put_back(self) -> Iterable[str]:
        for label, tensor, trained, gradient in self._tensors.values():
            if tensor.requires_grad != trained and tensor.is_leaf:
                tensor.requires_grad_(trained)
                yield f"whether {label} is trained"
            if tensor.is_leaf and tensor.grad is not gradient:
                tensor.grad = gradient
                yield f"the gradient of {label}"
        self._after, _ = _bits_of(self._labelled())
        if _same_bits(self._bits, self._after):
            return
        tensors = dict(self._labelled())
        for label, device, start, size in self._bits.spans:
            before = self._bits.flat[device].view(torch.uint8)[start : start + size]
            tensor = tensors[label]
            now = _as_bytes(tensor)
            if now is not None and not torch.equal(now, before):
                _write(tensor, before)
                yield label

    def _random_put_back(self) -> Iterable[str]:
        now = _random_states()
        for name, (state, restore) in self._random.items():
            if not _equal_states(now[name][0], state):
                restore(state)
                yield f"the random numbers of {name}"

    def _describe(self, random_numbers: bool = True) -> str:
        """What is no tensor, as text; the random generators' part stands last."""
        modes = "".join(["t" if module.training else "e" for _, module, *_ in self._attributes])
        hooks = [
            (name, key, len(container))
            for name, *_, contents in self._attributes
            for key, container, _ in contents
            if container and key.endswith(_HOOKS)
        ]
        trained = "".join("g" if tensor.requires_grad else "f" for _, tensor, *_ in self._tensors.values())
        text = f"{modes} {hooks} {trained} {self._sizes}"
        return f"{text} {_random_digest()}" if random_numbers else text


@dataclass(frozen=True)
class _Bits:
    flat: dict[torch.device, Tensor]  # int64, one for each device
    spans: list[tuple[str, torch.device, int, int]]  # label, device, first byte, bytes


def _bits_of(tensors: Iterable[tuple[str, Tensor]]) -> tuple[_Bits, tuple[str, ...]]:
    """Copy tensors' bits, and name those that have none."""
    parts: dict[torch.device, list[Tensor]] = {}
    ends: dict[torch.device, int] = {}
    spans, skipped = [], []
    for label, tensor in tensors:
        part = _as_bytes(tensor)
        if part is None:
            skipped.append(label)
            continue
        device, size = part.device, part.numel()
        parts.setdefault(device, []).append(part)
        start = ends.get(device, 0)
        spans.append((label, device, start, size))
        ends[device] = start + size
    flat = {}
    for device, held in parts.items():
        # Eight bytes at a time are compared seven times as fast.
        held.append(torch.zeros(-ends[device] % 8, dtype=torch.uint8, device=device))
        flat[device] = torch.cat(held).view(torch.int64)
    return _Bits(flat, spans), tuple(skipped)


def _as_bytes(tensor: Tensor) -> Tensor | None:
    if nn.parameter.is_lazy(tensor) or tensor.is_meta:
        return None
    tensor = tensor.detach()
    if tensor.layout is torch.sparse_coo:
        return torch.cat([_as_bytes(tensor._indices()), _as_bytes(tensor._values())])
    if tensor.layout is not torch.strided:
        return None
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    return tensor.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)


def _write(tensor: Tensor, bits: Tensor) -> None:
    with torch.no_grad():
        tensor = tensor.detach()
        if tensor.layout is torch.sparse_coo:
            # Views of the tensor's own: indices stand first.
            indices, values = tensor._indices(), tensor._values()
            size = indices.numel() * indices.element_size()
            _write(indices, bits[:size])
            _write(values, bits[size:])
        elif not tensor.is_quantized:
            # A slice may begin between two elements' places.
            tensor.copy_(bits.clone().view(tensor.dtype).reshape(tensor.shape))


def _same_bits(a: _Bits, b: _Bits) -> bool:
    return a.spans == b.spans and all(torch.equal(a.flat[device], b.flat[device]) for device in a.flat)


def _digest(bits: _Bits, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for flat in bits.flat.values():
        held = flat.cpu()
        digest.update(_memory(held))
    return digest.hexdigest()


def _memory(held: Tensor) -> ctypes.Array:
    """The bytes of a contiguous tensor on the CPU, in place: valid while the tensor is."""
    return (ctypes.c_char * held.nbytes).from_address(held.data_ptr()) if held.nbytes else (ctypes.c_char * 0)()


def _same_contents(now: object, before: object) -> bool:
    if before is None or len(now) != len(before):
        return False
    if isinstance(now, dict):
        return all(key in now and now[key] is value for key, value in before.items())
    if isinstance(now, list):
        return all(a is b for a, b in zip(now, before, strict=True))
    return now == before


def _words(key: str, name: str) -> str:
    whose = name or "the model"
    if key == "training":
        return f"the mode of {whose}"
    return f"the hooks of {whose}" if key.endswith(_HOOKS) else f"{key.removeprefix('_')} of {whose}"


def _random_states() -> dict[str, tuple[object, object]]:
    """The state of every random generator in sight, and what sets it."""
    states: dict[str, tuple[object, object]] = {
        "torch": (torch.get_rng_state(), torch.set_rng_state),
        "python": (random.getstate(), random.setstate),
    }
    numpy = sys.modules.get("numpy")  # only if the model can know it
    if numpy is not None:
        states["numpy"] = numpy.random.get_state(), numpy.random.set_state
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for index in range(torch.cuda.device_count()):
            states[f"cuda:{index}"] = torch.cuda.get_rng_state(index), lambda s, i=index: torch.cuda.set_rng_state(s, i)
    return states


def _random_digest() -> str:
    digest = hashlib.sha256()
    for state, _ in _random_states().values():
        digest.update(_memory(state) if isinstance(state, Tensor) else pickle.dumps(state))
    return digest.hexdigest()


def _equal_states(a: object, b: object) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(_equal_states(x, y) for x, y in zip(a, b, strict=True))
    return bool((a == b).all()) if hasattr(a, "all") else a == b
