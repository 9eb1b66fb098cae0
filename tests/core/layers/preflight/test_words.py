"""The commonest mistakes of a batch and a loss: what is wrong is said, where, and a cure that fits."""

# ruff: noqa: E501

from collections import namedtuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradwidgets.core.layers import layer_flow, preflight
from gradwidgets.core.results.finding import Finding
from tests.core.layers.preflight.parts import Calls, Logits, drawn, labels, net, randn


class Named(nn.Module):
    """Gives its output in something else."""

    def __init__(self, wrap):
        super().__init__()
        self.net, self.wrap = net(4), wrap

    def forward(self, x):
        return self.wrap(self.net(x))


class Recurrent(nn.Module):
    """A state from outside beside indices."""

    def __init__(self):
        super().__init__()
        self.table, self.cell, self.head = nn.Embedding(30, 8), nn.GRU(8, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, ids, state):
        return self.head(self.cell(self.table(ids), state)[0][:, -1])


Two = namedtuple("Two", "logits aux")


def words(out=30, *last):
    return nn.Sequential(nn.Embedding(30, 16), nn.Linear(16, out), *last)


def tokens(*shape, most=30):
    return torch.randint(0, most, shape, generator=drawn())


def into(model, x, y, loss):
    return model, x, y, loss


def spatial(out=5):
    return Logits(nn.Conv2d(3, out, 1))


def by_class(o, t):
    return F.nll_loss(o.log_softmax(1), t)


def picked(o, t):
    return -o[torch.arange(len(t)), t].log().mean()


def table():
    return nn.Sequential(nn.Embedding(50, 16), nn.Flatten(), nn.Linear(48, 4))


def binary(*last):
    return net(1, *last), randn(32, 16)


ids, few = tokens(8, 12), tokens(8, 12, most=5)
x, y = randn(32, 16), labels(32)
yes = labels(32, most=2).float()

