"""Process-wide settings that user code may change, and the random state: recorded and restored."""

import decimal
import gc
import locale
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.nn.modules import module as torch_module
from torch.overrides import _get_current_function_mode_stack, _pop_mode
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack
from torch.utils._python_dispatch import _pop_mode as _pop_dispatch_mode

from gradwidgets.core.subject.held.generators import generators

_HOOKS = [name for name, held in vars(torch_module).items() if name.startswith("_global_") and hasattr(held, "items")]
# As Any, since their annotations lack some of the names used here.
_TORCH_DETERMINISTIC: Any = torch.utils.deterministic
_WARNINGS: Any = warnings
_ENVIRON: Any = os.environ
_LOGGERS: Any = logging.root.manager
_AUTOCAST = ("cpu", "cuda")
_MODES_KEYS = torch._C.DispatchKey.Python, torch._C.DispatchKey.PythonTLSSnapshot
_ATTENTION_BACKENDS = [
    name
    for name in ("flash", "mem_efficient", "math", "cudnn", "overrideable", "fa3")
    if hasattr(torch._C, f"_get_{name}_sdp_enabled") and hasattr(torch._C, f"_set_sdp_use_{name}")
]


class Process:
    """A record of the process's current settings.

    Covers torch's default dtype and device, gradient, anomaly and deterministic modes, autocast, threads, precisions,
    backends, print options, global module hooks, active modes; NumPy's error and print settings; warning filters;
    the working directory, the environment, standard output, signals, logging, garbage collection; and the random state.

    Args:
        random_numbers: Whether to record the random generators too.
    """

    def __init__(self, random_numbers: bool = True) -> None:
        self._held = {name: (get(), put) for name, get, put in SETTINGS}
        self._random = generators() if random_numbers else {}

    @property
    def count(self) -> int:
        """The number of settings recorded."""
        return len(self._held)

    @property
    def generators(self) -> int:
        """The number of random generators recorded."""
        return len(self._random)

    def random_bits(self) -> bytes:
        """The original states of the random generators."""
        return b"".join([one.bits for one in self._random.values()])

    def undo(self, names: Iterable[str]) -> None:
        """Restore settings that were changed on purpose, by name, and the random numbers."""
        for name in names:
            value, put = self._held[name]
            put(value)
        for generator in self._random.values():
            generator.restore(generator.state)

    def put_back(self) -> list[str]:
        """Restore what has changed; return what that was, in words."""
        changed = []
        for name, get, _ in SETTINGS:
            before, put = self._held[name]
            if get() != before:
                put(before)
                changed.append(name)
        return changed + list(self._random_put_back())

    def _random_put_back(self) -> Iterator[str]:
        now = generators() if self._random else {}
        for name, generator in self._random.items():
            if name in now and not now[name].same(generator):
                generator.restore(generator.state)
                yield f"the random numbers of {name}"

    def differences(self) -> list[str]:
        """What has changed, in words."""
        changed = [name for name, get, _ in SETTINGS if get() != self._held[name][0]]
        now = generators() if self._random else {}
        return changed + [f"the random numbers of {n}" for n, g in self._random.items() if not now[n].same(g)]


def _default_device() -> torch.device | None:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def _deterministic() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        _TORCH_DETERMINISTIC.fill_uninitialized_memory,
    )


def _put_deterministic(held: tuple[bool, bool, bool]) -> None:
    torch.use_deterministic_algorithms(held[0], warn_only=held[1])
    _TORCH_DETERMINISTIC.fill_uninitialized_memory = held[2]


