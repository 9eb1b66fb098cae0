"""The judge finds every kind of change, each planted here, and nothing where nothing was done."""

import collections
import decimal
import gc
import itertools
import locale
import logging
import os
import random
import signal
import sys
import warnings
import weakref
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from tests.hardening.interrupts import Clock
from tests.hardening.judge import Snapshot
from tests.hardening.trial import outcome
from tests.hardening.undo import undone
from tests.hardening.zoo import OURS

GLOBAL = {"a": 1}
NUMBER = 1


class Slotted:
    __slots__ = ("value",)


class Odd(nn.Module):
    """Holds one of everything."""

    shared: ClassVar[list] = []

    def __init__(self):
        super().__init__()
        self.line, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.line.weight.grad = torch.ones(3, 3)
        self.listed, self.tupled = [1, [2, {"x": [torch.zeros(2)]}]], (torch.ones(2), [3])
        self.deque, self.ordered = collections.deque([1], maxlen=2), collections.OrderedDict(a=1, b=2)
        self.default, self.set = collections.defaultdict(list), {1, 2}
        self.array, self.objects = np.zeros(3), np.array([[1], None], dtype=object)
        self.slotted, self.generator = Slotted(), torch.Generator().manual_seed(0)
        self.slotted.value = [1]
        self.random, self.numpys = random.Random(0), np.random.default_rng(0)
        self.counter, self.iterator = itertools.count(), (k for k in range(9))
        self.bytes, self.weak = bytearray(2), weakref.ref(self.line)
        self.sparse, self.view = torch.eye(2).to_sparse(), torch.zeros(6)
        self.part = self.view[2:4]
        self.half, self.complex = torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.complex64)
        count = 0

        def counting(step=[0], *, more={}):  # noqa: B006 - what stands in a default may change
            nonlocal count
            count += 1
            return NUMBER, GLOBAL, step, more

        self.counting = counting
        self.call = self.line.forward
        self.again = self.line.weight * 2

    def forward(self, x):
        return self.line(x)


def odd():
    return Odd()


def _set(owner, name, value):
    setattr(owner, name, value)


def _globally(m):
    global NUMBER
    NUMBER += 1


