"""Trainings whose fault is in what they begin with, or in what changes on the way; each by a monitor left to itself."""

# ruff: noqa: E501

import copy
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler
from torch.utils.checkpoint import checkpoint

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import Training, adam, convolutions, cross_entropy, digits, mlp, plain, sgd
from tests.core.monitor.field.training import train as train_on

train = partial(train_on, seldom=True, told=False, noted=lambda loss: loss, steps=160)


def seldom(**settings):
    """Trains when it is called, by a monitor left to itself."""
    return lambda: train(**settings)


def by_monitor(make, step, steps=160, optimizer=None):
    """Train with `step(model, optimizer, k, monitor)`."""
    torch.manual_seed(0)
    model = make()
    one = optimizer(model.parameters()) if optimizer else None
    with GradientMonitor(model, one) as monitor:
        for k in range(steps):
            step(model, one, k, monitor)
    return diagnose(monitor.history)


def ink(inputs: Tensor) -> Tensor:
    """How much of it there is, about 0 and about 1 in size."""
    return (inputs.sum(1) - 19.5) / 2.2


def learned(make, steps=150):
    """A model that knows digits already."""
    model, (inputs, labels) = make(), digits()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        some = torch.randint(len(inputs), (64,))
        optimizer.zero_grad()
        cross_entropy(model, inputs[some], labels[some]).backward()
        optimizer.step()
    optimizer.zero_grad()
    return model