# What is wrong → the finding's name, its severity, words in what it says, words in its cure, words it must not say.
Said = namedtuple("Said", "name severity message action case")
SAID = {
    "classes last": Said("labels", "error", "30 of them", "output.transpose(1, 2)", into(words(), ids, ids, F.cross_entropy)),
    "classes last, labels below T": Said("labels", "error", "come last", "output.reshape(-1, 30)", into(words(), ids, few, F.cross_entropy)),
    "classes last, nll_loss": Said("labels", "error", "come last", "output.transpose(1, 2)", into(words(30, nn.LogSoftmax(-1)), ids, few, nn.NLLLoss())),
    "classes last, images": Said("labels", "error", "7 of them", "output.movedim(-1, 1)", into(nn.Linear(3, 7), randn(2, 5, 6, 3), labels(2, 5, 6), F.cross_entropy)),
    "classes last, as many as steps": Said("labels", "warning", "linear layer", "output.transpose(1, 2)", into(words(), tokens(8, 30), tokens(8, 30), F.cross_entropy)),
    "classes last, as many as steps, no bias": Said("labels", "warning", "linear layer", "output.transpose(1, 2)", into(nn.Sequential(nn.Embedding(30, 16), nn.Linear(16, 30, bias=False)), tokens(8, 30), tokens(8, 30), F.cross_entropy)),
    "classes last, as many as steps, nll_loss": Said("labels", "warning", "linear layer", "output.transpose(1, 2)", into(words(30, nn.LogSoftmax(-1)), tokens(8, 30), tokens(8, 30), nn.NLLLoss())),
    "labels in a column": Said("labels", "error", "(32, 1)", "targets.squeeze(1).", into(net(4), x, y[:, None], F.cross_entropy)),
    "labels in a column of floats": Said("labels", "error", "(32, 1)", "targets.squeeze(1).long()", into(net(4), x, y[:, None].float(), F.cross_entropy)),
    "masks with a channel": Said("labels", "error", "(2, 1, 4, 4)", "targets.squeeze(1)", into(spatial(), randn(2, 3, 4, 4), labels(2, 1, 4, 4), F.cross_entropy)),
    "labels not flattened": Said("labels", "error", "(96,)", "targets.flatten()", into(words(), ids, ids, lambda o, t: F.cross_entropy(o.flatten(0, 1), t))),
    "one-hot whole numbers": Said("labels", "error", "(32, 4)", "targets.argmax(1)", into(net(4), x, F.one_hot(y, 4), F.cross_entropy)),
    "log_softmax over the samples": Said("not_log_probabilities", "error", "log_softmax is taken along dimension 0", "dim=1", into(net(4), x, y, lambda o, t: F.nll_loss(F.log_softmax(o, 0), t))),
    "log_softmax over the samples, from the end": Said("not_log_probabilities", "error", "along dimension 0", "dim=1", into(net(4), x, y, lambda o, t: F.nll_loss(F.log_softmax(o, -2), t))),
    "a layer of softmax over the samples": Said("not_log_probabilities", "error", "softmax is taken along dimension 0", "dim=1", into(net(4, nn.Softmax(0)), x, y, lambda o, t: F.nll_loss((o + 1e-9).log(), t))),
    "a layer of log_softmax over the samples": Said("not_log_probabilities", "error", "along dimension 0", "dim=1", into(net(4, nn.LogSoftmax(0)), x, y, nn.NLLLoss())),
    "picked by hand": Said("not_log_probabilities", "error", "along dimension 0", "dim=1", into(net(4, nn.Softmax(0)), x, y, picked)),
    "gathered": Said("not_log_probabilities", "error", "along dimension 0", "dim=1", into(net(4), x, y, lambda o, t: -o.log_softmax(0).gather(1, t[:, None]).mean())),
    "log_softmax over the steps": Said("not_log_probabilities", "error", "along dimension 1 of (8, 12, 30)", "dim=2", into(words(30, nn.LogSoftmax(1)), ids, ids, lambda o, t: F.nll_loss(o.transpose(1, 2), t))),
    "log_softmax over the steps, flattened": Said("not_log_probabilities", "error", "along dimension 1 of (8, 12, 30)", "dim=2", into(words(30, nn.LogSoftmax(1)), ids, ids, lambda o, t: F.nll_loss(o.flatten(0, 1), t.flatten()))),
    "softmax over the samples before cross_entropy": Said("not_logits", "error", "that softmax is taken along dimension 0 of (32, 4), and the 4 classes lie along dimension 1", "dim=1", into(net(4, nn.Softmax(0)), x, y, F.cross_entropy)),
    "the same by hand": Said("not_logits", "error", "softmax is taken along dimension 0 of (32, 4)", "dim=1", into(Named(lambda z: (lambda e: e / e.sum(0, keepdim=True))(z.exp())), x, y, F.cross_entropy)),
    "softmax over the rows of a picture": Said("not_logits", "error", "along dimension 2 of (2, 5, 4, 4), and the 5 classes lie along dimension 1", "dim=1", into(nn.Sequential(spatial(), nn.Softmax(2)), randn(2, 3, 4, 4), labels(2, 4, 4), F.cross_entropy)),
    "log_softmax over the samples before cross_entropy": Said("not_log_probabilities", "error", "log_softmax is taken along dimension 0", "dim=1", into(net(4, nn.LogSoftmax(0)), x, y, F.cross_entropy)),
    "ctc over the frames": Said("not_log_probabilities", "error", "log_softmax is taken along dimension 0 of (30, 4, 6), and ctc_loss reads 6 classes along dimension 2", "dim=2", into(nn.Sequential(nn.Linear(8, 6), nn.LogSoftmax(0)), randn(30, 4, 8), 1 + labels(4, 5), lambda o, t: F.ctc_loss(o, t, torch.full((4,), 30), torch.full((4,), 5)))),
    "kl_div over the samples": Said("not_log_probabilities", "error", "along dimension 0", "dim=1", into(net(4), x, randn(32, 4).softmax(1), lambda o, t: F.kl_div(o.log_softmax(0), t, reduction="batchmean"))),
    "double inputs": Said("raised", "error", "(in 0 (Linear))", "inputs.float()", into(net(4), x.double(), y, F.cross_entropy)),
    "whole numbers as inputs": Said("raised", "error", "(in 0 (Linear))", "inputs.float()", into(net(4), x.long(), y, F.cross_entropy)),
    "double images": Said("raised", "error", "(in function (Conv2d))", "inputs.float()", into(spatial(), randn(2, 3, 4, 4).double(), labels(2, 4, 4), F.cross_entropy)),
    "single inputs of a double model": Said("raised", "error", "(in 0 (Linear))", "inputs.double()", into(net(4).double(), x, y, F.cross_entropy)),
    "double inputs by name": Said("raised", "error", "(in net.0 (Linear))", "inputs['x'].float()", into(Named(lambda z: z), {"x": x.double()}, y, F.cross_entropy)),
    "a row against a column": Said("raised", "error", "Using a target size", "targets.unsqueeze(1)", into(*binary(nn.Sigmoid()), yes, F.binary_cross_entropy)),
    "a row against a column of logits": Said("raised", "error", "Target size", "targets.unsqueeze(1)", into(*binary(), yes, nn.BCEWithLogitsLoss())),
    "a column against a row of logits": Said("raised", "error", "Target size", "output.unsqueeze(1)", into(*binary(nn.Flatten(0)), yes[:, None], nn.BCEWithLogitsLoss())),
    "whole numbers as yes or no": Said("raised", "error", "Long", "targets.float()", into(*binary(), yes.long()[:, None], nn.BCEWithLogitsLoss())),
    "a list of lists": Said("raised", "error", "not list", "torch.tensor(inputs)", into(net(4), x.tolist(), y, F.cross_entropy)),
    "a list of tensors": Said("raised", "error", "not list", "torch.stack(inputs)", into(net(4), list(x), y, F.cross_entropy)),
    "an array": Said("raised", "error", "(in 0 (Linear))", "torch.as_tensor(inputs)", into(net(4), x.numpy(), y, F.cross_entropy)),
    "a list by name": Said("raised", "error", "(in net.0 (Linear))", "inputs['x'] is of type list", into(Named(lambda z: z), {"x": x.tolist()}, y, F.cross_entropy)),
    "double sequences": Said("raised", "error", "(in body (LSTM))", "inputs.float()", into(Calls(16, 4, nn.LSTM(16, 8)), randn(5, 4, 16).double(), labels(5, 4), F.cross_entropy)),
    "double inputs into batch norm": Said("raised", "error", "(in 0 (BatchNorm1d))", "inputs.float()", into(nn.Sequential(nn.BatchNorm1d(16), net(4)), x.double(), y, F.cross_entropy)),
    "a tuple within the model": Said("raised", "error", "(in 1 (Linear))", "[0]", into(nn.Sequential(nn.LSTM(16, 8), nn.Linear(8, 4)), randn(5, 4, 16), labels(5), F.cross_entropy)),
    "targets in a list": Said("raised", "error", "not list", "torch.tensor(targets)", into(net(4), x, y.tolist(), F.cross_entropy)),
    "an index too large": Said("raised", "error", "(in 0 (Embedding))", "up to 57, the table has 50 rows", into(table(), torch.tensor([[1, 2, 57]] * 4), y[:4], F.cross_entropy)),
    "an index below 0": Said("raised", "error", "(in 0 (Embedding))", "from −1 to 2", into(table(), torch.tensor([[1, 2, -1]] * 4), y[:4], F.cross_entropy)),
    "indices as floats": Said("raised", "error", "(in 0 (Embedding))", ".long()", into(table(), torch.tensor([[1.0, 2.0, 3.0]] * 4), y[:4], F.cross_entropy)),
    "a tuple": Said("raised", "error", "not tuple", "loss(output[0], targets)", into(Named(lambda z: (z, z)), x, y, F.cross_entropy)),
    "a tuple by hand": Said("raised", "error", "'tuple'", "loss(output[0], targets)", into(Named(lambda z: (z, z)), x, randn(32, 4), lambda o, t: (o - t).square().mean())),
    "a tuple that is named": Said("raised", "error", "Two", "loss(output.logits, targets)", into(Named(lambda z: Two(z, z)), x, y, F.cross_entropy)),
    "a dict": Said("raised", "error", "not dict", "loss(output['logits'], targets)", into(Named(lambda z: {"aux": z, "logits": z}), x, y, F.cross_entropy)),
    "no samples": Said("empty_batch", "error", "0 samples", "filter", into(net(4), x[:0], y[:0], F.cross_entropy)),
    "no samples, no inputs known by name": Said("empty_batch", "error", "(0, 12)", "filter", into(words(), ids[:0], ids[:0], lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten()))),
    "inputs of zeros": Said("constant_inputs", "info", "inputs are all 0, 32 samples", "data", into(net(4), 0 * x, y, F.cross_entropy)),
    "one sample many times": Said("constant_inputs", "info", "the same for every sample", "data", into(net(4), {"input": x[:1].repeat(32, 1)}, y, F.cross_entropy)),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_it_is_said_where_and_what_helps(name):
    expected = SAID[name]
    (one,) = preflight(*expected.case)
    assert (one.name, one.severity) == (expected.name, expected.severity), str(one)
    assert expected.message in one.message and expected.action in one.action, str(one)
    assert ".." not in str(one) and "Give the output" not in one.action


