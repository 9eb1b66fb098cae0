"""Modules that hold what cannot be copied."""

import contextlib
import io
import tempfile
import threading
import weakref

import torch
from torch.nn import functional

from tests.hardening.cases import Forward, Zoo, line

ZOO = Zoo()


def opened(model) -> object:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as the model lives
    weakref.finalize(model, file.close)  # a file that nobody closes warns
    return file


def holding(name, make):
    @ZOO.entry(name)
    def build():
        model = Forward(lambda m, x: m.layer(x), layer=line())
        model.held = make(model)
        return model


holding("a lock", lambda m: threading.Lock())
holding("a reentrant lock", lambda m: threading.RLock())
holding("a Python generator", lambda m: (k for k in range(9)))
holding("an open file", lambda m: opened(m))
holding("text in memory", lambda m: io.StringIO("text"))
holding("a non-leaf tensor", lambda m: m.layer.weight * 2)
holding("non-leaf tensors in a list", lambda m: [m.layer.weight * 2, m.layer.bias.exp()])
holding("a torch generator", lambda m: torch.Generator().manual_seed(0))
holding("a module of Python", lambda m: threading)
holding("an exit stack", lambda m: contextlib.ExitStack())
holding("a hook's handle", lambda m: m.layer.register_forward_hook(lambda *_: None))
holding("a hooked weight", lambda m: m.layer.weight.register_hook(lambda g: g * 2))
holding(
    "a weight with a hook of accumulation", lambda m: m.layer.weight.register_post_accumulate_grad_hook(lambda p: None)
)
holding("a stream of events", lambda m: threading.Event())
holding("a memory view", lambda m: memoryview(bytearray(3)))


@ZOO.entry("a generator that is read")
def read_generator():
    def run(m, x):
        next(m.held)
        return m.layer(x)

    model = Forward(run, layer=line())
    model.held = iter(list(range(10_000)))
    return model


@ZOO.entry("a file that is read", beyond="a file")
def read_file():
    def run(m, x):
        m.file.read(1)
        return m.layer(x)

    model = Forward(run, layer=line())
    model.file = opened(model)
    model.file.write(b"abc" * 99)
    model.file.seek(0)
    return model


@ZOO.entry("a non-leaf tensor that is used again")
def cached_twice():
    def run(m, x):
        if m.kept is None:
            m.kept = m.layer.weight * 2
        return functional.linear(x, m.kept, m.layer.bias)

    return Forward(run, layer=line(), kept=None)
