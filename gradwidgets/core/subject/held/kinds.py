"""Which objects are inspected when the user's objects are recorded or copied, and which are treated as opaque."""

import enum
import numbers
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import torch

# Immutable objects, or ones whose inner state does not matter.
ATOMIC = frozenset(
    {
        type(None),
        type(Ellipsis),
        type(NotImplemented),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        range,
        slice,
        type,
        property,
        types.CodeType,
        types.ModuleType,
        types.WrapperDescriptorType,
        types.MethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
        types.MappingProxyType,
        torch.dtype,
        torch.device,
        torch.layout,
        torch.memory_format,
        torch.Size,
    }
)
UNKNOWN: Any = object()  # the copy of what was not copied
PROXIES = frozenset({weakref.ProxyType, weakref.CallableProxyType})  # which pretend to be their referents
_OPAQUE = frozenset(
    {
        *sys.stdlib_module_names,
        *("torch", "numpy", "matplotlib", "pandas", "scipy", "sklearn", "PIL"),
        *("IPython", "ipykernel", "ipywidgets", "ipympl", "anywidget", "traitlets", "comm", "zmq", "tornado"),
        *("_pytest", "pytest", "hypothesis", "gradwidgets"),
    }
) - {"__main__"}
_VALUES = frozenset(
    {"re", "pathlib", "datetime", "decimal", "fractions", "uuid", "typing", "types", "numpy", "operator"}
)
_OPEN = ("torch.nn.", "torch.optim.", "torch.utils.hooks")
_OPEN_KINDS = frozenset({types.SimpleNamespace})


def root_of(thing: object) -> str:
    """The top-level package of a class or a function."""
    return str(getattr(thing, "__module__", None) or "").partition(".")[0]


def is_opaque(kind: type) -> bool:
    """Whether objects of a class are opaque: those of libraries, except torch's modules and their parts."""
    if kind in _OPEN_KINDS or str(kind.__module__).startswith(_OPEN):
        return False
    return root_of(kind) in _OPAQUE or issubclass(kind, type)


def may_change(thing: object) -> bool:
    """Whether an opaque object of a library may have changed unnoticed."""
    kind = type(thing)
    if isinstance(thing, (type, weakref.ref, enum.Enum, numbers.Number)) or kind.__module__ in _VALUES:
        return False
    return kind.__module__ != "builtins" or hasattr(thing, "__next__") or hasattr(thing, "send")


def is_library(function: Callable[..., object]) -> bool:
    """Whether a function belongs to a library, whose globals are not inspected."""
    return root_of(function) in _OPAQUE


def names_in(code: types.CodeType) -> set[str]:
    """The global names that a function's code reads or writes, including those of inner functions."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= names_in(constant)
    return names