@pytest.mark.parametrize("name", [name for name, one in SAID.items() if one.name == "raised"])
def test_a_flow_that_fails_says_the_same(name):
    expected = SAID[name]
    with pytest.raises(ValueError) as raised:
        layer_flow(*expected.case)
    assert expected.message in str(raised.value) and expected.action in str(raised.value)
    assert ".." not in str(raised.value)


QUIET = {
    "classes in dimension 1": into(words(), ids, ids, lambda o, t: F.cross_entropy(o.transpose(1, 2), t)),
    "as many as steps, transposed": into(words(), tokens(8, 30), tokens(8, 30), lambda o, t: F.cross_entropy(o.transpose(1, 2), t)),
    "as many as steps, from a convolution": into(nn.Conv1d(16, 9, 1), randn(8, 16, 9), labels(8, 9), F.cross_entropy),
    "as many as steps, all from one row": into(Logits(nn.Sequential(nn.Linear(16, 81), nn.Unflatten(1, (9, 9)))), x, labels(32, 9), F.cross_entropy),
    "square images": into(spatial(4), randn(2, 3, 4, 4), labels(2, 4, 4), F.cross_entropy),
    "shares in a column": into(net(4), x, randn(32, 4).softmax(1), F.cross_entropy),
    "softmax over the steps is the classes'": into(words(30, nn.LogSoftmax(-1)), ids, ids, lambda o, t: F.nll_loss(o.transpose(1, 2), t)),
    "softmax of channels": into(nn.Sequential(spatial(), nn.LogSoftmax(1)), randn(2, 3, 4, 4), labels(2, 4, 4), nn.NLLLoss()),
    "some classes left out": into(net(6), x, y, lambda o, t: F.nll_loss(o.log_softmax(1)[:, :4], t)),
    "priors added to the logarithms": into(net(4), x, y, lambda o, t: F.nll_loss(o.log_softmax(1) + torch.tensor([0.1, 0.2, 0.3, 0.4]).log(), t)),
    "priors added, steps": into(words(), ids, ids, lambda o, t: F.nll_loss((o.log_softmax(-1) + torch.rand(30, generator=drawn()).log()).transpose(1, 2), t)),
    "logarithms bounded from below": into(net(40), x, y, lambda o, t: F.nll_loss(o.log_softmax(1).clamp(min=-1.5), t)),
    "pairs both ways": into(net(16), x, x, lambda o, t: (F.nll_loss((o @ t.T).log_softmax(0), torch.arange(32)) + F.nll_loss((o @ t.T).log_softmax(1), torch.arange(32))) / 2),
    "pairs both ways, by cross_entropy": into(net(16), x, torch.arange(32), lambda o, t: F.cross_entropy((o @ o.detach().T).log_softmax(0), t)),
    "log_softmax twice": into(net(4, nn.LogSoftmax(1)), x, y, F.cross_entropy),
    "kl_div over places": into(net(4), x, randn(32, 4).softmax(0), lambda o, t: F.kl_div(o.log_softmax(0), t, reduction="sum") / 4),
    "a policy's own actions": into(net(4), x, y, lambda o, t: -o.log_softmax(1).gather(1, t[:, None]).mean()),
    "picked by hand": into(net(4, nn.Softmax(1)), x, y, picked),
    "logsoftmax of classes": into(net(4), x, y, by_class),
    "a state of zeros": into(Recurrent(), (tokens(8, 5), torch.zeros(1, 8, 8)), labels(8), F.cross_entropy),
    "indices that are alike": into(words(), torch.ones(8, 12, dtype=torch.long), few, lambda o, t: F.cross_entropy(o.transpose(1, 2), t)),
    "one sample": into(net(4), x[:1], y[:1], F.cross_entropy),
    "two floating inputs": into(nn.Bilinear(16, 16, 4), (0 * x, x), y, F.cross_entropy),
}  # fmt: skip


