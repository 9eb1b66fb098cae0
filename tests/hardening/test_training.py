"""A training that is watched from its first pass on is the same training, to the bit, whatever the model is."""

import os
import random
import warnings

import pytest
import torch
from torch import nn

from gradwidgets.core.layers.passes.passes import run_plain
from gradwidgets.core.monitor import GradientMonitor
from tests.hardening.undo import undone
from tests.hardening.zoo import OURS, whole

SOAK = os.environ.get("GRADWIDGETS_SOAK", "")
SEED = int(os.environ.get("GRADWIDGETS_SEED", "0"))
# One copies its own layer, hooks included, in the middle of a pass; another's new number is whatever memory holds; and
# some end the process's work, which they do in the copy's pass already.
EXCEPT = ("replaces a layer", "resizes a buffer")
EXCEPT += tuple(f"raises {one} halfway" for one in ("KeyboardInterrupt", "SystemExit", "GeneratorExit"))
LIGHT = [name for name, entry in OURS.items() if not entry.heavy and name not in EXCEPT]


def trained(entry, watched: str) -> tuple[object, ...]:
    """Numbers, modes, hooks and random numbers after three steps; or what was raised, and then."""
    with torch.inference_mode(False), torch.enable_grad():
        case = entry.build()
    model, ended = case.model, None
    parameters = [p for p in model.parameters() if p.requires_grad and not nn.parameter.is_lazy(p)]
    torch.manual_seed(3)
    monitor = GradientMonitor(model, every=1, activations=True, updates=True, preflight=watched != "not looked at")
    if watched == "told":
        monitor.expect(case.inputs, case.targets, case.loss_fn)
    with undone(), warnings.catch_warnings(), torch.inference_mode(False), torch.enable_grad():
        warnings.simplefilter("ignore")
        try:
            if watched:
                monitor.__enter__()
            for _ in range(3):
                case.loss_fn(run_plain(model, case.inputs), case.targets).backward()
                with torch.no_grad():
                    for p in parameters:
                        if p.grad is not None and p.grad.layout is torch.strided:
                            p.sub_(0.01 * p.grad)
        except BaseException as error:  # some raise what ends a process
            ended = type(error)
        finally:
            monitor.close()
        drawn = torch.rand(3, device="cpu", dtype=torch.float64)
    numbers = [t.detach().clone() for t in (*model.parameters(), *model.buffers()) if not nn.parameter.is_lazy(t)]
    modes = [one.training for one in model.modules()]
    hooks = [len(held) for one in model.modules() for name, held in vars(one).items() if name.endswith("_hooks")]
    return ended, numbers, modes, hooks, drawn


def differences(entry, watched: str) -> list[str]:
    """What is not the same as without a monitor."""
    plain, seen = trained(entry, ""), trained(entry, watched)
    found = [what for what, k in (("the end", 0), ("modes", 2), ("hooks", 3)) if plain[k] != seen[k]]
    same = len(plain[1]) == len(seen[1]) and all(map(_alike, plain[1], seen[1]))
    return found + ([] if same else ["numbers"]) + ([] if torch.equal(plain[4], seen[4]) else ["random numbers"])


def _alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.layout is not torch.strided or a.is_meta or a.is_nested:
        return a.layout is b.layout
    with torch._C.DisableTorchFunction():
        return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())


@pytest.mark.parametrize("watched", ["told", "looked at by hooks"])
@pytest.mark.parametrize("name", ["sets a weight's data of another shape", *random.Random(SEED).sample(LIGHT, 12)])
def test_a_watched_training_is_the_same_to_the_bit(name, watched):
    assert differences(OURS[name], watched) == []


@pytest.mark.skipif(not SOAK, reason="the long form: set GRADWIDGETS_SOAK=1")
@pytest.mark.parametrize("watched", ["told", "looked at by hooks"])
def test_every_watched_training_is_the_same_to_the_bit(watched):
    zoo = {name: entry for name, entry in whole().items() if name not in EXCEPT}
    faulty = {name: found for name, entry in zoo.items() if (found := differences(entry, watched))}
    assert faulty == {}