class Adapted(nn.Module):
    """A frozen layer and two factors beside it."""

    def __init__(self, base: nn.Linear, *, both: bool) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down, self.up = (nn.Linear(base.in_features, 4, bias=False), nn.Linear(4, base.out_features, bias=False))
        nn.init.zeros_(self.up.weight)
        if both:
            nn.init.zeros_(self.down.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """What the layer gives, and what the factors add."""
        return self.base(inputs) + 2 * self.up(self.down(inputs))


def adapted(both: bool) -> nn.Module:
    """A model that is fine-tuned by factors."""
    model = learned(plain, 30)
    return nn.Sequential(*[Adapted(one, both=both) if isinstance(one, nn.Linear) else one for one in model])


def of_zeros(make) -> nn.Module:
    """Nothing is drawn."""
    model = make()
    for one in model.parameters():
        nn.init.zeros_(one)
    return model


class Saving(nn.Module):
    """A body that is computed twice, to save memory."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.body, self.head = mlp(64, 48, 48, 48), nn.Linear(48, 10)
        self.reentrant = reentrant

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        return self.head(F.relu(checkpoint(self.body, inputs, use_reentrant=self.reentrant)))


class SavingPictures(nn.Module):
    """The same of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        *body, self.head = convolutions()
        self.early = nn.Sequential(*body)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        return self.head(checkpoint(self.early, inputs, use_reentrant=True))


def thawed(at: int, add: bool, rule):
    """Layers are frozen until some step, and given to the optimizer then or not."""
    torch.manual_seed(0)
    model, (inputs, labels) = learned(plain, 15), digits()
    model[0].requires_grad_(False)
    model[2].requires_grad_(False)
    optimizer = rule([one for one in model.parameters() if one.requires_grad])
    with GradientMonitor(model, optimizer) as monitor:
        for k in range(160):
            if k == at:
                model.requires_grad_(True)
                if add:
                    optimizer.add_param_group({"params": [*model[0].parameters(), *model[2].parameters()]})
            some = torch.randint(len(inputs), (32,))
            optimizer.zero_grad()
            loss = cross_entropy(model, inputs[some], labels[some])
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    return diagnose(monitor.history)


def another_rate(at: int, rate: float):
    """A state that was saved elsewhere is loaded, and its rate with it."""

    def before(model, optimizer, step):
        if step == at:
            state = optimizer.state_dict()
            state["param_groups"][0]["lr"] = rate
            optimizer.load_state_dict(state)

    return before


def dropping(share: float) -> nn.Module:
    """Dropout behind each layer but the last."""
    return nn.Sequential(
        nn.Linear(64, 48), nn.ReLU(), nn.Dropout(share), nn.Linear(48, 48), nn.ReLU(), nn.Dropout(share),
        nn.Linear(48, 10),
    )  # fmt: skip


def dropping_maps(share: float) -> nn.Module:
    """Whole maps are dropped."""
    *body, head = convolutions()
    return nn.Sequential(*body[:-1], nn.Dropout2d(share), body[-1], head)


def normed() -> nn.Module:
    """Linear layers and norms."""
    return mlp(64, 48, 32, 10, norm=nn.LayerNorm)


def only_norms(make) -> nn.Module:
    """All is frozen but the norms."""
    model = make()
    for one in model:
        if isinstance(one, (nn.Linear, nn.Conv2d)):
            one.requires_grad_(False)
    return model


class Rows(nn.Module):
    """A picture read row by row, time first or not."""

    def __init__(self, kind: type = nn.GRU, how: str = "wrong", **settings) -> None:
        super().__init__()
        self.rows, self.out, self.how = kind(8, 24, **settings), nn.Linear(24, 10), how

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        rows = inputs.reshape(-1, 8, 8)
        if self.how == "time first":
            return self.out(self.rows(rows.transpose(0, 1))[0][-1])
        read = self.rows(rows)[0]
        return self.out(read.mean(1) if self.how == "mean" else read[:, -1])


class Series(nn.Module):
    """One long series, with an answer for each of its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.out = nn.GRU(64, 32), nn.Linear(32, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, step by step."""
        return self.out(self.read(inputs[:, None])[0][:, 0])


def contrasts(shuffled: bool, towers: int = 1):
    """Each picture is to be found among its batch by a noisy copy."""

    def step(model, optimizer, k, monitor):
        inputs, _ = digits()
        some = inputs[torch.randint(len(inputs), (32,))]
        one, two = (some + 0.1 * torch.randn_like(some) for _ in range(2))
        two = two[torch.randperm(32)] if shuffled else two
        here = model["one"] if towers > 1 else model
        there = model["two"] if towers > 1 else model
        right = torch.arange(32)
        logits = F.normalize(here(one), dim=1) @ F.normalize(there(two), dim=1).T / 0.2
        loss = F.cross_entropy(logits, right)
        optimizer.zero_grad()
        loss.backward()
        monitor.note_loss(loss)
        optimizer.step()

    make = (
        (lambda: mlp(64, 48, 16))
        if towers == 1
        else lambda: nn.ModuleDict({n: mlp(64, 48, 16) for n in ("one", "two")})
    )
    return lambda: by_monitor(make, step, optimizer=adam(2e-3))


def lost_order(at: int):
    """From some step on labels are of other rows."""
    step = iter(range(10**6))
    return lambda model, inputs, labels: F.cross_entropy(
        model(inputs), labels if next(step) < at else labels[torch.randperm(len(labels))]
    )


def lost_numbers(at: int):
    """The same of numbers."""
    step = iter(range(10**6))

    def loss(model, inputs, labels):
        targets = ink(inputs)
        return F.mse_loss(model(inputs)[:, 0], targets if next(step) < at else targets[torch.randperm(len(targets))])

    return loss


def unscaled(at: int, times: float):
    """From some step on inputs are not scaled."""
    step = iter(range(10**6))

    def loss(model, inputs, labels):
        inputs = inputs * (times if next(step) >= at else 1.0)
        return F.cross_entropy(model(inputs), labels)

    return loss


def odd_batch(each: int, place: int, what: str = "labels"):
    """One batch of each epoch is wrong."""
    step = iter(range(10**6))

    def loss(model, inputs, labels):
        odd = next(step) % each == place
        if what == "labels":
            return F.cross_entropy(model(inputs), (labels + 3) % 10 if odd else labels)
        return F.mse_loss(model(inputs)[:, 0], ink(inputs) * (-5.0 if odd else 1.0))

    return loss


def averaged_in(each: int):
    """Averaged weights are put in for an evaluation, and stay."""
    held = {}

    def after(model, optimizer, step):
        average = held.setdefault("average", copy.deepcopy(model))
        with torch.no_grad():
            for one, other in zip(average.parameters(), model.parameters(), strict=True):
                one.lerp_(other, 0.005)
        if step % each == each - 1:
            model.load_state_dict(average.state_dict())

    return after


def adversaries(of_critic="critic", rates=(1e-3, 1e-3), steps=150, by_logarithm=False):
    """A maker and a critic; all steps are seen, and both losses are noted."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = nn.ModuleDict({"maker": mlp(8, 32, 64), "critic": mlp(64, 32, 1)})
    makers = torch.optim.Adam(model["maker"].parameters(), rates[0])
    critics = torch.optim.Adam(model[of_critic].parameters(), rates[1])
    true, false, binary = torch.ones(32, 1), torch.zeros(32, 1), F.binary_cross_entropy_with_logits
    with GradientMonitor(model) as monitor:
        for _ in range(steps):
            real, made = inputs[torch.randint(len(inputs), (32,))], model["maker"](torch.randn(32, 8))
            critics.zero_grad()
            of_real, of_made = model["critic"](real), model["critic"](made.detach())
            if by_logarithm:
                loss = -(of_real.sigmoid().log() + (1 - of_made.sigmoid()).log()).mean()
            else:
                loss = binary(of_real, true) + binary(of_made, false)
            loss.backward()
            monitor.note_loss(loss)
            critics.step()
            makers.zero_grad()
            loss = binary(model["critic"](made), true)
            loss.backward()
            monitor.note_loss(loss)
            makers.step()
    return diagnose(monitor.history)


def still_scaled(times: float, make=plain):
    """The scale of mixed precision is never taken off."""

    def step(model, optimizer, k, monitor):
        inputs, labels = digits()
        some = torch.randint(len(inputs), (32,))
        optimizer.zero_grad()
        loss = cross_entropy(model, inputs[some], labels[some])
        (loss * times).backward()
        monitor.note_loss(loss)
        optimizer.step()

    return lambda: by_monitor(make, step, optimizer=sgd(0.1))


def all_ignored(at: int, mark: int = -100):
    """Some labels are to be ignored, and all of one batch."""

    def step(model, optimizer, k, monitor):
        inputs, labels = digits()
        some = torch.randint(len(inputs), (32,))
        aims = torch.where(torch.rand(32) < (1.1 if k == at else 0.3), torch.tensor(mark), labels[some])
        monitor.note_targets(aims)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs[some]), aims, ignore_index=mark)
        loss.backward()
        monitor.note_loss(loss)
        optimizer.step()

    return lambda: by_monitor(plain, step, optimizer=adam(2e-3))


def parts(count: int, in_place: bool, zeroed: bool, clip: float = 0.0):
    """Several batches for a step, their gradients added up or not."""

    def step(model, optimizer, k, monitor):
        inputs, labels = digits()
        optimizer.zero_grad(set_to_none=not in_place)
        for _ in range(count):
            some = torch.randint(len(inputs), (8,))
            if zeroed:
                optimizer.zero_grad(set_to_none=not in_place)
            loss = cross_entropy(model, inputs[some], labels[some]) / count
            loss.backward()
            monitor.note_loss(loss * count)
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()

    return lambda: by_monitor(plain, step, optimizer=sgd(0.1))


def clip(limit: float):
    """Clips the norm, wherever it is called."""
    return lambda model, optimizer, step: nn.utils.clip_grad_norm_(model.parameters(), limit)


def clipped_too_late(limit: float):
    """Clips behind the step, and takes the gradients away."""

    def zero(optimizer, step):
        nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], limit)
        optimizer.zero_grad()

    return zero


def in_order(some, step, size):
    """Rows of the data sorted by class."""
    order = digits()[1].argsort(stable=True)
    return order[(torch.arange(size) + step * size) % len(order)]


def half(times: float, depth: int = 3, act=nn.Tanh):
    """Weights of float16, and a loss that is small."""

    def make():
        return mlp(64, *[32] * depth, 10, act=act).half()

    return {
        "make": make,
        "loss": lambda model, inputs, labels: times * F.cross_entropy(model(inputs.half()).float(), labels),
        "optimizer": sgd(0.1),
    }


def one_column(loss):
    """A model of one output."""
    return {"make": lambda: mlp(64, 32, 1), "loss": loss, "optimizer": adam(2e-3)}


def same_rows(some, step, size):
    """The first ones, again and again."""
    return torch.arange(size)


BEGUN_SICK = (
    Training("pairs of all outputs and targets", "the shapes do not agree", seldom(**one_column(lambda m, x, y: F.mse_loss(m(x), ink(x)))), frozenset(("broadcast",)), ("(32, 1)", "squeeze"), leads=True),
    Training("factors that are both 0", "nothing moves them", seldom(make=partial(adapted, True), optimizer=adam(5e-3), held=lambda m: [p for p in m.parameters() if p.requires_grad]), frozenset(("zero_weights",)), ("0.down", "at random"), leads=True),
    Training("weights of 0", "nothing moves them", seldom(make=partial(of_zeros, plain)), frozenset(("zero_weights",)), ("'0', '2'", "at random"), leads=True),
    Training("a reentrant checkpoint", "no gradient comes through", seldom(make=partial(Saving, True), optimizer=adam(2e-3)), frozenset(("cut",)), ("body.0", "use_reentrant=False"), leads=True),
    Training("thawed and not given", "no optimizer holds them", lambda: thawed(60, False, adam(2e-3)), frozenset(("unheld",)), ("0.weight", "give them to one"), leads=True),
    Training("a rate that grows", "the schedule's gamma", seldom(optimizer=sgd(0.05), schedule=lambda o: lr_scheduler.ExponentialLR(o, 1.05)), frozenset(("raised_rate",)), ("goes up from 0.05", "gamma"), leads=True),
    Training("a state with another rate", "the rate is raised at step 81", seldom(optimizer=sgd(0.05, momentum=0.9), after_step=another_rate(80, 2.0)), frozenset(("raised_rate",)), ("from 0.05 to 2", "load_state_dict"), leads=True),
    Training("an eps of 1", "steps are far too short", seldom(optimizer=adam(1e-3, eps=1.0)), frozenset(("eps",)), ("eps of Adam, 1", "1e-8"), leads=True),
    Training("98 in 100 dropped", "p is what is dropped", seldom(make=partial(dropping, 0.98), optimizer=adam(2e-3)), frozenset(("dropout",)), ("'2', '5'", "98 %", "0.1 to 0.5"), leads=True),
    Training("norms alone, of a new model", "the rest is frozen", seldom(make=lambda: only_norms(normed), optimizer=sgd(1e-2), held=lambda m: [p for p in m.parameters() if p.requires_grad]), frozenset(("frozen",)), ("'0', '3', '6'", "requires_grad_(True)"), leads=True),
    Training("a batch read as a sequence", "batch_first", seldom(make=Rows, optimizer=adam(5e-3)), frozenset(("rows_as_steps",)), ("rows (GRU)", "batch_first=True"), leads=True),
    Training("contrasts with others' copies", "the pairs do not belong together", contrasts(True), frozenset(("guessing",)), ("ln 32", "belong together"), leads=True),
    Training("labels of other rows from step 81 on", "what is given has changed", seldom(loss=lost_order(80), optimizer=adam(3e-3), steps=200), frozenset(("sudden_rise",)), ("from step 81", "labels that no longer belong"), leads=True),
    Training("inputs unscaled from step 81 on", "what is given has changed", seldom(loss=unscaled(80, 255.0), optimizer=adam(3e-3)), frozenset(("sudden_rise",)), ("from step 81", "inputs' size", "normalise"), leads=True),
    Training("a wrong batch each epoch", "look at it", seldom(loss=odd_batch(28, 17), optimizer=adam(3e-3), steps=200, size=64), frozenset(("bad_batch",)), ("every 28 steps", "number 17", "labels"), leads=True),
    Training("a plateau of the wrong mode", "the rate comes down at once", seldom(optimizer=adam(5e-3), schedule=lambda o: lr_scheduler.StepLR(o, 4, 0.1)), frozenset(("schedule",)), ("has come down from 0.005", "mode"), leads=True),
    Training("averaged weights that stay in", "put back those that are trained", seldom(after_step=averaged_in(25), optimizer=adam(2e-3), steps=200), frozenset(("drawn_again",)), ("76", "put it back"), leads=True),
    Training("a critic's optimizer of the maker", "give it the critic's", lambda: adversaries(of_critic="maker"), frozenset(("unheld",)), ("critic.0.weight", "held by 2 optimizers"), leads=True),
    Training("gradients that are still scaled", "scaler.step", still_scaled(65536.0), frozenset(("scaled",)), ("4", "scaler.step"), leads=True),
    Training("a batch without labels", "all are ignored", all_ignored(40), frozenset(("ignored_targets",)), ("step 41", "Leave out"), leads=True),
    Training("a critic that tells all", "hold it back", lambda: adversaries(rates=(1e-3, 0.03), steps=300), frozenset(("unbalanced",)), ("critic.0", "maker.0", "lower learning rate than 0.03"), leads=True),
    Training("zeros in place among four", "three of four are lost", parts(4, True, True), frozenset(("thrown_away",)), ("3 of 4", "once a step"), leads=True),
    Training("clipped after the step", "before it", seldom(zero=clipped_too_late(0.1), optimizer=sgd(0.05)), frozenset(("clipped_late",)), ("after optimizer.step()", "between backward() and optimizer.step()"), leads=True),
    Training("sorted, batches of 64, Adam", "shuffle", seldom(rows=in_order, size=64, optimizer=adam(2e-3)), frozenset(("one_class_a_batch",)), ("of 64", "Shuffle"), leads=True),
    Training("all of float16 is 0", "scale the loss", seldom(**half(1e-6)), frozenset(("underflow",)), ("float16", "GradScaler"), leads=True),
)  # fmt: skip

BEGUN_HELD_OUT = (
    Training("pairs by hand", "the shapes do not agree", seldom(**one_column(lambda m, x, y: (m(x) - ink(x)).square().mean()), size=48), frozenset(("broadcast",)), ("(48, 1)", "squeeze"), leads=True),
    Training("pairs by sizes, convolutions", "the shapes do not agree", seldom(make=lambda: nn.Sequential(*convolutions()[:-1], nn.Linear(288, 1)), loss=lambda m, x, y: F.l1_loss(m(x), ink(x)), optimizer=adam(2e-3)), frozenset(("broadcast",)), ("(32, 1)", "squeeze"), leads=True),
    Training("convolutions of 0", "nothing moves them", seldom(make=partial(of_zeros, convolutions), optimizer=adam(2e-3)), frozenset(("zero_weights",)), ("1", "at random"), leads=True),
    Training("a reentrant checkpoint of convolutions", "no gradient comes through", seldom(make=SavingPictures, optimizer=sgd(0.05)), frozenset(("cut",)), ("early.1", "use_reentrant=False"), leads=True),
    Training("thawed at step 31 and not given, SGD", "no optimizer holds them", lambda: thawed(30, False, sgd(0.05)), frozenset(("unheld",)), ("0.weight", "give them to one"), leads=True),
    Training("a search for a rate that is left on", "the rate goes up", seldom(optimizer=adam(1e-4), schedule=lambda o: lr_scheduler.LambdaLR(o, lambda k: 1e4 ** (k / 120)), steps=200), frozenset(("raised_rate",)), ("goes up from 1e−4", "search for a learning rate"), leads=True),
    Training("Adam's rate set to 0.5 at step 101", "the rate is raised", seldom(optimizer=adam(1e-3), after_step=another_rate(100, 0.5), steps=220), frozenset(("raised_rate",)), ("to 0.5", "assignment to a group's lr"), leads=True),
    Training("an eps of 10, RMSprop, convolutions", "steps are far too short", seldom(make=convolutions, optimizer=lambda p: torch.optim.RMSprop(p, 1e-3, eps=10.0)), frozenset(("eps",)), ("eps of RMSprop, 10", "1e-8"), leads=True),
    Training("maps, 97 in 100 dropped", "p is what is dropped", seldom(make=partial(dropping_maps, 0.97), optimizer=adam(2e-3)), frozenset(("dropout",)), ("97 %", "0.1 to 0.5"), leads=True),
    Training("convolutions frozen, of a new model", "the rest is frozen", seldom(make=lambda: only_norms(convolutions), optimizer=sgd(1e-4), held=lambda m: [p for p in m.parameters() if p.requires_grad]), frozenset(("frozen",)), ("requires_grad_(True)",), leads=True),
    Training("an LSTM's mean of a batch read as a sequence", "batch_first", seldom(make=partial(Rows, nn.LSTM, "mean"), optimizer=adam(5e-3), size=24), frozenset(("rows_as_steps",)), ("rows (LSTM)", "batch_first=True"), leads=True),
    Training("numbers of other rows from step 151 on", "what is given has changed", seldom(make=lambda: mlp(64, 32, 1), loss=lost_numbers(150), optimizer=adam(4e-3), steps=300, size=128), frozenset(("sudden_rise",)), ("from step 151", "labels that no longer belong"), leads=True),
    Training("convolutions, inputs of 0 to 255 from step 61 on", "what is given has changed", seldom(make=lambda: nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)), loss=unscaled(60, 255.0), optimizer=sgd(0.1)), frozenset(("sudden_rise",)), ("from step 61", "inputs' size"), leads=True),
    Training("a batch of wrong numbers each 20 steps", "look at it", seldom(make=lambda: mlp(64, 32, 1), loss=odd_batch(20, 4, "numbers"), optimizer=adam(2e-3), steps=240), frozenset(("bad_batch",)), ("every 20 steps", "number 4"), leads=True),
    Training("scaled by 2 to the 14th, convolutions", "scaler.step", still_scaled(2.0**18, convolutions), frozenset(("scaled",)), ("scaler.step",), leads=True),
    Training("a batch of nothing but padding", "all are ignored", all_ignored(70, -1), frozenset(("ignored_targets",)), ("step 71", "Leave out"), leads=True),
    Training("a critic that tells all, by logarithms", "hold it back", lambda: adversaries(rates=(2e-4, 0.02), steps=400, by_logarithm=True), frozenset(("unbalanced",)), ("critic.0", "lower learning rate than 0.02"), leads=True),
    Training("zeros in place among three, clipped", "two of three are lost", parts(3, True, True, 1.0), frozenset(("thrown_away",)), ("2 of 3", "once a step"), leads=True),
    Training("sorted, batches of 100, convolutions", "shuffle", seldom(make=convolutions, rows=in_order, size=100, optimizer=sgd(0.05, momentum=0.9)), frozenset(("one_class_a_batch",)), ("Shuffle",), leads=True),
    Training("sigmoids of float16", "scale the loss", seldom(**half(1.0, 8, nn.Sigmoid)), frozenset(("underflow",)), ("float16", "GradScaler"), leads=True),
)  # fmt: skip

BEGUN_CLEAN = (
    Training("factors, one of 0", "as it should be", seldom(make=partial(adapted, False), optimizer=adam(5e-3), held=lambda m: [p for p in m.parameters() if p.requires_grad])),
    Training("pairs that are wanted", "ranked by differences", seldom(**one_column(lambda m, x, y: F.softplus(-(m(x) - m(x).T) * (ink(x)[:, None] - ink(x)).sign()).mean()))),
    Training("a checkpoint that is not reentrant", "as it should be", seldom(make=partial(Saving, False), optimizer=adam(2e-3))),
    Training("thawed and given", "as it should be", lambda: thawed(60, True, adam(5e-4))),
    Training("a long warm-up from next to nothing", "as it should be", seldom(optimizer=sgd(0.2), schedule=lambda o: lr_scheduler.LinearLR(o, 1e-4, 1.0, 100))),
    Training("one cycle up to 0.3", "as it should be", seldom(optimizer=sgd(0.01, momentum=0.9), schedule=lambda o: lr_scheduler.OneCycleLR(o, 0.3, total_steps=161))),
    Training("an eps of 0.01", "it learns", seldom(optimizer=adam(5e-3, eps=1e-2))),
    Training("seven in ten dropped", "it learns", seldom(make=partial(dropping, 0.7), optimizer=adam(2e-3))),
    Training("norms alone, of a model that knows", "fine-tuned", seldom(make=lambda: only_norms(lambda: learned(normed)), optimizer=adam(1e-3), held=lambda m: [p for p in m.parameters() if p.requires_grad])),
    Training("rows as steps, time first", "as it should be", seldom(make=partial(Rows, how="time first"), optimizer=adam(5e-3))),
    Training("one long series", "an answer each step", seldom(make=Series, optimizer=adam(5e-3))),
    Training("contrasts that belong together", "as it should be", contrasts(False)),
    Training("a small last batch each epoch", "it wavers by chance", seldom(optimizer=adam(3e-3), steps=200, rows=lambda some, k, size: torch.randint(len(some), (3 if k % 28 == 27 else 64,)))),
    Training("all of the data at each step", "one batch is all", seldom(optimizer=adam(3e-3), rows=lambda some, k, size: torch.arange(len(some)), steps=100)),
    Training("clipped in time", "as it should be", seldom(before_step=clip(0.5), optimizer=sgd(0.1))),
    Training("four added up, in place", "as it should be", parts(4, True, False)),
    Training("four added up and clipped", "as it should be", parts(4, True, False, 1.0)),
    Training("a maker and a critic", "even", adversaries),
    Training("nine in ten of one class, Adam", "by chance", seldom(data=lambda: (digits()[0], torch.where(torch.arange(1797) % 10 > 0, 0, digits()[1])), optimizer=adam(3e-3), size=64)),
    Training("float16 with a loss of usual size", "it learns", seldom(**half(1.0))),
    Training("pictures and their negatives in turn", "by intention", seldom(optimizer=adam(3e-3), loss=lambda m, x, y: F.cross_entropy(m(torch.where(torch.rand(()) < 0.5, x, 1 - x)), y))),
)  # fmt: skip