def _autocast() -> tuple[Any, ...]:
    kinds = [(torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in _AUTOCAST]
    depth = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    return (*kinds, torch.is_autocast_cache_enabled(), depth)


def _put_autocast(held: tuple[Any, ...]) -> None:
    for kind, (enabled, dtype) in zip(_AUTOCAST, held, strict=False):
        torch.set_autocast_enabled(kind, enabled)
        torch.set_autocast_dtype(kind, dtype)
    torch.set_autocast_cache_enabled(held[-2])
    while _autocast()[-1] > held[-1]:
        torch.autocast_decrement_nesting()
    torch.clear_autocast_cache()


def _backends() -> tuple[bool, ...]:
    # By torch's private names: the public ones cannot be set in some test environments.
    return (
        torch.backends.mha.get_fastpath_enabled(),
        *(torch._C._get_cudnn_enabled(), torch._C._get_cudnn_benchmark(), torch._C._get_cudnn_deterministic()),
        torch._C._get_mkldnn_enabled(),
        *(getattr(torch._C, f"_get_{name}_sdp_enabled")() for name in _ATTENTION_BACKENDS),
        *torch._C._get_sdp_priority_order(),
    )


def _put_backends(held: tuple[bool, ...]) -> None:
    torch.backends.mha.set_fastpath_enabled(held[0])
    torch._C._set_cudnn_enabled(held[1])
    torch._C._set_cudnn_benchmark(held[2])
    torch._C._set_cudnn_deterministic(held[3])
    torch._C._set_mkldnn_enabled(held[4])
    for name, wanted in zip(_ATTENTION_BACKENDS, held[5:], strict=False):
        getattr(torch._C, f"_set_sdp_use_{name}")(wanted)
    torch._C._set_sdp_priority_order(list(held[5 + len(_ATTENTION_BACKENDS) :]))


def _put_print_options(held: dict[str, Any]) -> None:
    vars(torch._tensor_str.PRINT_OPTS).update(held)


def _global_hooks() -> list[tuple[Any, ...]]:
    return [tuple(getattr(torch_module, name).items()) for name in _HOOKS]


def _put_global_hooks(held: list[tuple[Any, ...]]) -> None:
    for name, items in zip(_HOOKS, held, strict=True):
        hooks = getattr(torch_module, name)
        hooks.clear()
        hooks.update(items)


def _modes() -> tuple[list[Any], list[Any]]:
    return _get_current_function_mode_stack(), _get_current_dispatch_mode_stack()


def _put_modes(held: tuple[list[Any], list[Any]]) -> None:
    while len(_get_current_function_mode_stack()) > len(held[0]):
        _pop_mode()
    while len(_get_current_dispatch_mode_stack()) > len(held[1]):
        _pop_dispatch_mode()


def _dispatch() -> tuple[bool, ...]:
    return tuple([torch._C._dispatch_tls_is_dispatch_key_included(key) for key in _MODES_KEYS])


def _put_dispatch(held: tuple[bool, ...]) -> None:
    # Entering inference mode inside a dispatch mode, and leaving it after that mode, brings the mode back empty.
    for key, included in zip(_MODES_KEYS, held, strict=True):
        torch._C._dispatch_tls_set_dispatch_key_included(key, included)


def _saved_tensors_hooks() -> object:
    return torch._C._autograd._top_saved_tensors_default_hooks(True)


def _put_saved_tensors_hooks(held: object) -> None:
    while (top := _saved_tensors_hooks()) != held and top is not None:
        torch._C._autograd._pop_saved_tensors_default_hooks()


def _warning_filters() -> tuple[Any, ...]:
    return _WARNINGS.filters, list(_WARNINGS.filters), _WARNINGS.showwarning, _WARNINGS._showwarnmsg_impl


def _put_warning_filters(held: tuple[Any, ...]) -> None:
    _WARNINGS.filters, filters, _WARNINGS.showwarning, _WARNINGS._showwarnmsg_impl = held
    _WARNINGS.filters[:] = filters
    _WARNINGS._filters_mutated()


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # the directory was removed
        return ""


def _environment() -> dict[Any, Any]:
    return dict(_ENVIRON._data)  # in the system's encoding: decoded only to restore it


def _put_environment(held: dict[Any, Any]) -> None:
    wanted = {_ENVIRON.decodekey(name): _ENVIRON.decodevalue(value) for name, value in held.items()}
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update(wanted)


def _put_streams(held: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = held


def _interrupt() -> Any:
    return signal.getsignal(signal.SIGINT)


def _put_interrupt(held: Any) -> None:
    if threading.current_thread() is threading.main_thread():  # only allowed there
        signal.signal(signal.SIGINT, held)


def _numpy_settings() -> tuple[Any, ...]:
    numpy = sys.modules.get("numpy")  # only if it is loaded, so that user code may use it
    return () if numpy is None else (numpy.geterr(), numpy.geterrcall(), numpy.get_printoptions())


def _put_numpy_settings(held: tuple[Any, ...]) -> None:
    if held:
        numpy, (errors, call, printed) = sys.modules["numpy"], held
        numpy.seterr(**errors)
        numpy.seterrcall(call)
        numpy.set_printoptions(**{k: v for k, v in printed.items() if k != "override_repr" or v is not None})


def _put_collection(held: bool) -> None:
    (gc.enable if held else gc.disable)()


def _put_logging(held: tuple[int, int]) -> None:
    logging.root.level = held[0]
    logging.disable(held[1])
    _LOGGERS._clear_cache()


def _levels() -> int:
    return len(torch._C._functorch.get_interpreter_stack() or ())


def _put_levels(held: int) -> None:
    """Restore the nesting levels; an interrupt may come between entering a level and the block that leaves it."""
    while _levels() > held:
        torch._C._functorch.pop_dynamic_layer_stack()


def stance() -> object:
    """torch.compile's stance; None for the default, or while torch.compile is not in use."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    return None if dynamo is None or dynamo._stance == dynamo.DynamoStance() else dynamo._stance


def put_stance(held: object) -> None:
    """Restore torch.compile's stance."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    if dynamo is not None:
        dynamo._set_stance(dynamo.DynamoStance() if held is None else held)


def eager() -> object:
    """The stance in which nothing is compiled and no compiled code runs; None while torch.compile is not in use."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    return None if dynamo is None else dynamo.DynamoStance("force_eager")


def _decimal() -> tuple[Any, ...]:
    context = decimal.getcontext()
    flags, traps = tuple(context.flags.items()), tuple(context.traps.items())
    return context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp, flags, traps


def _put_decimal(held: tuple[Any, ...]) -> None:
    context = decimal.getcontext()
    context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp = held[:6]
    context.flags.update(held[6])
    context.traps.update(held[7])


Setting = tuple[str, Callable[[], Any], Callable[[Any], object]]

# Name, getter, setter; active modes come after the default device, which is one of them.
SETTINGS: tuple[Setting, ...] = (
    ("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    ("torch's default device", _default_device, torch.set_default_device),
    ("torch's modes", _modes, _put_modes),
    ("torch's dispatch", _dispatch, _put_dispatch),
    ("gradient mode", torch.is_grad_enabled, torch._C._set_grad_enabled),
    ("deterministic mode", _deterministic, _put_deterministic),
    (
        "anomaly mode",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda held: torch.set_anomaly_enabled(*held),
    ),
    ("autocast", _autocast, _put_autocast),
    ("saved tensors' hooks", _saved_tensors_hooks, _put_saved_tensors_hooks),
    ("levels of vmap and grad", _levels, _put_levels),
    ("autograd's multithreading", torch._C._is_multithreading_enabled, torch._C._set_multithreading_enabled),
    ("torch's threads", torch.get_num_threads, torch.set_num_threads),
    ("float32 matmul precision", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    ("torch's backends", _backends, _put_backends),
    ("torch.compile's stance", stance, put_stance),
    ("TorchScript's graph optimization", torch._C._get_graph_executor_optimize, torch._C._set_graph_executor_optimize),
    ("torch's print options", lambda: dict(vars(torch._tensor_str.PRINT_OPTS)), _put_print_options),
    ("global module hooks", _global_hooks, _put_global_hooks),
    ("torch's warn_always", torch.is_warn_always_enabled, torch.set_warn_always),
    ("NumPy's settings", _numpy_settings, _put_numpy_settings),
    ("warning filters", _warning_filters, _put_warning_filters),
    ("the working directory", _folder, os.chdir),
    ("environment variables", _environment, _put_environment),
    ("standard output", lambda: (sys.stdout, sys.stderr), _put_streams),
    ("the search path", lambda: list(sys.path), lambda held: sys.path.__setitem__(slice(None), held)),
    ("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    ("the interrupt handler", _interrupt, _put_interrupt),
    ("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda held: locale.setlocale(locale.LC_ALL, held)),
    ("the decimal context", _decimal, _put_decimal),
    ("garbage collection", gc.isenabled, _put_collection),
    ("the root logger's level", lambda: (logging.root.level, logging.root.manager.disable), _put_logging),
)
NAMES = frozenset([name for name, *_ in SETTINGS])