PLANTED = {
    "an attribute": lambda m: _set(m, "new", 1),
    "an attribute away": lambda m: delattr(m, "deque"),
    "the order of attributes": lambda m: m.__dict__.update(set=m.__dict__.pop("set")),
    "a mode": lambda m: m.norm.eval(),
    "a class": lambda m: _set(m.line, "__class__", nn.Bilinear),
    "a class attribute": lambda m: _set(type(m), "extra", 1),
    "what a class attribute holds": lambda m: type(m).shared.append(1),
    "a method of torch's class": lambda m: _set(nn.Linear, "extra_repr", lambda self: ""),
    "a bit": lambda m: m.line.weight.data[0].mul_(1.0000001),
    "the sign of zero": lambda m: m.view.data.neg_(),
    "a weight that is another": lambda m: _set(m.line, "weight", nn.Parameter(m.line.weight.detach().clone())),
    "data elsewhere": lambda m: _set(m.line.weight, "data", m.line.weight.data.clone()),
    "data of another dtype": lambda m: _set(m.view, "data", m.view.data.double()),
    "another shape": lambda m: m.part.unsqueeze_(0),
    "other strides": lambda m: _set(m.line.weight, "data", m.line.weight.data.t()),
    "requires_grad": lambda m: m.line.bias.requires_grad_(False),
    "the same numbers written": lambda m: m.norm.running_mean.copy_(m.norm.running_mean.clone()),
    "a gradient": lambda m: _set(m.line.bias, "grad", torch.zeros(3)),
    "a gradient's number": lambda m: m.line.weight.grad.mul_(2),
    "a gradient away": lambda m: _set(m.line.weight, "grad", None),
    "the memory around a view": lambda m: m.view.data[0].fill_(3),
    "a sparse value": lambda m: m.sparse._values().mul_(2),
    "half a number": lambda m: m.half.add_(1),
    "a complex number": lambda m: m.complex.add_(1j),
    "a hook of a weight": lambda m: m.line.weight.register_hook(lambda g: g),
    "a hook of accumulation": lambda m: m.line.weight.register_post_accumulate_grad_hook(lambda g: None),
    "an attribute of a tensor": lambda m: _set(m.line.weight, "tag", 1),
    "a retained gradient": lambda m: m.again.retain_grad(),
    "a hook before forward": lambda m: m.register_forward_pre_hook(lambda *a: None),
    "a hook after forward": lambda m: m.line.register_forward_hook(lambda *a: None),
    "a hook backward": lambda m: m.line.register_full_backward_hook(lambda *a: None),
    "a hook of the state dict": lambda m: m.register_state_dict_post_hook(lambda *a: None),
    "a buffer": lambda m: m.register_buffer("b", torch.zeros(1)),
    "a parameter": lambda m: m.register_parameter("p", nn.Parameter(torch.zeros(1))),
    "a module": lambda m: m.add_module("m", nn.ReLU()),
    "no longer persistent": lambda m: m._non_persistent_buffers_set.add("x"),
    "the order of parameters": lambda m: m.line._parameters.update(weight=m.line._parameters.pop("weight")),
    "a list": lambda m: m.listed.append(1),
    "a list in a list": lambda m: m.listed[1].append(1),
    "a dict in a list": lambda m: m.listed[1][1].update(y=1),
    "a tensor in a list in a dict in a list": lambda m: m.listed[1][1]["x"][0].add_(1),
    "a tensor in a tuple": lambda m: m.tupled[0].add_(1),
    "a list in a tuple": lambda m: m.tupled[1].append(1),
    "an equal list in its place": lambda m: _set(m, "listed", list(m.listed)),
    "a deque": lambda m: m.deque.append(2),
    "the order of keys": lambda m: m.ordered.move_to_end("a"),
    "a key that was read": lambda m: m.default["x"],
    "a set": lambda m: m.set.add(3),
    "an array": lambda m: m.array.__setitem__(0, 1),
    "an array that may not be written": lambda m: m.array.setflags(write=False),
    "a list in an array": lambda m: m.objects[0].append(2),
    "a slot": lambda m: _set(m.slotted, "value", 2),
    "what a slot holds": lambda m: m.slotted.value.append(2),
    "a torch generator": lambda m: torch.rand(1, generator=m.generator),
    "a random.Random": lambda m: m.random.random(),
    "a NumPy generator": lambda m: m.numpys.random(),
    "a counter": lambda m: next(m.counter),
    "a Python generator": lambda m: next(m.iterator),
    "bytes": lambda m: m.bytes.__setitem__(0, 1),
    "a weak reference": lambda m: _set(m, "weak", weakref.ref(m.norm)),
    "a nonlocal": lambda m: m.counting(),
    "a default": lambda m: m.counting.__defaults__[0].append(1),
    "a keyword default": lambda m: m.counting.__kwdefaults__["more"].update(a=1),
    "an attribute of a function": lambda m: _set(m.counting, "calls", 1),
    "a global": _globally,
    "what a global holds": lambda m: GLOBAL.update(a=2),
    "another method": lambda m: _set(m, "call", m.norm.forward),
}


@pytest.fixture(autouse=True)
def put_right():
    repr_of_linear = nn.Linear.extra_repr
    with undone():
        yield
    nn.Linear.extra_repr = repr_of_linear
    GLOBAL.update(a=1)
    Odd.shared.clear()
    if "extra" in vars(Odd):
        del Odd.extra


@pytest.mark.parametrize("what", PLANTED)
def test_the_judge_finds(what):
    model = odd()
    before = Snapshot({"model": model})
    PLANTED[what](model)
    assert [words for words in before.changes() if not words.startswith("the process")]


