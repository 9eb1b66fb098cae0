"""Which objects are looked into when somebody's things are held or copied, and which are taken as they are."""

import enum
import numbers
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import torch

# Nothing inside them can change, or nothing of it is anybody's business.
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
PROXIES = frozenset({weakref.ProxyType, weakref.CallableProxyType})  # which pass for what they stand for
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
    """The package that a class or a function is from."""
    return str(getattr(thing, "__module__", None) or "").partition(".")[0]


def is_opaque(kind: type) -> bool:
    """Whether objects of a class are taken as they are: those of libraries, but for torch's modules and their parts."""
    if kind in _OPEN_KINDS or str(kind.__module__).startswith(_OPEN):
        return False
    return root_of(kind) in _OPAQUE or issubclass(kind, type)


def may_change(thing: object) -> bool:
    """Whether something of a library, which is not looked into, may have changed unseen."""
    kind = type(thing)
    if isinstance(thing, (type, weakref.ref, enum.Enum, numbers.Number)) or kind.__module__ in _VALUES:
        return False
    return kind.__module__ != "builtins" or hasattr(thing, "__next__") or hasattr(thing, "send")


def is_library(function: Callable[..., object]) -> bool:
    """Whether a function is a library's, whose own globals are not looked at."""
    return root_of(function) in _OPAQUE


def names_in(code: types.CodeType) -> set[str]:
    """The global names that a function's code reads or writes, those of the functions inside it too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= names_in(constant)
    return names
