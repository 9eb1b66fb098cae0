"""torch's own test modules, with its own sample inputs, in both modes: measured as backward says, and left as is."""

import math
import warnings

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers import FlowError, layer_flow
from gradwidgets.core.subject.held.held import Held

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch's tests import is torch's business
    from torch.testing._internal.common_modules import module_db

pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = {info.name.removeprefix("nn."): info for info in module_db}
MOST = 3  # samples of a module


class Called(nn.Module):
    """A module with what torch's tests call it with."""

    def __init__(self, module, args, kwargs):
        super().__init__()
        self.module, self.args, self.kwargs = module, args, kwargs

    def forward(self, nothing):
        return self.module(*self.args, **self.kwargs)


def size(output, nothing) -> torch.Tensor:
    """A loss of whatever comes out."""
    leaves = [t for t in pytree.tree_leaves(output) if isinstance(t, torch.Tensor) and t.is_floating_point()]
    return sum(((t - 0.1) ** 2).sum() for t in leaves)


def samples(info, training):
    made = info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=training)
    for sample in list(made)[:MOST]:
        if sample.forward_input is None:
            continue
        torch.manual_seed(0)
        module = info.module_cls(*sample.constructor_input.args, **sample.constructor_input.kwargs).train(training)
        yield Called(module, sample.forward_input.args, sample.forward_input.kwargs)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_module_of_torch_is_measured_and_left_alone(kind, training):
    met = 0
    for model in samples(KINDS[kind], training):
        met += 1
        state = Held(model)
        torch.manual_seed(1)
        try:
            flow = layer_flow(model, torch.zeros(1), None, size)
        except FlowError:
            with pytest.raises(RuntimeError):  # without us too
                model(None)
            continue
        assert flow.certificate.unchanged
        certificate = state.put_back()
        assert certificate.unchanged and certificate.put_back == ()
        if any(map(nn.parameter.is_lazy, [*model.parameters(), *model.buffers()])):
            continue  # measured on a copy: no numbers of its own to compare with
        torch.manual_seed(1)
        loss = size(model(None), None)
        assert flow.loss == pytest.approx(float(loss.detach()), rel=1e-4, nan_ok=True)
        if loss.requires_grad:
            loss.backward()
        for stats in flow.layers:
            named = dict(model.get_submodule(stats.name).named_parameters(recurse=False))
            weights = {n: p for n, p in named.items() if "bias" not in n} or named
            if stats.gradient == "measured":
                norm = math.hypot(*(float(p.grad.double().norm()) for p in weights.values() if p.grad is not None))
                assert stats.weight_grad_norm == pytest.approx(norm, rel=1e-4, abs=1e-9, nan_ok=True)
            else:
                assert all(p.grad is None for p in weights.values())
    assert met


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 8), nn.Linear(8, 1)

    def forward(self, x):
        return self.two(torch.tanh(self.one(x)) * 2 + 1)


def test_a_scripted_model_is_measured_alike_however_often_it_has_run():
    model = torch.jit.script(Scripted())
    flows = [layer_flow(model, torch.ones(16, 4), torch.zeros(16, 1), nn.functional.mse_loss) for _ in range(3)]
    assert {flow.graph.names for flow in flows} == {flows[0].graph.names} and "tanh" in flows[0].graph.names
    assert torch._C._get_graph_executor_optimize()
