"""Who steps, and what is said where that is nobody, somebody else, or somebody new each time."""

import time

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import adam, mlp, sgd


def small():
    torch.manual_seed(0)
    return mlp(6, 16, 3)


def step(model, optimizer, monitor):
    inputs = torch.randn(16, 6)
    optimizer.zero_grad()
    loss = F.cross_entropy(model(inputs), inputs[:, :3].argmax(1))
    loss.backward()
    optimizer.step()
    monitor.note_loss(loss.item())


def found(monitor):
    return {one.name: one for one in diagnose(monitor.history)}


def trained(given, of_step, steps=60):
    """A record of steps by `of_step(model, given optimizer, number)`, which gives the optimizer of each."""
    model = small()
    first = given(model.parameters()) if given else None
    with GradientMonitor(model, first, every=2) as monitor:
        for number in range(steps):
            step(model, of_step(model, first, number), monitor)
    return found(monitor)


def test_an_optimizer_for_each_step_forgets_what_the_one_before_had_seen():
    for make in (adam(1e-2), sgd(0.05, momentum=0.9)):
        said = trained(None, lambda model, first, number, make=make: make(model.parameters()))["made_anew"]
        assert said.severity == "warning" and "60 of them" in said.message and "once, before the loop" in said.action


def test_an_optimizer_for_each_epoch_may_be_meant_and_one_without_memory_loses_nothing():
    held = {}

    def each_epoch(model, first, number):
        if number % 20 == 0:
            held["now"] = torch.optim.Adam(model.parameters(), 1e-2)
        return held["now"]

    assert trained(None, each_epoch)["made_anew"].severity == "info"
    assert "made_anew" not in trained(None, lambda model, first, number: sgd(0.1)(model.parameters()))


def test_optimizers_that_take_turns_are_not_made_anew():
    model = small()
    both = [torch.optim.Adam(model.parameters(), 1e-3) for _ in range(4)]
    with GradientMonitor(model, every=2) as monitor:
        for number in range(60):
            step(model, both[number % 4], monitor)
    assert "made_anew" not in found(monitor)


def test_who_steps_in_place_of_the_optimizer_that_was_given_is_said():
    said = trained(adam(1e-2), lambda model, first, number: adam(1e-2)(model.parameters()))
    assert "60 others (Adam) that were made one after the other" in said["no_step"].message
    assert said["made_anew"].severity == "warning"
    other = {}
    said = trained(sgd(0.1), lambda model, first, n: other.setdefault(0, adam(1e-2)(model.parameters())))
    assert said["no_step"].severity == "warning" and "another one, Adam," in said["no_step"].message


def test_layers_whose_own_optimizer_never_steps_are_named():
    model = small()
    ours, theirs = (torch.optim.SGD(part.parameters(), 0.1) for part in (model[0], model[2]))
    with GradientMonitor(model, ours) as monitor:
        for _ in range(20):
            ours.zero_grad()
            step(model, theirs, monitor)
    said = found(monitor)["no_step"]
    assert said.severity == "error" and "nobody moves 0.weight, 0.bias" in said.message


def test_losses_after_the_last_step_that_was_seen_are_told_of():
    other = {}

    def later(model, first, number):
        return first if number < 10 else other.setdefault(0, torch.optim.Adam(model.parameters(), 1e-3))

    said = trained(sgd(0.1), later)
    assert "ends at step 10" in said["stopped"].message and "50 of another one, Adam," in said["stopped"].message
    assert "healthy" not in said
    model, new = small(), small()
    first, second = (torch.optim.SGD(one.parameters(), 0.1) for one in (model, new))
    with GradientMonitor(model, first) as monitor:
        for number in range(40):
            step(*((model, first) if number < 5 else (new, second)), monitor)
    assert found(monitor)["stopped"].severity == "warning"


def test_batches_that_are_added_up_and_turns_of_another_network_are_no_end():
    model = small()
    ours, theirs = (torch.optim.SGD(part.parameters(), 0.1) for part in (model[0], model[2]))
    with GradientMonitor(model, ours) as monitor:
        for number in range(54):
            step(model, ours if number % 11 == 0 else theirs, monitor)
    assert "stopped" not in found(monitor)


def test_an_optimizer_of_another_model_is_told_of_at_the_entry():
    model, other = small(), small()
    optimizer = torch.optim.SGD(other.parameters(), 0.1)
    with GradientMonitor(model, optimizer) as monitor:
        assert "the optimizer holds none of the model's parameters" in monitor.notes
        for _ in range(12):
            step(other, optimizer, monitor)
    said = found(monitor)
    assert list(said) == ["unheld"] and "holds none" in said["unheld"].message


def test_an_optimizer_that_is_given_its_parameters_later_is_none_of_another_model():
    model, aside = small(), nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([aside], 0.1)
    with GradientMonitor(model, optimizer) as monitor:
        optimizer.add_param_group({"params": model.parameters()})
        for _ in range(12):
            step(model, optimizer, monitor)
    assert not {"unheld", "no_step"} & set(found(monitor)) and not monitor.notes


def test_a_monitor_that_was_never_entered_says_so():
    model = small()
    monitor = GradientMonitor(model)
    step(model, torch.optim.SGD(model.parameters(), 0.1), monitor)
    assert "never entered" in found(monitor)["not_watched"].message


def test_what_can_teach_nothing_is_said_at_once():
    kink = nn.ReLU()
    monitor = GradientMonitor(kink)
    assert monitor.notes == ("the model has no parameters, so there is nothing to learn",)
    with monitor:
        kink(torch.ones(2))
    assert "no parameters" in found(monitor)["not_watched"].message
    monitor = GradientMonitor(small(), torch.optim.SGD(small().parameters(), 0.1))
    assert "the optimizer holds none of the model's parameters" in repr(monitor) and monitor.notes
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with GradientMonitor(model, optimizer) as monitor:
        monitor.note_targets(torch.empty(0, 4))
        assert "targets of shape (0, 4) are empty" in monitor.notes[0]
        step(model, optimizer, monitor)  # and the training goes on
    assert monitor.steps == 1


def test_what_a_step_costs_does_not_grow_with_the_optimizers_before_it():
    model, times, kept = small(), [], []
    with GradientMonitor(model) as monitor:
        for _ in range(4):
            began = time.process_time()
            for _ in range(100):
                kept.append(torch.optim.Adam(model.parameters(), 1e-3))
                step(model, kept[-1], monitor)
            times.append(time.process_time() - began)
    assert times[-1] < 2.5 * min(times)
