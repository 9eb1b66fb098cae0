"""What goes in and what the loss makes of it: the sick are named, the sound are left alone, nothing is changed."""

import copy
import json
import math
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from gradwidgets.core.layers import layer_flow, preflight
from gradwidgets.core.layers.preflight import Entry, LossCall, Warned, batch_findings, reconsidered
from tests.core.layers.gallery import HEALTHY
from tests.core.layers.preflight.flat import FLAT_SICK, FLAT_SOUND
from tests.core.layers.preflight.more import MORE_SICK, MORE_SOUND, Warns
from tests.core.layers.preflight.parts import Calls, Convolutions, batch, drawn, labels, net, randn, regression
from tests.core.layers.preflight.sick import SICK
from tests.core.layers.preflight.sound import SOUND
from tests.core.layers.zoo import ZOO

BAD = ("warning", "error")
ALL_SICK = {case.name: case for case in (*SICK, *MORE_SICK, *FLAT_SICK)}
ALL_SOUND = {case.name: case for case in (*SOUND, *MORE_SOUND, *FLAT_SOUND)}


def bad(findings):
    return [one for one in findings if one.severity in BAD]


@pytest.mark.parametrize("name", ALL_SICK)
def test_what_is_sick_is_named_and_nothing_else_is(name):
    case = ALL_SICK[name]
    found = bad(preflight(*case.make()))
    assert {one.name for one in found} == {case.finding}, [str(one) for one in found]
    assert all(one.message and one.action and one.evidence for one in found)
    json.dumps([one.to_dict() for one in found])


@pytest.mark.filterwarnings("ignore:a new version of this model")
@pytest.mark.parametrize("name", ALL_SOUND)
def test_what_is_sound_is_left_alone(name):
    assert [str(one) for one in bad(preflight(*ALL_SOUND[name].make()))] == []


@pytest.mark.parametrize("name", HEALTHY)
def test_no_alarm_for_a_healthy_network(name):
    assert preflight(*HEALTHY[name]()) == []


@pytest.mark.parametrize("name", [name for name in ZOO if name not in ("cut off", "no parameters")])
def test_no_alarm_for_models_of_any_kind(name):
    model, inputs, loss, *_ = ZOO[name]()
    assert [str(one) for one in bad(preflight(model, inputs, None, loss))] == []


def test_names_and_numbers_are_told():
    x, y = randn(32, 16), labels(32)
    x[3, 5], x[4, 1] = math.nan, math.nan
    (one,) = preflight(net(4), x, y, F.cross_entropy)
    assert "2 of 512 numbers in inputs are NaN, the first at [3, 5]" in one.message
    assert (one.evidence["NaN"], one.evidence["infinite"], one.evidence["first index"]) == (2, 0, [3, 5])
    (one,) = preflight(*regression(loss=nn.MSELoss())[:3], lambda o, t: ((o - t) ** 2).mean())
    assert one.evidence["result"] == [32, 32] and "(32, 1)" in one.message and "(32,)" in one.message
    pixels = torch.randint(0, 256, (8, 3, 8, 8), generator=drawn()).float()
    (one,) = preflight(Convolutions(), pixels, labels(8), F.cross_entropy)
    assert one.evidence["mean"] == pytest.approx(float(pixels.mean()), rel=1e-5)
    assert one.evidence["std"] == pytest.approx(float(pixels.std(correction=0)), rel=1e-5)
    assert "first (Conv2d)" in one.message and "255" in one.action
    (one,) = preflight(net(4), randn(32, 16), labels(32) + 1, F.cross_entropy)
    assert "from 1 to 4" in one.message and "subtract 1" in one.action
    assert "Target 4 is out of bounds" not in one.message


@pytest.mark.parametrize("kind", ["finite loss", "loss that is NaN"])
def test_gaps_are_a_fault_only_where_they_reach_the_loss(kind):
    t = randn(32, 3)
    t[0, 0] = math.nan
    loss = F.mse_loss if "NaN" in kind else lambda o, t: (o - t).square().nanmean()
    (one,) = preflight(net(3), randn(32, 16), t, loss)
    assert (one.name, one.severity) == ("non_finite_data", "error" if "NaN" in kind else "info")