def test_the_judge_finds_nothing_where_only_was_looked():
    model = odd()
    before = Snapshot({"model": model})
    repr(model), model.state_dict(), list(model.named_parameters()), before.changes()
    gc.collect()
    assert before.changes() == []


def test_the_judge_finds_nothing_in_models_of_the_zoo_that_nobody_touched():
    for entry in random.Random(0).sample(list(OURS.values()), 80):
        with undone():  # some change a setting of the process as they are made
            before = Snapshot({"case": entry.build()}, surroundings=False)
            assert before.changes() == [], entry.name


def _enter(context):
    context.__enter__()
    ENTERED.append(context)


ENTERED = []
SETTINGS = {
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("meta"),
    "grad mode": lambda: torch.set_grad_enabled(False),
    "inference mode": lambda: _enter(torch.inference_mode()),
    "deterministic": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "autocast": lambda: _enter(torch.autocast("cpu", torch.bfloat16)),
    "autocast's dtype": lambda: torch.set_autocast_dtype("cpu", torch.float16),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "matmul": lambda: torch.set_float32_matmul_precision("medium"),
    "print options": lambda: torch.set_printoptions(precision=2),
    "denormals": lambda: torch.set_flush_denormal(True),
    "torch's random": lambda: torch.rand(1),
    "python's random": lambda: random.random(),
    "numpy's random": lambda: np.random.rand(),
    "numpy's gauss": lambda: np.random.randn(),
    "warnings": lambda: warnings.simplefilter("always"),
    "showwarning": lambda: _set(warnings, "showwarning", print),
    "folder": lambda: os.chdir("/"),
    "environment": lambda: os.environ.update(NEW="1"),
    "stdout": lambda: _set(sys, "stdout", sys.__stderr__),
    "stderr": lambda: _set(sys, "stderr", sys.__stdout__),
    "numpy's errors": lambda: np.seterr(all="raise"),
    "numpy's printing": lambda: np.set_printoptions(precision=2),
    "fast path": lambda: torch.backends.mha.set_fastpath_enabled(not torch.backends.mha.get_fastpath_enabled()),
    "cudnn": lambda: torch._C._set_cudnn_benchmark(True),
    "mkldnn": lambda: torch._C._set_mkldnn_enabled(False),
    "attention": lambda: torch.backends.cuda.enable_flash_sdp(False),
    "global hooks": lambda: nn.modules.module.register_module_forward_hook(print),
    "a mode of functions": lambda: _enter(torch.device("cpu")),
    "a mode of saved tensors": lambda: _enter(torch.autograd.graph.save_on_cpu()),
    "logging": lambda: logging.root.setLevel(logging.DEBUG),
    "SIGINT": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "tracing": lambda: sys.settrace(lambda *_: None),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"),
    "recursion": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 10),
    "garbage": gc.disable,
    "decimals": lambda: _set(decimal.getcontext(), "prec", 40),
}


@pytest.mark.parametrize("what", SETTINGS)
def test_the_judge_finds_a_changed_setting(what):
    before = Snapshot({})
    try:
        SETTINGS[what]()
        assert before.changes()
    finally:
        while ENTERED:
            ENTERED.pop().__exit__(None, None, None)


def test_the_judge_reads_in_any_mode_without_changing_it():
    before = Snapshot({"model": odd()})
    torch.set_default_device("meta")
    torch.set_default_dtype(torch.float64)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = before.changes()
    assert all(words.startswith("the process") for words in found), found


class Late(Clock):
    """Rings when the work is over already."""

    def off(self) -> None:
        if self._on:
            self._ring()
        super().off()


def test_a_clock_that_rings_when_an_analysis_has_just_raised_ends_that_trial_alone(monkeypatch):
    monkeypatch.setattr(signal, "setitimer", lambda *_: None)

    def analysis(case):
        raise ValueError("refused")

    name, error = outcome(analysis, None, Late(5))
    assert name == "KeyboardInterrupt" and isinstance(error.__context__, ValueError)
