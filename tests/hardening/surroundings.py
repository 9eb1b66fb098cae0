"""What belongs to the process and not to a model: torch's, Python's and NumPy's settings, as plain values."""

import decimal
import gc
import locale
import logging
import os
import random
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.modules import module as modules

_FLAG = re.compile(r"cudnn|cublas|mkldnn|onednn|sdp|fp16|bf16|nnpack|warnAlways|qengine|graph_executor|linalg|fa3")
_GETTERS = [
    name
    for name in dir(torch._C)
    if name.startswith("_get_") and _FLAG.search(name) and not re.search("space_size|getter|kernel", name)
]


def settings() -> dict[str, object]:
    """Everything, name → value that can be compared."""
    return {**dict(_of_torch()), **dict(_of_python()), **dict(_of_numpy()), **dict(_of_matplotlib())}


def _asked(get, *args) -> object:
    try:
        return get(*args)
    except Exception as error:
        return f"unreadable: {type(error).__name__}"


def _of_torch() -> Iterator[tuple[str, object]]:
    yield "torch's default dtype", str(torch.get_default_dtype())
    yield "torch's default device", str(torch.get_default_device())
    yield "grad mode", torch.is_grad_enabled()
    yield "inference mode", torch.is_inference_mode_enabled()
    yield "forward-mode AD", (torch._C._is_fwd_grad_enabled(), torch.autograd.forward_ad._current_level)
    yield (
        "deterministic algorithms",
        (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
    )
    yield "filling of uninitialised memory", torch.utils.deterministic.fill_uninitialized_memory
    yield "anomaly mode", (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())
    for kind in ("cpu", "cuda"):
        yield f"autocast on {kind}", (torch.is_autocast_enabled(kind), str(torch.get_autocast_dtype(kind)))
    yield "autocast's cache", torch.is_autocast_cache_enabled()
    yield "torch's threads", (torch.get_num_threads(), torch.get_num_interop_threads())
    yield "matmul precision", torch.get_float32_matmul_precision()
    yield "denormals are flushed", bool(torch.full((1,), 1e-40, device="cpu").mul(0.5).eq(0))
    yield "torch's print options", repr(vars(torch._tensor_str.PRINT_OPTS))
    yield "torch's random numbers", torch.default_generator.get_state().numpy().tobytes()
    yield "fused attention", torch.backends.mha.get_fastpath_enabled()
    yield "autograd's threads", torch._C._is_multithreading_enabled()
    yield "view replay", torch._C._is_view_replay_enabled()
    yield "modes of functions", (torch._C._len_torch_function_stack(), torch._C._is_torch_function_enabled())
    yield "modes of dispatch", torch._C._len_torch_dispatch_stack()
    yield "vmap's and grad's levels", len(torch._C._functorch.get_interpreter_stack() or ())
    yield "hooks of saved tensors", repr(torch._C._autograd._top_saved_tensors_default_hooks(True))
    yield "parametrizations are cached", torch.nn.utils.parametrize._cache_enabled
    yield "distributions check arguments", torch.distributions.Distribution._validate_args
    yield "tracing", torch._C._get_tracing_state() is not None
    for key, value in vars(modules).items():
        if key.startswith("_global_"):
            yield f"hooks of all modules, {key}", [id(one) for one in value] if isinstance(value, dict) else value
            if isinstance(value, dict):
                yield f"hooks of all modules, {key}, functions", [id(one) for one in value.values()]
    for name in _GETTERS:
        value = _asked(getattr(torch._C, name))
        if isinstance(value, (bool, int, float, str, list)) or value is None:
            yield f"torch's flag {name.removeprefix('_get_')}", value
    frame = sys.modules.get("torch._dynamo.eval_frame")
    if frame is not None:
        yield "the compiler's stance", repr(frame._stance)


def _of_python() -> Iterator[tuple[str, object]]:
    yield "Python's random numbers", random.getstate()
    yield "warnings' filters", [(a, str(m), c.__name__, str(n), k) for a, m, c, n, k in warnings.filters]
    yield "warnings.showwarning", (id(warnings.showwarning), id(warnings._showwarnmsg_impl))
    yield "the folder", _asked(os.getcwd)
    # By number: what they hold is nobody's business in a test's report.
    yield "environment variables", {name: hash(value) & 0xFFFF for name, value in os.environ.items()}
    for name in ("stdout", "stderr", "stdin", "displayhook", "excepthook", "unraisablehook", "breakpointhook"):
        yield f"sys.{name}", id(getattr(sys, name))
    yield "sys.path", list(sys.path)
    yield "sys.gettrace", id(sys.gettrace())
    yield "sys.getprofile", id(sys.getprofile())
    yield "depth of recursion", sys.getrecursionlimit()
    yield "digits of whole numbers", sys.get_int_max_str_digits()
    yield "switch interval", sys.getswitchinterval()
    yield "garbage collection", (gc.isenabled(), gc.get_threshold(), gc.get_debug())
    yield "signal handlers", [id(_asked(signal.getsignal, one)) for one in (signal.SIGINT, signal.SIGTERM)]
    yield "the alarm", signal.getitimer(signal.ITIMER_REAL)[0] > 0
    yield "Python's threads", sorted(thread.name for thread in threading.enumerate())
    yield "threading.excepthook", id(threading.excepthook)
    yield "locale", locale.setlocale(locale.LC_ALL)
    yield "time zone", time.tzname
    yield "decimal numbers", repr(decimal.getcontext())
    yield "logging's levels", (logging.root.level, logging.root.manager.disable, logging.raiseExceptions)
    yield "logging's handlers", [id(one) for one in logging.root.handlers]


def _of_numpy() -> Iterator[tuple[str, object]]:
    state = np.random.get_state(legacy=False)
    yield "NumPy's random numbers", (state["state"]["key"].tobytes(), state["state"]["pos"], state["has_gauss"])
    yield "NumPy's errors", (np.geterr(), id(np.geterrcall()))
    yield "NumPy's print options", repr(np.get_printoptions())


def _of_matplotlib() -> Iterator[tuple[str, object]]:
    if "matplotlib" in sys.modules:
        yield "matplotlib's settings", dict(sys.modules["matplotlib"].rcParams.copy())