def test_the_model_the_batch_and_the_generator_stay_as_they_are():
    model, x, y, loss = batch(nn.Dropout(), nn.BatchNorm1d(4), nn.Softmax(1))
    before = copy.deepcopy(model.state_dict()), x.clone(), y.clone(), torch.get_rng_state()
    assert preflight(model, x, y, loss)
    assert all(torch.equal(a, b) for a, b in zip(before[0].values(), model.state_dict().values(), strict=True))
    assert torch.equal(before[1], x) and torch.equal(before[2], y) and torch.equal(before[3], torch.get_rng_state())
    assert all(one.grad is None and not one._backward_hooks for one in model.parameters())
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())


@pytest.mark.parametrize("name", [*ALL_SOUND])
@pytest.mark.filterwarnings("ignore")
def test_a_watched_call_gives_the_same_loss_and_gradients_to_the_bit(name):
    def gradients(watched):
        torch.manual_seed(0)
        model, x, y, loss_fn = ALL_SOUND[name].make()
        output = model(**x) if isinstance(x, dict) else model(*x) if isinstance(x, tuple) else model(x)
        told = LossCall(output, y)
        if watched:
            with told:
                loss = loss_fn(output, y)
            told.findings(loss, lambda other: loss_fn(output, other))
        else:
            loss = loss_fn(output, y)
        wanted = [one for one in model.parameters() if one.requires_grad]
        return [loss, *torch.autograd.grad(loss.sum(), wanted, allow_unused=True)] if wanted else [loss]

    for a, b in zip(gradients(False), gradients(True), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


def test_other_outputs_are_asked_for_only_where_the_gradient_is_none():
    calls = []
    for loss in (F.mse_loss, lambda o, t: 0 * F.mse_loss(o, t)):
        model, x, y, _ = regression(target=(32, 1))
        output = model(x)
        held = output.detach().clone()
        told = LossCall(output, y)
        with told:
            value = loss(output, y)

        def again(other, loss=loss, output=output):
            calls.append(loss)
            return loss(output, other)

        told.findings(value, again)
        assert torch.equal(output, held)
    assert F.mse_loss not in calls and len(calls) == 4


def test_a_gradient_that_is_known_saves_the_pass_back_through_the_loss():
    model, x, y, loss_fn = batch()
    output, asked = model(x), []
    told = LossCall(output, y)
    with told:
        loss = loss_fn(output, y)
    output.register_hook(lambda g: asked.append(g))
    assert told.findings(loss, reaches=True) == [] and not asked
    assert told.findings(loss) == [] and asked


def test_what_is_known_when_the_loss_raises_is_kept():
    output, y = net(4)(randn(32, 16)), labels(32) + 7
    told = LossCall(output, y)
    with pytest.raises(IndexError), told:
        F.cross_entropy(output, y)
    assert [one.name for one in told.findings(None)] == ["labels"]


def test_what_is_known_when_the_model_raises_is_kept():
    model = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8))
    x = 1e5 * randn(1, 16)
    entry = Entry(model, x)
    with pytest.raises(ValueError, match="Expected more than 1 value"), entry:
        model(x)
    assert [one.name for one in entry.findings()] == ["batch_of_one"]
    assert not any(one._forward_pre_hooks for one in model.modules())


def odd_tensors():
    x = randn(4, 4)
    return {
        "meta": x.to("meta"),
        "empty": torch.empty(0, 4),
        "sparse": x.to_sparse(),
        "compressed": x.to_sparse_csr(),
        "nested": torch.nested.nested_tensor([x[0], x[1, :2]]),
        "jagged": torch.nested.nested_tensor([x[0], x[1, :2]], layout=torch.jagged),
        "quantised": torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
        "complex": torch.complex(x, x).conj(),
        "eight bits": x.to(torch.float8_e4m3fn),
        "half": x.half(),
        "bool": x > 0,
        "one number": torch.tensor(1.0),
        "bytes": b"abc",
        "a name": "abc",
        "None": None,
        "a function": len,
    }


