"""Models whose forward changes a setting of the whole process and leaves it so."""

import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import tempfile
import warnings

import numpy as np
import torch
from torch import nn

from tests.hardening.cases import Zoo

ZOO = Zoo()
HELD: list = []  # contexts that were entered and not left


class Setting(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.first, self.last, self.act = nn.Linear(4, 4), nn.Linear(4, 1), act

    def forward(self, x):
        out = self.last(torch.tanh(self.first(x)))
        self.act()
        return out


def setting(name: str, act, **kind) -> None:
    ZOO.entry(f"sets {name}", **kind)(lambda: Setting(act))


def enter(make):
    """Enter a context and never leave it."""

    def act():
        context = make()
        context.__enter__()
        HELD.append(context)

    return act


setting("the default dtype", lambda: torch.set_default_dtype(torch.float64))
setting("the default device", lambda: torch.set_default_device("meta"))
setting("the grad mode", lambda: torch.set_grad_enabled(False))
setting("inference mode", enter(lambda: torch.inference_mode()))
setting("no_grad", enter(torch.no_grad))
setting("deterministic algorithms", lambda: torch.use_deterministic_algorithms(True))
setting("deterministic algorithms to warn", lambda: torch.use_deterministic_algorithms(True, warn_only=True))
setting("the anomaly mode", lambda: torch.autograd.set_detect_anomaly(True))
setting("autocast", enter(lambda: torch.autocast("cpu", torch.bfloat16)))
setting("autocast's dtype", lambda: torch.set_autocast_dtype("cpu", torch.float16))
setting("autocast's cache", lambda: torch.set_autocast_cache_enabled(False))
setting("the threads", lambda: torch.set_num_threads(3))
setting("the matmul precision", lambda: torch.set_float32_matmul_precision("medium"))
setting("the print options", lambda: torch.set_printoptions(precision=2, sci_mode=True))
setting(
    "the filling of memory",
    lambda: setattr(torch.utils.deterministic, "fill_uninitialized_memory", False),
    beyond="the process",
)
setting("the flushing of denormals", lambda: torch.set_flush_denormal(True), beyond="the process")
setting("mkldnn off", lambda: torch._C._set_mkldnn_enabled(False))
setting("cudnn's benchmark", lambda: setattr(torch.backends.cudnn, "benchmark", True))
setting("cudnn off", lambda: setattr(torch.backends.cudnn, "enabled", False))
setting("flash attention off", lambda: torch.backends.cuda.enable_flash_sdp(False))
setting("plain attention off", lambda: torch.backends.cuda.enable_math_sdp(False))
setting("attention of other devices off", lambda: torch._C._set_sdp_use_overrideable(False))
setting("the order of attention's ways", lambda: torch._C._set_sdp_priority_order([2, 1, 0, 3, 4]))
setting("the fast path of attention", lambda: torch.backends.mha.set_fastpath_enabled(False))
setting("caching of parametrizations", enter(lambda: nn.utils.parametrize.cached()), beyond="the process")
setting("hooks of saved tensors", enter(lambda: torch.autograd.graph.save_on_cpu()), beyond="the process")
setting(
    "checking of distributions",
    lambda: torch.distributions.Distribution.set_default_validate_args(False),
    beyond="the process",
)
setting("a mode of functions", enter(lambda: torch.utils._device.DeviceContext(torch.device("cpu"))))
setting("torch's seed", lambda: torch.manual_seed(7))
setting("Python's seed", lambda: random.seed(7))
setting("NumPy's seed", lambda: np.random.seed(7))
setting("warnings' filters", lambda: warnings.simplefilter("always"))
setting("warnings' filters empty", lambda: warnings.resetwarnings())
setting("showwarning", lambda: setattr(warnings, "showwarning", lambda *a, **k: None))
setting("the folder", lambda: os.chdir(tempfile.gettempdir()))
setting("an environment variable", lambda: os.environ.update(HARDENING_SET="1"))
setting("an environment variable away", lambda: os.environ.pop("HOME", None))
setting("NumPy's errors", lambda: np.seterr(all="raise"))
setting("NumPy's print options", lambda: np.set_printoptions(precision=2))
setting("standard output", lambda: setattr(sys, "stdout", sys.__stderr__))
setting("standard error", lambda: setattr(sys, "stderr", sys.__stdout__))
setting("the display hook", lambda: setattr(sys, "displayhook", print), beyond="the process")
setting("the hook of exceptions", lambda: setattr(sys, "excepthook", print), beyond="the process")
setting("the depth of recursion", lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 100))
setting("a profiler", lambda: sys.setprofile(lambda *_: None), beyond="the process")
setting("the garbage collection", gc.disable)
setting("the handler of SIGINT", lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
setting("the locale", lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"))
setting("decimal's precision", lambda: setattr(decimal.getcontext(), "prec", 50))
setting("logging's level", lambda: logging.root.setLevel(logging.DEBUG))
setting("logging's handlers", lambda: logging.root.addHandler(logging.NullHandler()), beyond="the process")
setting("logging off", lambda: logging.disable(logging.CRITICAL))
setting("sys.path", lambda: sys.path.append("nowhere"), beyond="the process")
