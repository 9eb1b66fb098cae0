"""Whatever can be reached is compared, named and put back."""

import decimal
import os
import random
import sys
import warnings

import numpy as np
import pytest
import torch

from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.held.process import NAMES, Process
from gradwidgets.core.subject.untouched import Untouched
from tests.core.subject.changes import CHANGES, Model


@pytest.mark.parametrize("words", CHANGES)
def test_a_change_is_named_and_put_back(words):
    model = Model()
    held = Held(model)
    assert held.differences() == []
    CHANGES[words](model)
    assert held.differences()
    certificate = held.put_back()
    assert certificate.unchanged and words in certificate.put_back and certificate.before == certificate.after
    assert held.differences() == [] and Held(model).certificate([], []).before == certificate.before


def test_what_a_graph_has_saved_may_still_be_used():
    model = Model()
    out = model.norm(model.layer(torch.randn(4, 3))).square().sum()
    held = Held(model)
    with torch.no_grad():
        model.layer.weight.add_(1)
    held.restore()
    out.backward()
    assert model.layer.weight.grad.isfinite().all()


FLIPPED = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "gradient mode": lambda: torch.set_grad_enabled(False),
    "deterministic mode": lambda: torch.use_deterministic_algorithms(True),
    "anomaly mode": lambda: torch.set_anomaly_enabled(True),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16).__enter__(),
    "torch's threads": lambda: torch.set_num_threads(3),
    "float32 matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "torch's print options": lambda: torch.set_printoptions(precision=2),
    "NumPy's settings": lambda: np.seterr(all="raise"),
    "warning filters": lambda: warnings.simplefilter("ignore"),
    "the working directory": lambda: os.chdir("/"),
    "environment variables": lambda: os.environ.update(GRADWIDGETS_TRIED="1"),
    "standard output": lambda: setattr(sys, "stdout", sys.stderr),
    "the decimal context": lambda: setattr(decimal.getcontext(), "prec", 5),
    "the random numbers of torch": lambda: torch.rand(1),
    "the random numbers of python": random.random,
    "the random numbers of numpy": np.random.rand,
}


@pytest.mark.parametrize("words", FLIPPED)
def test_a_setting_is_put_back(words):
    before = Process()
    with Untouched() as block, block.again():
        FLIPPED[words]()
        assert words in before.differences()
    assert before.differences() == [] and words in block.restored and block.certificate.unchanged


def test_every_setting_has_a_name_of_its_own():
    assert Process().count == len(NAMES) >= 26


def test_an_interrupt_while_things_are_put_back_loses_nothing(monkeypatch):
    model, calls = Model(), []
    restore = Held.restore

    def interrupted(held):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return restore(held)

    monkeypatch.setattr(Held, "restore", interrupted)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    with pytest.raises(KeyboardInterrupt), Untouched(model) as block, block.again():
        model.layer.weight.data.zero_()
        torch.set_default_dtype(torch.float64)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert torch.get_default_dtype() == torch.float32 and len(calls) == 2
