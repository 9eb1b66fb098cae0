"""What cannot be measured, or is not meant to be trained, is answered with what it is and what to do."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from gradwidgets.core.layers import FlowError, layer_flow, preflight
from gradwidgets.core.layers.preflight.cures import told
from gradwidgets.core.layers.preflight.failure import Raised
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs, through

X, Y = torch.randn(10, 4, generator=torch.Generator().manual_seed(0)), torch.arange(10) % 3


def refusal(model, inputs=X, targets=Y, loss_fn=F.cross_entropy):
    """What both say, which has to be of one cause."""
    with pytest.raises(FlowError) as refused:
        layer_flow(model, inputs, targets, loss_fn)
    (finding,) = preflight(model, inputs, targets, loss_fn)
    assert finding.severity == "error" and finding.action in str(refused.value)
    return finding


def both(model, inputs=X, targets=Y, loss_fn=F.cross_entropy):
    """The only finding of each."""
    (one,), (other,) = preflight(model, inputs, targets, loss_fn), diagnose(layer_flow(model, inputs, targets, loss_fn))
    assert (one.message, one.action) == (other.message, other.action) and other.severity == "error"
    return one


@pytest.mark.parametrize(
    ("model", "words", "cure"),
    [
        (nn.Sequential(nn.Flatten(), nn.Tanh()), "the model has no parameters", "nn.Parameter"),
        (nn.ReLU(), "the model has no parameters", "nn.Parameter"),
        (through(4, 8, 3).requires_grad_(False), "all 4 parameters are frozen", "requires_grad_(True)"),
        (nn.Linear(4, 3, bias=False).requires_grad_(False), "its one parameter is frozen", "requires_grad_(True)"),
    ],
)
def test_a_model_in_which_nothing_is_to_be_trained_is_said_to_be_one(model, words, cure):
    finding = both(model)
    assert words in finding.message and cure in finding.action
    # What has parameters may be there to run alone, as far as a batch can tell.
    assert finding.severity == ("error" if "no parameters" in words else "info")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("whole", [True, False])
def test_a_quantised_model_is_said_to_be_for_running_alone(whole):
    made = torch.ao.quantization.quantize_dynamic(through(4, 8, 3), {nn.Linear}, dtype=torch.qint8)
    finding = both(made if whole else nn.Sequential(made, nn.Softplus()))
    names = "0, 2" if whole else "0.0, 0.2"
    assert f"the model is quantised ({names})" in finding.message and "quantisation-aware" in finding.action


def test_frozen_weights_are_no_matter_where_an_input_asks_for_a_gradient():
    x = X.clone().requires_grad_()
    assert preflight(through(4, 8, 3).requires_grad_(False), x, Y, F.cross_entropy) == []


def _backward(out, y):
    loss = F.cross_entropy(out, y)
    loss.backward()
    return loss


def _autograd(out, y):
    loss = F.cross_entropy(out, y)
    torch.autograd.backward(loss)
    return loss


@pytest.mark.parametrize("loss_fn", [_backward, _autograd])
def test_a_loss_that_goes_back_itself_is_told_of_it(loss_fn):
    finding = refusal(through(4, 8, 3), loss_fn=loss_fn)
    assert finding.name == "backward_in_loss" and "return the loss" in finding.action


def test_a_loss_that_goes_back_from_something_else_is_not():
    def loss(out, y):
        leaf = out.detach().requires_grad_()
        leaf.square().sum().backward()
        return F.cross_entropy(out, y) + 0.1 * leaf.grad.mean()

    assert preflight(through(4, 8, 3), X, Y, loss) == []


@pytest.mark.parametrize(
    "model", [through(4, 8, 3), nn.Sequential(nn.LSTM(4, 8), Runs(lambda s, x: s.a(x[0]), a=nn.Linear(8, 3)))]
)
def test_inputs_and_targets_that_are_exchanged_are_not_to_be_converted(model):
    finding = refusal(model, Y, X)
    assert "seem to be exchanged" in finding.action and ".float()" not in finding.action


def test_pictures_and_their_labels_that_are_exchanged_are_told_too():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    pictures, labels = torch.randn(6, 3, 4, 4), torch.arange(6).reshape(6, 1, 1, 1) % 2
    assert "seem to be exchanged" in refusal(model, labels.expand(6, 3, 1, 1), pictures).action


@pytest.mark.parametrize(
    ("shape", "stand_last"),
    [((6, 9, 7, 5), True), ((6, 7, 7, 5), True), ((6, 7, 5, 5), False), ((6, 7, 5, 9), False)],
)
def test_channels_are_said_to_stand_last_where_no_other_axis_fits(shape, stand_last):
    model = nn.Sequential(nn.Conv2d(5, 4, 3), nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(FlowError) as refused:
        layer_flow(model, torch.randn(shape), torch.arange(6) % 3, F.cross_entropy)
    assert ("stand last" in str(refused.value)) == stand_last


def test_inputs_of_whole_numbers_with_labels_are_to_be_converted():
    assert "inputs.float()" in refusal(through(4, 8, 3), X.long(), Y).action


def _nothing(s, x):
    s.a(x)


def _generated(s, x):
    yield s.a(x)


async def _awaited(s, x):
    return s.a(x)


@pytest.mark.parametrize(("run", "cure"), [(_nothing, "return"), (_generated, "yield")])
def test_a_model_that_gives_no_tensor_is_told_what_it_gives(run, cure):
    finding = refusal(Runs(run, a=nn.Linear(4, 3)))
    assert "The model returns" in finding.action and cure in finding.action


def test_so_is_one_that_would_have_to_be_awaited():
    output = _awaited(None, X)
    output.close()
    error = TypeError("argument 'input' (position 1) must be Tensor, not coroutine")
    assert "async def" in told(Raised(error, nn.Identity(), X, Y, output, True)).action


def test_a_loss_that_takes_nothing_of_a_model_that_gives_none_is_not_told_of_it():
    with pytest.raises(FlowError) as refused:
        layer_flow(Runs(_nothing, a=nn.Linear(4, 3)), X, Y, lambda out, y: y.cosine())
    assert "returns None" not in str(refused.value)


def _exits(*_):
    raise SystemExit(3)


def test_what_would_end_the_process_is_an_error_of_the_model_or_the_loss_and_leaves_the_model_as_it_was():
    model = Runs(_exits, a=nn.Linear(4, 3))
    before = {key: one.clone() for key, one in model.state_dict().items()}
    assert "SystemExit: 3" in refusal(model).message
    assert "SystemExit: 3" in refusal(through(4, 3), loss_fn=_exits).message
    assert all(torch.equal(one, before[key]) for key, one in model.state_dict().items())


def test_an_interrupt_stays_one():
    def stops(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layer_flow(Runs(stops, a=nn.Linear(4, 3)), X, Y, F.cross_entropy)


class Fails(torch.autograd.Function):
    """Cannot go back."""

    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        raise ArithmeticError("no way")


def test_where_a_way_back_fails_is_told_by_function_layer_and_line():
    inner = Runs(lambda s, x: Fails.apply(s.a(x)), a=nn.Linear(4, 3))
    with pytest.raises(FlowError, match=r"no way \(in the backward of Fails, called in 0 \(Runs\), test_refusals.py, "):
        layer_flow(nn.Sequential(inner, nn.Linear(3, 3)), X, Y, F.cross_entropy)
    with pytest.raises(FlowError, match=r"no way \(in the backward of Fails, test_refusals.py, line"):
        layer_flow(nn.Linear(4, 3), X, Y, lambda out, y: F.cross_entropy(Fails.apply(out), y))


def test_a_hook_that_fails_on_the_way_back_is_told_by_its_line():
    def run(s, x):
        h = s.a(x)
        h.register_hook(lambda g: g.no_such())
        return h

    with pytest.raises(FlowError, match=r"no_such.* \(test_refusals.py, line"):
        layer_flow(Runs(run, a=nn.Linear(4, 3)), X, Y, F.cross_entropy)


def test_what_is_known_of_a_training_alone_is_refused_with_one_pass_in_a_sentence():
    flow = layer_flow(through(4, 8, 3), X, Y, F.cross_entropy)
    with pytest.raises(TypeError, match=r"diagnose takes lr=… with the history of a training .* leave it out"):
        diagnose(flow, lr=0.1)
    with pytest.raises(TypeError, match="leave them out"):
        diagnose(flow, lr=0.1, losses=[1.0])


def test_what_torch_warns_of_is_told_once_and_does_not_leak_from_further_passes():
    model = Runs(lambda s, x: s.b(checkpoint(s.a, x, use_reentrant=True)), a=nn.Linear(4, 3), b=nn.Linear(3, 3))
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        said = diagnose(layer_flow(model, X, Y, F.cross_entropy))
    assert [one.name for one in said] == ["no_gradient", "torch_warning"] and leaked == []
