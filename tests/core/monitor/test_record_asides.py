"""What is said aside, without blame, or in other words: rates of 0 at first, blocks of data, modules by their names."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from gradwidgets.core.monitor.verdicts.evidence import modules_of
from tests.core.monitor.field.training import adam, sgd, train


def first_of(found, name):
    """The finding of a name."""
    return next((one for one in found if one.name == name), None)


def by_epochs(share):
    """A schedule that goes on once in 15 steps."""
    return lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share(step // 15))


@pytest.mark.parametrize(
    ("share", "steps"), [(lambda epoch: min(1.0, epoch / 3), 15), (lambda epoch: min(1.0, epoch // 2), 30)]
)
def test_an_epoch_at_a_rate_of_0_is_told_with_its_steps(share, steps):
    found = train(optimizer=adam(3e-3), schedule=by_epochs(share), told=False, seldom=True)
    told = first_of(found, "idle_start")
    assert told.severity == "info" and f"the first {steps} of 120 steps" in told.message
    assert f"from step {steps + 1} on" in told.message


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (lambda step: min(1.0, step / 20), "step 1 is made with a learning rate of 0"),
        (lambda step: float(step > 2), "the first 3 steps are made"),
        (lambda step: min(1.0, (step + 1) / 20), ""),
    ],
)
def test_a_first_step_at_a_rate_of_0_is_an_aside(share, words):
    schedule = lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, share)  # noqa: E731
    told = first_of(train(optimizer=adam(3e-3), schedule=schedule, told=False), "idle_start")
    assert (told is None) == (not words) and (told is None or (words in told.message and told.severity == "info"))


def in_blocks(classes, each, size, rate, *, order="blocks", told=False):
    """Rows that come class by class, shuffled, or of which one kind alone changes once."""
    torch.manual_seed(0)
    count = classes * each
    labels = torch.arange(count) // each
    inputs = (0.5 * torch.randn(classes, 12))[labels] + torch.randn(count, 12)
    model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, classes))
    optimizer = torch.optim.Adam(model.parameters(), rate)
    with GradientMonitor(model, optimizer) as monitor:
        for epoch in range(8):
            rows = torch.arange(count) if order == "blocks" else torch.randperm(count)
            for some in rows.split(size):
                wanted = (labels[some] + 1) % classes if order == "relabelled" and epoch > 4 else labels[some]
                if told:
                    monitor.note_targets(wanted)
                loss = F.cross_entropy(model(inputs[some]), wanted)
                optimizer.zero_grad()
                loss.backward()
                monitor.note_loss(loss)
                optimizer.step()
    return diagnose(monitor.history, losses=monitor.losses)


@pytest.mark.parametrize(("each", "size", "rate"), [(100, 10, 1e-2), (120, 12, 1e-2)])
def test_a_leap_between_blocks_is_said_once_and_the_order_is_asked_for_first(each, size, rate):
    told = first_of(in_blocks(2, each, size, rate), "leap")
    assert told.message.count("the losses from step") <= 1
    assert told.action.startswith("Do the data come in the order of their classes") and "note_targets" in told.action
    assert "shuffle=True" in told.action and told.evidence["every"] == each // size


def test_other_labels_from_some_step_on_are_no_blocks():
    found = in_blocks(2, 150, 10, 1e-2, order="relabelled")
    assert not any("come in blocks" in one.message for one in found)


def test_shuffled_rows_are_no_blocks():
    assert not any("blocks" in one.message for one in in_blocks(2, 100, 10, 1e-2, order="shuffled"))


@pytest.mark.parametrize("rule", [torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adadelta])
def test_a_clip_at_each_step_is_no_fault_of_a_rule_that_divides_it_out(rule):
    clip = lambda model, *_: nn.utils.clip_grad_norm_(model.parameters(), 1e-3)  # noqa: E731
    labels_of_no_use = lambda loss, model, step: loss * 0.1  # noqa: E731
    optimizer = lambda some: rule(some, 1e-6)  # noqa: E731
    found = train(optimizer=optimizer, before_step=clip, changed=labels_of_no_use, steps=60, told=False)
    assert first_of(found, "always_clipped").severity == "info"


def test_a_clip_at_each_step_of_plain_descent_is_one():
    clip = lambda model, *_: nn.utils.clip_grad_norm_(model.parameters(), 1e-3)  # noqa: E731
    assert first_of(train(optimizer=sgd(0.1), before_step=clip, told=False), "always_clipped").severity == "warning"


def test_no_module_is_hidden_behind_the_parameters_of_another():
    names = ["body.0.weight", "body.0.bias", "fc.weight", "fc.bias", "crf.start", "crf.end", "scale"]
    assert modules_of(names) == "body.0, fc, crf, scale"
    assert modules_of([*names[:2], *names[2:4]]) == "body.0.weight, body.0.bias, fc.weight and 1 more"
    assert modules_of(names[:3]) == "body.0.weight, body.0.bias, fc.weight"
    inner = ["net.a.0.weight", "net.a.2.weight", "net.b.weight", "net.b.bias"]
    assert modules_of(inner) == "net.a.0.weight, net.a.2.weight, net.b.weight and 1 more"
    assert modules_of([*inner[:3], "net.a.4.weight", "net.c.weight"]) == "net.a, net.b.weight, net.c.weight"
    assert modules_of([f"{k}.weight" for k in range(10)]).endswith("7.weight and 2 more")


class Table(nn.Module):
    """A table of codes that is read by indices, as an embedding is."""

    def __init__(self, how, rows):
        super().__init__()
        self.table, self.head, self.how = nn.Parameter(0.3 * torch.randn(rows, 16)), nn.Linear(16, 5), how

    def forward(self, ids):
        if self.how == "select":
            return self.head(self.table.index_select(0, ids.flatten()).view(*ids.shape, 16).mean(1))
        return self.head((F.embedding(ids, self.table) if self.how == "function" else self.table[ids]).mean(1))


class Dense(nn.Module):
    """A matrix of a module of one's own, by which inputs are multiplied."""

    def __init__(self):
        super().__init__()
        self.weight, self.head = nn.Parameter(0.3 * torch.randn(40, 12)), nn.Linear(40, 5)

    def forward(self, x):
        return self.head(F.relu(x @ self.weight.T))


def of_table(make, draw, decay):
    """What is said of idle rows after 40 steps."""
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=decay)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(40):
            loss = F.cross_entropy(model(draw()), torch.randint(0, 5, (32,)))
            optimizer.zero_grad()
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    return first_of(diagnose(monitor.history, losses=monitor.losses), "idle_rows")


@pytest.mark.parametrize(("how", "rows", "most"), [("index", 200, 60), ("select", 90, 20), ("function", 300, 50)])
def test_rows_of_a_parameter_that_no_index_asks_for_are_told_like_an_embeddings(how, rows, most):
    told = of_table(lambda: Table(how, rows), lambda: torch.randint(0, most, (32, 6)), 0.1)
    assert told.severity == "info" and f"{rows - most} of {rows} rows in table" in told.message


@pytest.mark.parametrize(
    ("make", "draw", "decay"),
    [
        (lambda: Table("index", 40), lambda: torch.randint(0, 40, (32, 6)), 0.1),
        (lambda: Table("index", 400), lambda: torch.randint(0, 400, (32, 6)), 0.1),
        (lambda: Table("index", 200), lambda: torch.randint(0, 60, (32, 6)), 0.0),
        (Dense, lambda: torch.randn(32, 12), 0.1),
    ],
)
def test_rows_that_all_come_up_or_are_not_decayed_are_no_idle_ones(make, draw, decay):
    assert of_table(make, draw, decay) is None