@pytest.mark.filterwarnings("ignore:.*(Sparse|nested|quantiz|torch.ao|deprecated).*")
def test_no_kind_of_tensor_makes_it_raise():
    odd = odd_tensors()
    for one in odd.values():
        assert bad(batch_findings(net(4), (one, {"k": [one]}), one)) == []
        told = LossCall({"a": one, "b": [one]}, one)
        with told:
            pass
        assert told.findings(None) == []
        assert told.findings(one if isinstance(one, torch.Tensor) else None, trained=False) == []
    hidden = odd["sparse"].clone()
    hidden._values()[2] = math.nan
    assert [one.name for one in batch_findings(net(4), hidden, None)] == ["non_finite_data"]
    hidden = odd["complex"].clone()
    hidden[1, 1] = complex(0, math.inf)
    assert [one.name for one in batch_findings(net(4), hidden, None)] == ["non_finite_data"]
    hidden = odd["half"].clone()
    hidden[0, 0] = 70000
    assert [one.evidence["infinite"] for one in batch_findings(net(4), hidden, None)] == [1]


def test_sums_that_overflow_are_no_infinity():
    assert batch_findings(net(4), torch.full((9, 9), 3e38), torch.full((9, 9), 6e4).half()) == []


@pytest.mark.filterwarnings("ignore:.*(Sparse|nested|quantiz|torch.ao|deprecated).*")
def test_no_loss_of_torchs_makes_it_raise():
    """Every function is called with what does not suit it; it must raise, if at all, what it raises by itself."""
    for output in odd_tensors().values():
        for loss in (
            F.cross_entropy,
            F.nll_loss,
            F.mse_loss,
            F.kl_div,
            F.binary_cross_entropy,
            F.log_softmax,
            F.ctc_loss,
        ):
            raised = []
            for watched in (False, True):
                told = LossCall(output, output)
                try:
                    if watched:
                        with told:
                            loss(output, output)
                    else:
                        loss(output, output)
                except Exception as error:
                    raised.append((type(error), str(error)))
            assert len(set(raised)) < 2


def test_a_warning_of_torch_is_told_and_ends_no_pass():
    model, x, y, _ = regression()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (one,) = preflight(model, x, y, F.mse_loss)
    assert one.name == "broadcast"
    with warnings.catch_warnings(record=True) as shown, Warned() as warned:
        F.softmax(randn(3, 3))
        F.softmax(randn(3, 3))
    assert [(one.name, one.severity) for one in warned.findings()] == [("torch_warning", "warning")]
    assert not shown and "Implicit dimension choice" in warned.findings()[0].message


def test_a_warning_that_torch_gives_once_is_told_each_time():
    for _ in range(2):
        with Warned() as warned:
            torch.complex(randn(3), randn(3)).to(torch.float32)
        assert ["imaginary" in one.message for one in warned.findings()] == [True]
    assert not torch.is_warn_always_enabled()


def test_somebody_elses_warning_reaches_its_reader():
    with pytest.warns(UserWarning, match="a new version"):
        assert preflight(Warns(), randn(32, 16), labels(32), F.cross_entropy) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (one,) = preflight(Warns(), randn(32, 16), labels(32), F.cross_entropy)
    assert one.severity == "info" and "a new version" in one.message


def test_modes_and_default_devices_of_others_do_not_reach_it():
    class Counts(TorchFunctionMode):
        names = ()

        def __torch_function__(self, func, types, args=(), kwargs=None):
            self.names = (*self.names, getattr(func, "__name__", ""))
            return func(*args, **(kwargs or {}))

    case = net(4), randn(32, 16), labels(32), F.cross_entropy
    with Counts() as counts, torch.device("meta"):
        assert preflight(*case) == []
    assert "cross_entropy" in counts.names and "aminmax" not in counts.names


