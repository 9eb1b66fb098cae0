"""The gradient along time against powers of W, autograd of recurrences written by hand, and torch's own outputs."""

import itertools
import math
import random
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.recurrent.time_gradients import TimeProfile, gradients_along_time, time_finding
from gradwidgets.core.monitor import diagnose

KINDS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


class Reader(nn.Module):
    """A recurrent module, and a head on what `use` takes of its outputs."""

    def __init__(self, recurrent: nn.Module, use=lambda out: out[:, -1], width: int | None = None) -> None:
        super().__init__()
        width = width or (recurrent.proj_size or recurrent.hidden_size) * (1 + recurrent.bidirectional)
        self.r, self.head, self.use = recurrent, nn.Linear(width, 4), use

    def forward(self, *inputs):
        return self.head(self.use(self.r(*inputs)[0]))


def profiles(model, x, loss_fn=None, targets=None) -> tuple[TimeProfile, ...]:
    loss_fn = loss_fn or (lambda out, _: out.square().mean())
    found, certificate = Subject.of(model, x, targets, loss_fn).looked_at(gradients_along_time)
    assert certificate.unchanged
    return found


def directly(model, x, loss_fn=None) -> tuple[TimeProfile, ...]:
    return gradients_along_time(Subject.of(model, x, None, loss_fn or (lambda out, _: out.square().mean())))


def numbers(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Against torch's own outputs.


def choices() -> list[dict]:
    """A sample of all combinations of options, each value of each option in many of them."""
    options = {
        "kind": ("RNN", "RNN relu", "LSTM", "LSTM projected", "GRU"),
        "layers": (1, 2, 3),
        "bidirectional": (False, True),
        "bias": (True, False),
        "dropout": (0.0, 0.4),
        "form": ("time first", "batch first", "single", "packed", "packed unsorted"),
        "given": (False, True),
    }
    every = [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]
    return random.Random(0).sample(every, 96)


def built(choice: dict) -> nn.RNNBase:
    name, _, extra = choice["kind"].partition(" ")
    more = {"relu": {"nonlinearity": "relu"}, "projected": {"proj_size": 3}}.get(extra, {})
    dropout = choice["dropout"] if choice["layers"] > 1 else 0.0
    return KINDS[name](
        4, 5, choice["layers"], bias=choice["bias"], dropout=dropout, bidirectional=choice["bidirectional"],
        batch_first=choice["form"] in ("batch first", "packed"), dtype=torch.float64, **more,
    )  # fmt: skip


def arguments(choice: dict, module: nn.RNNBase) -> tuple:
    lengths = {"packed": [7, 5, 5, 1], "packed unsorted": [5, 7, 1, 5]}.get(choice["form"])
    first = choice["form"] == "batch first"
    x = numbers(7, 4) if choice["form"] == "single" else numbers(4, 7, 4) if first else numbers(7, 4, 4)
    if lengths:
        x = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=choice["form"] == "packed")
    if not choice["given"]:
        return (x,)
    rows = choice["layers"] * (1 + choice["bidirectional"])
    batch = () if choice["form"] == "single" else (4,)
    hidden = numbers(rows, *batch, module.proj_size or 5, seed=2).requires_grad_()
    cell = numbers(rows, *batch, 5, seed=3).requires_grad_()
    return x, ((hidden, cell) if module.mode == "LSTM" else hidden)


class Caught(nn.Module):
    """Runs a module and keeps what it gave."""

    def __init__(self, module: nn.RNNBase, *given) -> None:
        super().__init__()
        self.r, self.given, self.kept = module, given, None

    def forward(self, x):
        self.kept = self.r(x, *self.given)
        output, state = self.kept
        output = output.data if isinstance(output, PackedSequence) else output
        parts = [output, *(state if isinstance(state, tuple) else (state,))]
        return torch.cat([(part * numbers(*part.shape, seed=9)).flatten() for part in parts])


@pytest.mark.parametrize("choice", choices(), ids=lambda c: " ".join(map(str, c.values())))
def test_outputs_and_gradients_are_torchs_own(choice):
    module = built(choice)
    x, *begin = arguments(choice, module)
    model = Caught(module, *begin)
    wanted = [*module.parameters(), *_tensors(model.given)]

    def run():
        torch.manual_seed(5)
        out = model(x)
        return [*_tensors(model.kept)], torch.autograd.grad(out.sum(), wanted), torch.get_rng_state()

    outputs, gradients, state = run()
    seen = []

    def loss(out, _):
        seen.append(
            ([*_tensors(model.kept)], torch.autograd.grad(out.sum(), wanted, retain_graph=True), torch.get_rng_state())
        )
        return out.sum()

    torch.manual_seed(5)
    (profile,) = gradients_along_time(Subject(model, x, None, loss, [], False, True))
    own, own_gradients, own_state = seen[0]
    assert profile.note == "" and profile.steps == 7 and bool((profile.gradient > 0).all())
    for ours, theirs in zip([*own, *own_gradients], [*outputs, *gradients], strict=True):
        assert ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    assert torch.equal(own_state, state)
    assert "forward" not in vars(module)


