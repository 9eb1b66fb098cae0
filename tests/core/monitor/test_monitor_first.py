"""The first pass of a watched training is looked at, and nothing of the training changes by it."""

import copy
import pickle
import warnings
import weakref

import pytest
import torch
from torch import nn

from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.monitor import GradientHistory, GradientMonitor, diagnose
from tests.core.monitor.watched import hooks

LOSS = nn.functional.cross_entropy


def net(*last):
    torch.manual_seed(0)
    layers = nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4)
    return nn.Sequential(*layers, *last)


def plain(*last):
    """Without a normalisation, so that the inputs' scale matters."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4), *last)


def batch(scale=1.0):
    torch.manual_seed(1)
    return scale * torch.rand(32, 8), torch.randint(0, 4, (32,))


def train(model, scale=1.0, told=None, monitored=True, loss_fn=LOSS, steps=4, note=True, **options):
    """Train with a monitor that is told what `told` makes of inputs and targets, or nothing."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x, y = batch(scale)
    torch.manual_seed(2)
    monitor = GradientMonitor(model, optimizer, every=1, activations=True, updates=True, **options)
    if told is not None:
        monitor.expect(*told(x, y))
    if monitored:
        monitor.__enter__()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        if note:
            monitor.note_loss(loss)
        optimizer.step()
    monitor.close()
    return monitor.history


def names(history):
    return [one.name for one in diagnose(history) if one.severity in ("warning", "error")]


def with_loss(x, y):
    return x, y, LOSS


@pytest.mark.parametrize("told", [None, with_loss, lambda x, y: (torch.zeros(3), y, LOSS)])
def test_weights_buffers_and_random_numbers_are_the_same_to_the_bit(told):
    alone, watched = net(nn.Softmax(-1)), net(nn.Softmax(-1))
    train(alone, monitored=False)
    drawn = torch.rand(5)
    train(watched, told=told)
    assert torch.equal(torch.rand(5), drawn) and hooks(watched) == 0
    pairs = zip(alone.state_dict().items(), watched.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(p, q) for (a, p), (b, q) in pairs)
    assert alone.training == watched.training


def test_what_the_monitor_records_is_the_same_with_and_without_it():
    first = train(net(), told=with_loss)
    without = train(net(), preflight=False)
    for name, values in first.quantities.items():
        assert torch.equal(values.nan_to_num(-1), without.quantities[name].nan_to_num(-1)), name
    assert first.looked_at == ("inputs", "weights", "targets", "loss") and without.looked_at == ()


def test_what_is_wrong_with_batch_and_loss_comes_first_in_the_verdict():
    found = diagnose(train(plain(nn.Softmax(-1)), scale=255.0, told=with_loss))
    assert [one.name for one in found[:2]] == ["not_logits", "input_scale"]
    assert all(one.name != "healthy" for one in found)


def test_a_loop_that_tells_nothing_is_looked_at_by_hooks_and_that_is_said():
    history = train(plain(), scale=255.0)
    assert names(history)[0] == "input_scale"
    assert history.looked_at == ("inputs", "weights")
    assert history.unseen == (
        "targets were not looked at, and of the loss only what its graph shows: the loop does not tell them"
    )


def test_a_softmax_is_seen_in_the_graph_of_the_loss_that_the_loop_notes():
    assert names(train(net(nn.Softmax(-1)))) == ["not_logits"]
    assert names(train(net(nn.Softmax(-1)), note=False)) == []
    assert names(train(net())) == names(train(net(nn.LogSoftmax(-1)), loss_fn=nn.functional.nll_loss)) == []


def test_another_loss_than_the_one_that_was_told_is_not_judged_by_it():
    def other(x, y):
        return x, y.float().unsqueeze(1), nn.functional.mse_loss  # (32, 4) against (32, 1): a broadcast

    assert "broadcast" in names(train(net(), told=other, note=False))
    history = train(net(), told=other)
    assert names(history) == [] and history.looked_at == ("inputs", "weights")
    assert "the loop's first loss is 1." in history.unseen and "was told it would be" in history.unseen


def test_batches_that_do_not_come_are_not_looked_at():
    history = train(net(), told=lambda x, y: (x + 1, y, LOSS))
    assert history.looked_at == ("inputs", "weights")
    moved = train(net(), told=lambda x, y: (x.double(), y, LOSS))  # the same numbers in another type
    assert "targets" in moved.looked_at


