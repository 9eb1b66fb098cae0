"""What there is to know of an object itself, and what it holds: the words of the judge."""

import collections
import contextlib
import ctypes
import functools
import io
import itertools
import random
import sys
import threading
import types
import weakref

import numpy as np
import torch
from torch import nn

from tests.hardening.tensors import facts_of_storage, facts_of_tensor

PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), torch.dtype, torch.device, torch.layout, range)
OPAQUE = (types.ModuleType, types.CodeType, types.FrameType, type(NotImplemented), torch.autograd.graph.Node)
NOT_OURS = {"torch", "numpy", "builtins", "gradwidgets", "_pytest", "pytest", "matplotlib", "ipywidgets", "traitlets"}
NOT_OURS |= set(sys.stdlib_module_names)
MISSING = "nothing"
# What Python itself keeps at a class (copying an object leaves its class's `__slotnames__`, say), and torch's count of
# all hooks that there ever were.
CACHES = ("__dict__", "__weakref__", "__doc__", "__annotations__", "__annotations_cache__", "_abc_impl")
CACHES += ("__slotnames__", "next_id")


def name_of(thing: object) -> object:
    """How a holder knows what it holds: plain values by value, all else by identity."""
    if type(thing) in weakref.ProxyTypes:
        return f"proxy at {id(thing):x}"
    if isinstance(thing, float):
        return f"float {thing.hex()}"
    if isinstance(thing, PLAIN) and type(thing) in PLAIN:
        return f"{type(thing).__name__} {thing!r}"
    return f"{type(thing).__name__} at {id(thing):x}"


def describe(thing: object, storages: dict) -> tuple[dict[str, object], list[tuple[str, object]]]:
    """An object's own facts, and what it holds with the way there."""
    facts: dict[str, object] = {"class": name_of(type(thing))}
    children: list[tuple[str, object]] = [(" (class)", type(thing))]

    def holds(label: str, child: object, how: str | None = None) -> None:
        facts[label] = name_of(child)
        children.append((label if how is None else how, child))

    if isinstance(thing, torch.Tensor):
        facts |= facts_of_tensor(thing, holds, storages)
    elif isinstance(thing, torch.UntypedStorage):
        facts |= facts_of_storage(thing, storages)
    elif isinstance(thing, type):
        _class(thing, facts, holds)
        return facts, children[1:] if _ours(thing) else []
    elif isinstance(thing, types.FunctionType):
        if not _ours(thing):
            return facts, []
        _function(thing, facts, holds)
    else:
        for kind, look in LOOKS.items():
            if isinstance(thing, kind):
                look(thing, facts, holds)
    _attributes(thing, facts, holds)
    return facts, children


def _ours(thing: object) -> bool:
    return str(getattr(thing, "__module__", None)).split(".")[0] not in NOT_OURS


def _attributes(thing: object, facts: dict, holds) -> None:
    held = _dict_of(thing)
    if held is not None:
        # The dict object itself: code may hold it.
        facts["its attributes, in order"] = " ".join(map(str, held))
        for key, value in list(held.items()):
            holds(f".{key}", value)
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot in ("__dict__", "__weakref__"):
                continue
            descriptor = vars(kind).get(f"_{kind.__name__}{slot}" if slot.startswith("__") else slot)
            if isinstance(descriptor, types.MemberDescriptorType):
                with contextlib.suppress(AttributeError):
                    holds(f".{slot}", descriptor.__get__(thing))


def _dict_of(thing: object) -> dict | None:
    """The attributes, without asking the object's own `__getattr__`."""
    if isinstance(thing, types.FunctionType):
        return thing.__dict__
    if isinstance(thing, torch.jit.ScriptModule):
        return None
    try:
        held = object.__getattribute__(thing, "__dict__")
    except (AttributeError, TypeError):
        return None
    return held if isinstance(held, dict) else None


def _class(thing: type, facts: dict, holds) -> None:
    facts["bases"] = " ".join(map(name_of, thing.__mro__))
    for key, value in list(vars(thing).items()):
        if key not in CACHES:
            holds(f".{key}", value)


def _function(thing, facts: dict, holds) -> None:
    holds(" (code)", thing.__code__)
    holds(" (defaults)", thing.__defaults__)
    holds(" (keyword defaults)", thing.__kwdefaults__)
    for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
        holds(f" (closure's {name} cell)", cell)
    for name in sorted(_names(thing.__code__)):
        if name in thing.__globals__:
            holds(f" (global {name})", thing.__globals__[name])
        else:
            facts[f" (global {name})"] = MISSING


def _names(code: types.CodeType) -> set[str]:
    inner = [_names(one) for one in code.co_consts if isinstance(one, types.CodeType)]
    return set(code.co_names).union(*inner)