def _tensors(result):
    for one in result:
        if isinstance(one, PackedSequence):
            yield from (t for t in one if t is not None)
        elif isinstance(one, tuple):
            yield from one
        else:
            yield one


# Against the truth.


def linear(steps: int, weight: torch.Tensor) -> tuple[Reader, torch.Tensor]:
    """ReLU where it is linear: nothing in it is ever below 0."""
    width = len(weight)
    model = Reader(nn.RNN(3, width, batch_first=True, nonlinearity="relu", bias=False, dtype=torch.float64)).double()
    with torch.no_grad():
        model.r.weight_hh_l0.copy_(weight)
        model.r.weight_ih_l0.abs_()
    return model, numbers(2, steps, 3).abs()


def test_of_a_linear_network_it_is_the_product_of_powers_of_w():
    weight = numbers(6, 6).abs() / 6
    model, x = linear(30, weight)
    (profile,) = profiles(model, x)
    out = model.r(x)[0][:, -1].detach().requires_grad_()
    (last,) = torch.autograd.grad(model.head(out).square().mean(), out)
    truth = torch.stack([(last @ torch.linalg.matrix_power(weight, 29 - t)).norm() for t in range(30)])
    assert torch.allclose(profile.gradient[0], truth, rtol=1e-10, atol=0)
    seed = torch.randn(2, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    powers = torch.stack([(seed / seed.norm() @ torch.linalg.matrix_power(weight, 29 - t)).norm() for t in range(30)])
    assert torch.allclose(profile.memory[0], powers, rtol=1e-10, atol=0)


def test_an_orthogonal_one_keeps_the_norm():
    model, x = linear(200, torch.eye(8, dtype=torch.float64)[torch.randperm(8)])
    (profile,) = profiles(model, x)
    for values in (profile.gradient[0], profile.memory[0]):
        assert torch.allclose(values, values[-1].expand(200), rtol=1e-10, atol=0)
    assert profile.reach == (None,) and time_finding(profile) is None


def by_hand(kind: str, module: nn.RNNBase, x: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """States (h_t, c_t) of one layer, by torch's cells."""
    weights = [getattr(module, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    hidden = cell = torch.zeros(len(x), 5, dtype=torch.float64)
    states = []
    for step in x.unbind(1):
        if kind == "LSTM":
            hidden, cell = torch.lstm_cell(step, (hidden, cell), *weights)
        else:
            hidden = {"RNN": torch.rnn_tanh_cell, "GRU": torch.gru_cell}[kind](step, hidden, *weights)
        states.append((hidden, cell))
    return states


@pytest.mark.parametrize("every", [False, True], ids=["last step", "every step"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_autograds_gradient_by_each_state(kind, every):
    use = (lambda out: out) if every else (lambda out: out[:, -1])
    model, x = Reader(KINDS[kind](4, 5, batch_first=True), use).double(), numbers(3, 12, 4)
    (profile,) = profiles(model, x)
    states = by_hand(kind, model.r, x)
    hidden, cells = zip(*states, strict=True)
    out = torch.stack(hidden, 1)
    truth = torch.autograd.grad(model.head(use(out)).square().mean(), hidden, retain_graph=True)
    assert torch.allclose(profile.gradient[0], torch.stack([g.norm() for g in truth]), rtol=1e-10, atol=0)
    seed = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = [*hidden, *(cells if kind == "LSTM" else ())]
    found = torch.autograd.grad(hidden[-1], wanted, seed / seed.norm())
    truth = torch.stack([torch.stack([g.norm() for g in found[t::12]]).norm() for t in range(12)])
    assert torch.allclose(profile.memory[0], truth, rtol=1e-10, atol=0)


def test_layers_and_directions_have_a_row_each_in_the_order_of_the_sequence():
    model, x = (
        Reader(nn.RNN(4, 5, 2, bidirectional=True, batch_first=True), lambda out: out[:, 3]).double(),
        numbers(2, 9, 4),
    )
    (profile,) = profiles(model, x)
    assert profile.rows == ("layer 0", "layer 0, backwards", "layer 1", "layer 1, backwards")
    zero = profile.gradient == 0
    # The loss looks at step 3 alone: the top row sees what comes before it, the one that runs back what comes after.
    assert zero[2].tolist() == [False] * 4 + [True] * 5 and zero[3].tolist() == [True] * 3 + [False] * 6
    assert not zero[:2].any()


# Verdicts.


def scaled(gain: float, width: int = 16, **options) -> nn.RNN:
    """ReLU where it is linear, W a permutation times a gain: the gradient grows by exactly that each step."""
    module = nn.RNN(4, width, batch_first=True, nonlinearity="relu", **options)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if "weight_hh" in name:
                p.copy_(gain * torch.eye(width)[torch.randperm(width)])
            elif "weight" in name:
                p.abs_()
            else:
                p.zero_()
    return module


class Loop(nn.Module):
    """A cell called once a step."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell, self.head = cell, nn.Linear(cell.hidden_size, 4)

    def forward(self, x):
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.head(state[0] if isinstance(state, tuple) else state)


class LoopOfOne(Loop):
    """An `nn.LSTM` called once a step."""

    def forward(self, x):
        state = None
        for step in x.split(1, 1):
            out, state = self.cell(step, state)
        return self.head(out[:, -1])


class Twins(nn.Module):
    """One module that reads two sequences."""

    def __init__(self, module: nn.RNNBase) -> None:
        super().__init__()
        self.r, self.head = module, nn.Linear(2 * module.hidden_size, 4)

    def forward(self, x):
        return self.head(torch.cat([self.r(x)[0][:, -1], self.r(x.flip(1))[0][:, -1]], 1))


class Packs(nn.Module):
    def __init__(self, module: nn.RNNBase) -> None:
        super().__init__()
        self.r, self.head = module, nn.Linear(module.hidden_size, 4)

    def forward(self, x):
        lengths = torch.linspace(x.shape[1], x.shape[1] // 2, len(x)).long()
        out, _ = pad_packed_sequence(self.r(pack_padded_sequence(x, lengths, batch_first=True))[0], batch_first=True)
        return self.head(out[torch.arange(len(x)), lengths - 1])


class OwnForward(nn.LSTM):
    def forward(self, x):
        return super().forward(x * 2)


def long_remembering() -> nn.LSTM:
    module = nn.LSTM(4, 16, batch_first=True)
    with torch.no_grad():
        module.bias_ih_l0[16:32] = 6.0
    return module


def cell_of(module: nn.RNN) -> nn.RNNCell:
    cell = nn.RNNCell(4, module.hidden_size, nonlinearity="relu")
    with torch.no_grad():
        for name, p in module.named_parameters():
            getattr(cell, name.removesuffix("_l0")).copy_(p)
    return cell


def later_layer(gain: float) -> nn.RNN:
    module = scaled(0.9, num_layers=2)
    with torch.no_grad():
        module.weight_hh_l1.copy_(scaled(gain).weight_hh_l0)
        module.weight_ih_l1.mul_(0.01)
    return module


def backwards_alone(gain: float) -> nn.RNN:
    module = scaled(0.9, bidirectional=True)
    with torch.no_grad():
        module.weight_hh_l0_reverse.copy_(scaled(gain).weight_hh_l0)
    return module


def relu_of(width: int) -> nn.RNN:
    return nn.RNN(4, width, batch_first=True, nonlinearity="relu")


def middle_and_a_little(out: torch.Tensor) -> torch.Tensor:
    return out[:, 100] + 1e-6 * out[:, -1]


X = torch.randn(8, 200, 4, generator=torch.Generator().manual_seed(0)).abs()
# What, who, the severity expected, and words of the sentence.
VERDICTS = {
    "3.5 decades": (lambda: Reader(scaled(10 ** (3.5 / 199))), "warning", ("r ", "3.5 decades", "199", "time", "1.04")),
    "6 decades": (lambda: Reader(scaled(10 ** (6 / 199))), "error", ("time", "1.07")),
    "2.5 decades": (lambda: Reader(scaled(10 ** (2.5 / 199))), None, ()),
    "random weights, too large": (lambda: Reader(bigger(relu_of(32), 4.0)), "error", ("time",)),
    "packed": (lambda: Packs(scaled(1.1)), "error", ("time", "1.1 times")),
    "from the end": (lambda: Reader(backwards_alone(1.1), lambda o: o[:, 0]), "error", ("layer 0, backwards", "time")),
    "the second layer": (lambda: Reader(later_layer(1.1)), "error", ("layer 1", "time")),
    "a loop over a cell": (lambda: Loop(cell_of(scaled(1.1))), "error", ("cell", "199 time steps", "1.1 times")),
    "a module called once a step": (lambda: LoopOfOne(scaled(1.1)), "error", ("199 time steps", "1.1 times")),
    "one module reads two sequences": (lambda: Twins(scaled(1.1)), "error", ("199 time steps", "1.1 times")),
    "it overflows": (lambda: Reader(scaled(4.0)), "error", ("time", "until it overflows", "4 times")),
    "default RNN": (lambda: Reader(nn.RNN(4, 32, batch_first=True)), "info", ("reaches 1",)),
    "default LSTM": (lambda: Reader(nn.LSTM(4, 32, batch_first=True)), "info", ("reaches 1",)),
    "default GRU": (lambda: Reader(nn.GRU(4, 32, batch_first=True)), "info", ("reaches 1",)),
    "loss at every step": (lambda: Reader(nn.RNN(4, 32, batch_first=True), lambda o: o), None, ()),
    "default LSTM cell": (lambda: Loop(nn.LSTMCell(4, 32)), "info", ("reaches 1",)),
    "a norm that is kept, loss at every step": (lambda: Reader(scaled(1.0), lambda o: o), None, ()),
    "a norm that is kept, loss in the middle": (lambda: Reader(scaled(1.0), middle_and_a_little), None, ()),
    "a forget gate that is open": (lambda: Reader(long_remembering()), None, ()),
    "frozen": (lambda: Reader(nn.GRU(4, 8, batch_first=True).requires_grad_(False)), None, ()),
    "a forward of its own": (lambda: Reader(OwnForward(4, 8, batch_first=True)), None, ()),
}  # fmt: skip


def bigger(module: nn.RNN, gain: float) -> nn.RNN:
    with torch.no_grad():
        module.weight_hh_l0.mul_(gain)
    return module


@pytest.mark.parametrize("name", VERDICTS)
def test_what_is_said_of_time(name):
    make, severity, words = VERDICTS[name]
    (profile,) = profiles(make(), X)
    finding = time_finding(profile)
    assert (finding and finding.severity) == severity, finding
    for word in words:
        assert word in finding.message
    assert finding is None or finding.name == ("along time" if severity == "info" else "exploding along time")


class Checkpointed(nn.Module):
    def __init__(self, module: nn.RNNBase) -> None:
        super().__init__()
        self.before, self.r = nn.Linear(4, 4), module

    def forward(self, x):
        return checkpoint(self.r, self.before(x), use_reentrant=False)[0][:, -1]


class InTurns(nn.Module):
    """One cell for two layers, and a sequence read in two calls."""

    def __init__(self, cell: nn.RNNCell) -> None:
        super().__init__()
        self.cell, self.into = cell, nn.Linear(4, 16)

    def forward(self, x):
        below = above = x.new_zeros(len(x), 16)
        for step in self.into(x).unbind(1):
            below = self.cell(step, below)
            above = self.cell(below, above)
        return above


class InParts(nn.Module):
    def __init__(self, module: nn.RNNBase, cut=lambda state: state) -> None:
        super().__init__()
        self.r, self.cut = module, cut

    def forward(self, x):
        state = self.r(x[:, :120])[1]
        return self.r(hx=self.cut(state), input=x[:, 120:])[0][:, -1]


def test_a_checkpoint_does_not_hide_it():
    torch.manual_seed(0)
    module = nn.LSTM(4, 8, batch_first=True)
    model = Checkpointed(module)
    (profile,) = profiles(model, X)
    (plain,) = profiles(nn.Sequential(model.before, Reader(module)), X, lambda out, _: out.sum())
    assert profile.note == "" and profile.reach == plain.reach and bool((profile.gradient > 0).all())


def test_a_sequence_read_in_several_calls_is_one():
    (profile,) = profiles(InParts(scaled(1.1)), X)
    assert (profile.steps, profile.calls, profile.note) == (200, 2, "")
    assert profile.gradient[0, 0] / profile.gradient[0, -1] == pytest.approx(1.1**199, rel=1e-4)
    (cut,) = profiles(InParts(scaled(1.1), torch.detach), X)
    assert (cut.steps, cut.note) == (120, "the longest of 2 sequences") and not cut.gradient.any()
    (turns,) = profiles(InTurns(nn.RNNCell(16, 16)), X)
    assert (turns.steps, turns.calls, turns.note) == (200, 400, "2 sequences taken together")


class ByCell(Loop):
    """The loss sees the cell state alone."""

    def forward(self, x):
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.head(state[1])


def test_a_last_state_that_the_loss_does_not_see_has_no_gradient():
    (profile,) = profiles(ByCell(nn.LSTMCell(4, 8)), X)
    assert profile.gradient[0, -1] == 0 and bool((profile.gradient[0, :-1] > 0).all())
    assert profile.memory[0, -1] > 1  # by h_T itself the vector's length, 1, and by c_T something more


def test_reach_is_the_number_of_steps_to_a_thousandth():
    model, x = linear(200, torch.eye(8, dtype=torch.float64)[torch.randperm(8)] * 0.5)
    (profile,) = profiles(model, x)
    assert profile.reach == (math.ceil(math.log2(1000)),) and profile.steps == 200 and profile.calls == 1


class Wrapped(nn.Module):
    """As TorchScript wants to see a GRU used."""

    def __init__(self, module: nn.GRU) -> None:
        super().__init__()
        self.gru = module

    def forward(self, x):
        return self.gru(x)


def scripted(module: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(module)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Reader(OwnForward(4, 8, batch_first=True)), "a subclass with a forward of its own"),
        (lambda: Reader(nn.GRU(4, 8, batch_first=True).requires_grad_(False)), "frozen"),
        (lambda: Reader(scripted(Wrapped(nn.GRU(4, 8, batch_first=True))), width=8), "scripted"),
    ],
    ids=["subclass", "frozen", "scripted"],
)
def test_what_cannot_be_followed_is_said(make, words):
    (profile,) = profiles(make(), X)
    assert words in profile.note and not bool((profile.gradient > 0).any()) and time_finding(profile) is None


def test_nothing_is_left_on_the_model_and_random_numbers_go_on():
    model = Reader(nn.LSTM(4, 8, batch_first=True))
    before = {key: set(vars(m)) for key, m in model.named_modules()}
    hooks = [dict(m._forward_hooks) for m in model.modules()]
    state = torch.get_rng_state()
    directly(model, X)
    assert torch.equal(torch.get_rng_state(), state)
    assert {key: set(vars(m)) for key, m in model.named_modules()} == before
    assert [dict(m._forward_hooks) for m in model.modules()] == hooks


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("module", [nn.GRU(4, 8, batch_first=True), nn.GRUCell(4, 8)], ids=["module", "cell"])
def test_a_failure_leaves_nothing_either(module, error):
    def fail(*_):
        raise error("stop")

    model = Loop(module) if isinstance(module, nn.GRUCell) else Reader(module)
    with pytest.raises(FlowError if error is RuntimeError else KeyboardInterrupt):
        directly(model, X, fail)
    assert "forward" not in vars(module) and not module._forward_hooks


def test_a_model_without_recurrent_modules_has_no_profile():
    assert profiles(nn.Linear(4, 4), X) == ()


@pytest.mark.parametrize(("every", "words"), [(1, "at every step"), (5, "on the way")])
def test_a_state_that_is_detached_on_the_way_is_told_with_how_far_back_a_gradient_reaches(every, words):
    class Stepping(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.GRUCell(5, 8), nn.Linear(8, 3)

        def forward(self, x):
            h = torch.zeros(len(x), 8)
            for t in range(x.shape[1]):
                h = self.cell(x[:, t], h.detach() if t % every == 0 else h)
            return self.head(h)

    def found(steps):
        flow = layer_flow(Stepping(), torch.randn(16, steps, 5), torch.zeros(16, 3), nn.functional.mse_loss)
        return [one for one in diagnose(flow) if one.name == "along time" and "detached" in one.message]

    (one,) = found(20)
    assert one.severity == ("warning" if every == 1 else "info")
    assert f"the state of cell is detached {words}: of 20 time steps" in one.message
    assert one.message.endswith(f"than {every} step{'s' if every > 1 else ''}")
    assert found(every) == []


@pytest.mark.parametrize(("kind", "cure"), [(nn.RNN, "orthogonal_"), (nn.LSTM, "forget"), (nn.GRU, "update gate")])
def test_what_lengthens_a_memory_is_named_and_healthy_tells_its_limit(kind, cure):
    flow = layer_flow(Reader(kind(4, 32, batch_first=True)), X, None, lambda o, _: o.square().mean())
    said = {one.name: one for one in diagnose(flow)}
    assert cure in said["along time"].action and said["along time"].action.startswith("Nothing, unless")
    reach = max(flow.along_time[0].reach)
    assert f"but r reaches {reach} of {flow.along_time[0].steps} time steps" in said["healthy"].message