def test_a_copy_makes_no_more_than_one_pass_and_the_model_none():
    calls = []

    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.ran = nn.Linear(8, 4), 0

        def forward(self, x):
            self.ran += 1
            calls.append(id(self))
            return self.layer(x)

    for told, passes in ((None, 4), (with_loss, 5)):
        calls.clear()
        model = Counted()
        train(model, told=told)
        assert model.ran == 4 and len(calls) in (4, passes)


@pytest.mark.parametrize("told", [None, with_loss])
def test_what_raises_is_raised_by_the_loop_as_ever_and_leaves_no_hook(told):
    model = net()
    x, y = batch()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), GradientMonitor(model) as monitor:
        if told:
            monitor.expect(x[:, :5], y, LOSS)
        model(x[:, :5])
    assert hooks(model) == 0
    assert not told or monitor.history.preflight[0].name == "raised"


def test_a_look_that_fails_is_a_reason_and_no_failure(monkeypatch):
    monkeypatch.setattr(Subject, "looked_at", lambda *_: 1 / 0)
    history = train(net(), told=with_loss)
    assert history.unseen == "inputs, targets and loss were not looked at: ZeroDivisionError: division by zero"
    assert names(history) == []


def test_a_loop_that_never_trains_is_not_held_in_memory():
    monitor, held = GradientMonitor(net()), []
    for _ in range(50):
        made = torch.zeros(2, 8)
        held.append(weakref.ref(made))
        monitor.expect(made, None, LOSS)
    assert sum(one() is not None for one in held) <= 5
    assert held[0]() is not None and held[-1]() is not None


def test_a_single_layer_is_looked_at_too():
    torch.manual_seed(0)
    model = nn.Linear(8, 4)
    assert names(train(model, scale=255.0))[0] == "input_scale" and hooks(model) == 0


def test_a_pass_without_gradients_is_not_the_first():
    model = net()
    x, _ = batch()
    with GradientMonitor(model) as monitor:
        with torch.no_grad():
            model(x)
        assert monitor.history.looked_at == ()
        model(x).sum().backward()
        assert monitor.history.looked_at == ("inputs", "weights")


def test_named_arguments_are_inputs_too():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, x, scale):
            return self.layer(x * scale)

    model = Two()
    x, y = batch()
    with GradientMonitor(model) as monitor:
        monitor.expect({"x": x, "scale": 2.0}, y, LOSS)
        model(x, scale=2.0).sum().backward()
    assert "targets" in monitor.history.looked_at


def test_a_scripted_model_is_said_not_to_be_looked_at():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = torch.jit.script(nn.Linear(8, 4))
    with GradientMonitor(model) as monitor:
        model(torch.zeros(2, 8)).sum().backward()
    assert monitor.history.unseen.endswith("hooks do not run in a scripted module")


def test_a_copy_or_a_pickle_made_meanwhile_reports_to_nobody():
    model = net()
    with GradientMonitor(model) as monitor:
        for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            made(batch()[0]).sum().backward()
            assert monitor.history.looked_at == ()


def test_a_monitor_that_is_dropped_takes_its_hook_along():
    model = net()
    GradientMonitor(model).__enter__()
    assert hooks(model) == 0


def test_the_findings_are_kept_in_the_file(tmp_path):
    history = train(net(nn.Softmax(-1)), scale=255.0, told=with_loss)
    history.save(tmp_path / "record")
    again = GradientHistory.load(tmp_path / "record")
    assert again == history and again.preflight[0].evidence == history.preflight[0].evidence
    assert torch.equal(again.noted_losses, history.noted_losses) and len(again.noted_losses) == 4


def test_what_cannot_be_a_loss_is_refused():
    with pytest.raises(TypeError, match="loss_fn must be callable"):
        GradientMonitor(net()).expect(torch.zeros(2, 8), torch.zeros(2), "mse")


@pytest.mark.parametrize("after", [False, True], ids=["before the step", "after the step"])
def test_the_first_loss_that_is_not_finite_has_its_step_sampled_and_its_batch_told(after):
    model = nn.Linear(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = batch()
    with GradientMonitor(model, optimizer, every=1000) as monitor:
        for step in range(40):
            monitor.note_batch(step % 7)
            optimizer.zero_grad()
            loss = LOSS(model(x), y) * (float("nan") if step == 26 else 1.0)
            loss.backward()
            if after:
                optimizer.step()
                monitor.note_loss(loss.item())
            else:
                monitor.note_loss(loss)
                optimizer.step()
    found = diagnose(monitor.history)[0]
    assert found.name == "non_finite" and found.evidence["step"] == 27 and found.evidence["batch"] == 26 % 7
    if not after:
        assert monitor.history.steps.tolist() == [1, 27]
        assert found.evidence["layers"] == ["(Linear)"]