def test_reconsidering_keeps_infinity_and_what_has_no_loss():
    x = randn(4, 16)
    x[0, 0] = math.inf
    found = batch_findings(net(4), x, None)
    assert [one.severity for one in reconsidered(found, torch.tensor(1.0))] == ["error"]
    assert reconsidered(found, None) == found


def test_layers_may_be_given_what_came_in_by_name():
    model = Calls(16, 4)
    x = 1e6 * randn(8, 16)
    entry = Entry(model, {"x": x})
    with entry:
        model(x=x)
    assert [one.evidence["tensor"] for one in entry.findings()] == ["inputs['x']"]


def test_no_model_is_refused_as_elsewhere():
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        preflight(3, randn(3), None, F.mse_loss)
    with pytest.raises(TypeError):
        preflight(net(4), randn(3, 16), None, "mse")


def test_it_agrees_with_the_flow_about_which_passes_fail():
    model, x, y, loss = net(4), randn(32, 15), labels(32), F.cross_entropy
    with pytest.raises(ValueError) as raised:
        layer_flow(model, x, y, loss)
    (one,) = preflight(model, x, y, loss)
    assert f"{one.message}. {one.action}" == str(raised.value)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (nn.MSELoss(reduction="sum"), "adds up over the 32 samples: its gradient is 32 times"),
        (lambda o, t: ((o - t) ** 2).sum(), "adds up over the 32 samples"),
        (lambda o, t: 0.5 * -(-((o - t) ** 2)).sum(), "adds up over the 32 samples"),
        (lambda o, t: F.l1_loss(o, t, reduction="sum") + F.smooth_l1_loss(o, t, reduction="sum"), "adds up over"),
        (lambda o, t: F.mse_loss(o, t) + 1e-3 * (o**2).sum(), "one term of the loss adds up over the 32 samples"),
        (lambda o, t: ((o - t) ** 2).sum() / len(o), ""),
        (lambda o, t: ((o - t) ** 2).sum(1).mean(), ""),
        (nn.MSELoss(), ""),
    ],
)
def test_a_loss_that_adds_up_over_samples_is_noted(loss, words):
    found = preflight(nn.Linear(16, 1), randn(32, 16), randn(32, 1), loss)
    assert [one.severity for one in found] == ["info"] * bool(words)
    assert all(words in one.message and one.action for one in found)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (torch.arange(64) // 32, "the 64 labels of this batch come in order: 32 of 0, then 32 of 1"),
        (torch.arange(64) // 16, "16 of 0, then 16 of 1, then 16 of 2 and so on"),
        (torch.arange(64) % 4, ""),
        (torch.tensor([0, 1] * 32), ""),
        (torch.arange(12) // 6, ""),  # few
        (torch.tensor([0] * 63 + [1]), ""),  # a rare class
    ],
)
def test_labels_that_come_in_order_are_noted(y, words):
    found = preflight(nn.Linear(16, 4, bias=False), randn(len(y), 16), y, F.cross_entropy)
    assert [one.severity for one in found] == ["info"] * bool(words) and all(words in one.message for one in found)


def test_pairs_that_are_numbered_are_no_classes_in_order():
    x = randn(32, 16)
    assert preflight(nn.Linear(16, 32), x, torch.arange(32), F.cross_entropy) == []


@pytest.mark.parametrize("detached", [True, False])
def test_a_target_that_the_model_makes_is_noted_unless_it_is_detached(detached):
    def loss(o, t):
        value = t + 0.9 * o[:, 1:].amax(1)
        return F.smooth_l1_loss(o[:, 0], value.detach() if detached else value)

    found = preflight(nn.Linear(16, 4), randn(32, 16), randn(32), loss)
    assert [one.name for one in found] == ([] if detached else ["moving_target"])
    assert all("detach()" in one.action and one.severity == "info" for one in found)
