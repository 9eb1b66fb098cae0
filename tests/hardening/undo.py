"""Putting the process right after a test, so that one fault does not look like many."""

import contextlib
import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import warnings

import numpy as np
import torch
from torch.nn.modules import module as modules

from tests.hardening import zoo_halfway, zoo_settings

_FLAGS = {
    "_set_mkldnn_enabled": torch._C._get_mkldnn_enabled,
    "_set_cudnn_benchmark": torch._C._get_cudnn_benchmark,
    "_set_cudnn_enabled": torch._C._get_cudnn_enabled,
    "_set_sdp_use_flash": torch._C._get_flash_sdp_enabled,
    "_set_sdp_use_math": torch._C._get_math_sdp_enabled,
    "_set_grad_enabled": torch.is_grad_enabled,
    "_set_warnAlways": torch._C._get_warnAlways,
}
_NAMES = ("stdout", "stderr", "displayhook", "excepthook")


@contextlib.contextmanager
def undone():
    """Inside, all may be changed that the zoo changes; at the end it is as it was."""
    put_back = [*_of_torch(), *_of_python()]
    try:
        yield
    finally:
        while zoo_settings.HELD:
            with contextlib.suppress(BaseException):
                zoo_settings.HELD.pop().__exit__(None, None, None)
        for act in put_back:
            act()
        zoo_halfway.STATE.update(count=0, list=[])
        zoo_halfway.TIMES = 0


def _of_torch():
    dtype, threads, precision = torch.get_default_dtype(), torch.get_num_threads(), torch.get_float32_matmul_precision()
    determined = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    anomaly = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    auto = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"), torch.is_autocast_cache_enabled()
    state, fast = torch.default_generator.get_state(), torch.backends.mha.get_fastpath_enabled()
    printing, flags = dict(vars(torch._tensor_str.PRINT_OPTS)), {name: get() for name, get in _FLAGS.items()}
    hooks = {k: (v, dict(v)) for k, v in vars(modules).items() if k.startswith("_global_") and isinstance(v, dict)}
    fill, checks = torch.utils.deterministic.fill_uninitialized_memory, torch.distributions.Distribution._validate_args

    def act():
        if torch.get_default_device().type != "cpu":
            torch.set_default_device(None)
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        # Not by `use_deterministic_algorithms`, which imports half of torch.
        torch._C._set_deterministic_algorithms(determined[0], warn_only=determined[1])
        torch.autograd.set_detect_anomaly(*anomaly)
        torch.set_autocast_enabled("cpu", auto[0])
        torch.set_autocast_dtype("cpu", auto[1])
        torch.set_autocast_cache_enabled(auto[2])
        torch.set_flush_denormal(False)
        torch.default_generator.set_state(state)
        torch.backends.mha.set_fastpath_enabled(fast)
        vars(torch._tensor_str.PRINT_OPTS).update(printing)
        for name, value in flags.items():
            getattr(torch._C, name)(value)
        for container, held in hooks.values():
            container.clear()
            container.update(held)
        torch.utils.deterministic.fill_uninitialized_memory = fill
        torch.distributions.Distribution._validate_args = checks
        while torch._C._functorch.maybe_current_level() is not None:
            torch._C._functorch.pop_dynamic_layer_stack()

    yield act


def _of_python():
    filters, show = list(warnings.filters), warnings.showwarning
    folder, environ = os.getcwd(), dict(os.environ)
    streams = {name: getattr(sys, name) for name in _NAMES}
    depth, profile, trace, collecting = sys.getrecursionlimit(), sys.getprofile(), sys.gettrace(), gc.isenabled()
    handler, place, digits = (
        signal.getsignal(signal.SIGINT),
        locale.setlocale(locale.LC_ALL),
        decimal.getcontext().copy(),
    )
    level, off, handlers = logging.root.level, logging.root.manager.disable, list(logging.root.handlers)
    path, state, numpys = list(sys.path), random.getstate(), np.random.get_state()
    errors, printing = np.geterr(), np.get_printoptions()

    def act():
        sys.setprofile(profile)
        sys.settrace(trace)
        signal.signal(signal.SIGINT, handler)
        warnings.filters[:] = filters
        warnings._filters_mutated()
        warnings.showwarning = show
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        for name, value in streams.items():
            setattr(sys, name, value)
        sys.setrecursionlimit(depth)
        (gc.enable if collecting else gc.disable)()
        locale.setlocale(locale.LC_ALL, place)
        decimal.setcontext(digits)
        logging.root.setLevel(level)
        logging.disable(off)
        logging.root.handlers[:] = handlers
        sys.path[:] = path
        random.setstate(state)
        np.random.set_state(numpys)
        np.seterr(**errors)
        np.set_printoptions(**printing)

    yield act
