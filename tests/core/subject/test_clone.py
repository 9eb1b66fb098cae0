"""A copy shares nothing that a call could change, and is joined within itself as the original is."""

import functools
import threading
import weakref

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from gradwidgets.core.subject.copied.clone import Clone

TEACHER = nn.Linear(4, 4)


def test_what_was_one_object_stays_one_object():
    shared = nn.Linear(4, 4)
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared, nn.ReLU()), "c": nn.Linear(4, 4)})
    model["c"].weight = shared.weight
    model.again = [shared.weight, {"deep": (shared,)}]
    copied = Clone().of(model)
    assert copied["a"] is copied["b"][0] is copied.again[1]["deep"][0] and copied["a"] is not shared
    assert copied["c"].weight is copied["a"].weight is copied.again[0] and copied["a"].weight is not shared.weight


def test_memory_that_is_shared_is_shared_by_the_copies_alone():
    flat = torch.arange(12.0)
    model = nn.Module()
    model.first, model.second = nn.Parameter(flat[:6].view(2, 3)), nn.Parameter(flat[6:].view(3, 2).t())
    model.whole = flat
    copied = Clone().of(model)
    with torch.no_grad():
        copied.first.fill_(-1)
        copied.second[0, 0] = -2
    assert copied.whole.tolist() == [-1.0] * 6 + [-2.0, 7.0, 8.0, 9.0, 10.0, 11.0]
    assert flat.tolist() == list(range(12)) and copied.second.stride() == model.second.stride()


def test_functions_see_the_copies():
    model = nn.Linear(4, 4)
    model.late = lambda x: model(x) * 2
    model.method, model.part = model.forward, functools.partial(model.forward)

    def loss(output, targets):
        return output.sum() + model.weight.square().sum() + TEACHER.weight.sum()

    clone = Clone()
    copied, own = clone.of(model), clone.of(loss)
    with torch.no_grad():
        for parameter in (*copied.parameters(), *clone.of(TEACHER).parameters()):
            parameter.zero_()
    x = torch.ones(2, 4)
    assert own(x, None).item() == 8 and loss(x, None).item() != 8
    for call in (copied.late, copied.method, copied.part):
        assert not call(x).any()


@pytest.mark.parametrize("dtype", [None, torch.float64])
def test_numbers_are_the_same_in_another_dtype_if_asked(dtype):
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.BatchNorm1d(4), nn.Embedding(3, 2))
    copied = Clone(dtype).of(model)
    for one, other in zip(model.state_dict().values(), copied.state_dict().values(), strict=True):
        assert torch.equal(one, other.to(one.dtype))
        assert other.dtype == (dtype if dtype and one.is_floating_point() else one.dtype)
    assert all(p.is_leaf and p.requires_grad for p in copied.parameters())
    x = torch.randn(5, 4)
    assert torch.allclose(copied[:2](x.to(dtype or x.dtype)).to(x.dtype), model[:2](x), atol=1e-6)


def test_references_back_lead_to_the_copy():
    model = nn.Sequential(nn.Linear(2, 2))
    object.__setattr__(model[0], "parent", model)
    model[0].weak, model[0].proxy = weakref.ref(model), weakref.proxy(model)
    copied = Clone().of(model)
    assert copied[0].parent is copied[0].weak() is copied
    assert len(copied[0].proxy) == 1 and copied[0].proxy.__repr__.__self__ is copied


def test_what_cannot_be_copied_is_shared_and_named():
    model = nn.Linear(2, 2)
    model.lock, model.numbers = threading.Lock(), (k for k in range(3))
    clone = Clone()
    copied = clone.of(model)
    assert copied.lock is model.lock and copied.numbers is model.numbers
    assert clone.shared == {"_thread.lock", "builtins.generator"}


def test_generators_go_on_apart():
    model = nn.Linear(2, 2)
    model.draws = torch.Generator().manual_seed(3)
    copied = Clone().of(model)
    assert torch.equal(torch.rand(3, generator=copied.draws), torch.rand(3, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(model.draws.get_state(), torch.Generator().manual_seed(3).get_state())


def test_hooks_of_modules_are_copied_and_those_of_tensors_are_not():
    model, ran = nn.Linear(2, 2), []
    handle = model.register_forward_hook(lambda *_: ran.append(1))
    model.handle = handle
    model.weight.register_hook(lambda g: ran.append(2))
    copied = Clone().of(model)
    copied(torch.ones(1, 2)).sum().backward()
    assert ran == [] and len(copied._forward_hooks) == 1
    copied.handle.remove()
    assert not copied._forward_hooks and len(model._forward_hooks) == 1