def _mapping(thing, facts: dict, holds) -> None:
    keys = (
        collections.OrderedDict.__iter__(thing) if isinstance(thing, collections.OrderedDict) else dict.__iter__(thing)
    )
    facts["its keys, in order"] = " ".join(str(name_of(key)) for key in keys)
    for key, value in list(dict.items(thing)):
        if isinstance(key, PLAIN):
            holds(f"[{key!r}]", value)
        else:
            holds(f"[{name_of(key)}]", value)
            holds(f"[key {name_of(key)}]", key)
    if isinstance(thing, collections.defaultdict):
        holds(".default_factory", thing.default_factory)


def _sequence(thing, facts: dict, holds) -> None:
    facts["length"] = len(thing)
    facts["at most"] = getattr(thing, "maxlen", None)
    for k, value in enumerate(list(thing)):
        holds(f"[{k}]", value)


def _set(thing, facts: dict, holds) -> None:
    for value in list(thing):
        holds(f"{{{name_of(value)}}}", value)


def _array(thing: np.ndarray, facts: dict, holds) -> None:
    facts |= {
        "dtype": str(thing.dtype),
        "shape": thing.shape,
        "strides": thing.strides,
        "address": thing.__array_interface__["data"][0],
        "may be written": thing.flags.writeable,
        "numbers": thing.tobytes() if not thing.dtype.hasobject else "",
    }
    if thing.dtype.hasobject:
        for k, value in enumerate(thing.reshape(-1).tolist()):
            holds(f"[{k}]", value)
    holds(".base", thing.base)


def _cell(thing, facts: dict, holds) -> None:
    try:
        holds(".cell_contents", thing.cell_contents)
    except ValueError:
        facts[".cell_contents"] = MISSING


def _method(thing, facts: dict, holds) -> None:
    holds(".__self__", thing.__self__)
    if isinstance(thing, types.MethodType):
        holds(".__func__", thing.__func__)


def _partial(thing, facts: dict, holds) -> None:
    holds(".func", thing.func)
    holds(".args", thing.args)
    holds(".keywords", thing.keywords)


def _running(thing, facts: dict, holds) -> None:
    frame = thing.gi_frame
    facts["at instruction"] = frame.f_lasti if frame is not None else "its end"
    for key, value in (frame.f_locals if frame is not None else {}).items():
        holds(f"'s local {key}", value)


def _file(thing, facts: dict, holds) -> None:
    facts["closed"] = thing.closed
    with contextlib.suppress(Exception):
        facts["position"] = thing.tell()


def _lock(thing, facts: dict, holds) -> None:
    facts["locked"] = thing.locked()


def _script(thing, facts: dict, holds) -> None:
    facts["training"] = thing.training
    for name, one in [*thing.named_parameters(), *thing.named_buffers()]:
        holds(f".{name}", one)
    for name, one in thing.named_children():
        facts[f"child {name}"] = type(one).__name__


def _descriptor(thing, facts: dict, holds) -> None:
    for key in ("fget", "fset", "fdel", "__func__"):
        if hasattr(thing, key):
            holds(f".{key}", getattr(thing, key))


LOOKS = {
    dict: _mapping,
    (list, tuple, collections.deque): _sequence,
    (set, frozenset): _set,
    np.ndarray: _array,
    types.CellType: _cell,
    (types.MethodType, types.BuiltinMethodType): _method,
    functools.partial: _partial,
    weakref.ref: lambda thing, facts, holds: holds("()", thing()),
    types.GeneratorType: _running,
    io.IOBase: _file,
    type(threading.Lock()): _lock,
    torch.jit.ScriptModule: _script,
    (property, staticmethod, classmethod): _descriptor,
    (bytearray, memoryview): lambda thing, facts, holds: facts.update(bytes=bytes(thing)),
    types.MappingProxyType: lambda thing, facts, holds: _mapping(dict(thing), facts, holds),
    torch.Generator: lambda thing, facts, holds: facts.update(state=bytes(thing.get_state().numpy())),
    random.Random: lambda thing, facts, holds: facts.update(state=repr(thing.getstate())),
    np.random.Generator: lambda thing, facts, holds: facts.update(state=repr(thing.bit_generator.state)),
    np.random.RandomState: lambda thing, facts, holds: facts.update(state=repr(thing.get_state(legacy=False))),
    type(itertools.count()): lambda thing, facts, holds: facts.update(at=repr(thing)),
    nn.Module: lambda thing, facts, holds: facts.update(address=id(thing)),
    ctypes.Array: lambda thing, facts, holds: facts.update(bytes=bytes(thing)),
}
