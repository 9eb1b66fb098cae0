"""What is changed on copies is told, without holding them."""

import gc

import pytest
import torch
from torch import nn

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.subject.collection import NoCollection
from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.copied.copies import Copies
from gradwidgets.core.subject.held.held import Held
from tests.core.subject.changes import CHANGES, Model

ON_COPIES = [words for words in CHANGES if "class Model" not in words]


def copied(model):
    held, clone = Held(model), Clone()
    copy = clone.of(model)
    return Copies(held, clone.copy_of), copy


@pytest.mark.parametrize("words", ON_COPIES)
def test_a_change_is_named_as_if_the_copy_had_been_held(words):
    copies, copy = copied(Model())
    assert copies.changed() == []
    held = Held(copy, outside=False)
    CHANGES[words](copy)
    found = copies.changed()
    assert words in found and set(found) == set(held.restore())


class Slotted(nn.Module):
    __slots__ = ("count",)

    def __init__(self):
        super().__init__()
        self.count, self.seen = 0, {torch.float32}
        self.first = self.second = nn.Linear(2, 2)
        self.first.weight.grad = torch.ones(2, 2)
        self.part = nn.Parameter(torch.ones(4).half()[1:3], requires_grad=False)


def test_sharing_slots_sets_gradients_and_views_are_copied_as_they_were():
    copies, copy = copied(Slotted())
    assert copies.changed() == []
    copy.count += 1
    copy.seen.add(torch.float64)
    copy.second.weight.grad.zero_()
    with torch.no_grad():
        copy.part += 1
    assert set(copies.changed()) == {"count of the model", "seen of the model", "first.weight.grad", "part"}


def test_a_closure_s_variable_is_told():
    calls, model = 0, nn.Linear(2, 1)

    def loss(output, targets):
        nonlocal calls
        calls += 1
        return (output - targets).square().mean()

    flow = layer_flow(model, torch.ones(3, 2), torch.zeros(3, 1), loss)
    assert calls == 0 and flow.certificate.unchanged and "calls of the model" in flow.certificate.put_back


def test_what_a_pass_changes_on_the_copy_is_told_and_the_model_is_not_touched():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    before = {name: one.clone() for name, one in model.state_dict().items()}
    certificate = layer_flow(model, torch.randn(8, 3), torch.zeros(8, 1), nn.functional.mse_loss).certificate
    assert {"1.running_mean", "1.running_var", "1.num_batches_tracked"} == set(certificate.put_back)
    assert certificate.unchanged and all(torch.equal(one, before[name]) for name, one in model.state_dict().items())


def test_garbage_is_collected_again_however_a_block_ends():
    for pause in (True, False):
        with NoCollection(pause) as block, block:
            assert gc.isenabled() is not pause
        assert gc.isenabled()
    with pytest.raises(KeyboardInterrupt), NoCollection() as block, block:
        raise KeyboardInterrupt
    assert gc.isenabled()
    gc.disable()
    try:
        with NoCollection() as block, block:
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