@pytest.mark.parametrize("name", QUIET)
def test_what_only_looks_like_it_goes_unsaid(name):
    assert [str(one) for one in preflight(*QUIET[name])] == []


def test_labels_out_of_bounds_are_told_with_one_full_stop():
    with pytest.raises(ValueError, match="out of bounds") as raised:
        layer_flow(net(4), x, y + 1, F.cross_entropy)
    assert ".." not in str(raised.value) and "out of bounds. labels go from 1 to 4" in str(raised.value)


def test_a_message_that_ends_in_a_full_stop_gets_no_other():
    assert (
        str(Finding("raised", "error", "It was raised.", {}, action="Mend it."))
        == "error: raised: It was raised. Mend it."
    )


@pytest.mark.parametrize("targets", [None, "cats", ["a cat", "a dog"]])
def test_what_no_tensor_can_be_made_of_gets_no_such_cure(targets):
    (one,) = preflight(net(4), x, targets, F.cross_entropy)
    assert one.action.startswith("Mend this first")


def test_what_was_raised_stays_the_cause():
    for case in (SAID["double inputs"].case, into(net(4), randn(32, 15), y, F.cross_entropy)):
        with pytest.raises(ValueError) as raised:
            layer_flow(*case)
        assert type(raised.value.__cause__) is RuntimeError


def test_what_has_no_cure_is_passed_on_with_its_place():
    (one,) = preflight(net(4), randn(32, 15), y, F.cross_entropy)
    assert one.message.endswith("(in 0 (Linear))") and "32x15" in one.message


def test_an_error_of_the_users_own_gets_no_cure():
    def refuses(output, targets):
        raise TypeError("'tuple' is not what I take")

    (one,) = preflight(net(4), x, y, refuses)
    assert "'tuple' is not what I take" in one.message and one.action.startswith("Mend this first")


def test_sizes_that_torch_refuses_after_it_has_warned_are_told_with_where_the_samples_went():
    class Folds(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(30, 3)

        def forward(self, x):
            return self.out(x.reshape(2, -1))

    found = preflight(Folds(), torch.randn(12, 5), torch.randn(12, 3), F.l1_loss)
    assert [one.name for one in found] == ["broadcast"] and found[0].severity == "error"
    assert "2 rows for 12 samples: reshape in the model (test_words.py, line" in found[0].message
    found = preflight(Folds(), torch.randn(12, 5), torch.randint(0, 3, (12,)), F.cross_entropy)
    assert [one.name for one in found] == ["raised"] and "2 rows for 12 samples" in found[0].action
