"""Two records beside each other: to which step they are the same, where they part, and what could not be compared."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gradwidgets.core.monitor import GradientMonitor, compare_records


def trained(lr=0.05, steps=40, change=None, seed=0, every=1, width=16, note=True):
    """A training whose model `change(model, optimizer, step)` may touch before each step's pass."""
    torch.manual_seed(0)
    inputs, labels = torch.randn(64, 6), torch.randint(3, (64,))
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    with GradientMonitor(model, optimizer, every=every, updates=True) as monitor:
        for step in range(1, steps + 1):
            if change is not None:
                change(model, optimizer, step)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            if note:
                monitor.note_loss(loss)
            optimizer.step()
    return monitor.history


def scaled(at, factor):
    def change(model, optimizer, step):
        if step == at:
            model[2].weight.register_hook(lambda gradient: factor * gradient)

    return change


def test_a_record_is_the_same_as_itself():
    result = compare_records(trained(), trained())
    assert [one.name for one in result.findings] == ["same"] and result.notes == () and result.parted is None
    assert result.same_to == 40 and bool((result.ratio == 1).all())
    assert result.sentence == "the same to step 40, the last that both have: gradients and losses."


def test_the_step_and_the_layer_where_they_part_are_named_with_the_factor():
    result = compare_records(trained(), trained(change=scaled(21, 40.0)))
    found = result.findings[0]
    assert found.name == "parted" and found.evidence["step"] == 21 and found.evidence["layer"] == "2"
    assert result.same_to == 20 and result.parted == 21
    assert found.message.startswith("the same to step 20; from step 21 on the gradient of 2 is ")
    assert "× larger in B" in found.message and found.evidence["ratio"] == pytest.approx(40, rel=0.5)
    other = compare_records(trained(change=scaled(21, 40.0)), trained(), ("yesterday", "today"))
    assert "× smaller in today" in other.findings[0].message


def test_another_learning_rate_shows_in_the_updates_of_the_first_step():
    found = compare_records(trained(), trained(lr=0.5)).findings[0]
    assert found.evidence["quantity"] == "update_ratio" and found.evidence["step"] == 1
    assert found.evidence["ratio"] == pytest.approx(10, rel=0.2)


def test_trainings_that_differ_by_their_seed_alone_are_alike():
    result = compare_records(trained(), trained(seed=1))
    assert [one.name for one in result.findings] == ["alike"] and result.same_to == 0 and result.parted is None
    assert "no layer's gradient or update differs by 3 × for long" in result.sentence


def test_what_breaks_in_one_is_told():
    def spoil(model, optimizer, step):
        if step == 30:
            model[2].weight.data[0, 0] = float("nan")

    result = compare_records(trained(), trained(change=spoil))
    assert result.same_to == 29 and result.findings[0].evidence["step"] == 30
    assert "is not finite in B" in result.findings[0].message
    assert "is not finite in A" in compare_records(trained(change=spoil), trained()).findings[0].message
    assert "not finite in B" in result.findings[1].message


def test_a_gradient_that_ends_is_told():
    def cut(model, optimizer, step):
        if step == 12:
            model[0].weight.register_hook(torch.zeros_like)
            model[0].bias.register_hook(torch.zeros_like)

    assert "the gradient of 0 is 0 in B" in compare_records(trained(), trained(change=cut)).findings[0].message
    assert "the gradient of 0 is 0 in A" in compare_records(trained(change=cut), trained()).findings[0].message


def test_losses_that_part_are_told_with_both():
    def worse(model, optimizer, step):
        optimizer.param_groups[0]["lr"] = 0.0 if step > 20 else 0.5

    found = compare_records(trained(lr=0.5, steps=150), trained(lr=0.5, steps=150, change=worse)).findings
    loss = next(one for one in found if one.name == "loss_parted")
    assert 20 < loss.evidence["step"] < 150 and loss.evidence["losses"][1] > 1.5 * loss.evidence["losses"][0]


def test_records_of_other_lengths_are_compared_as_far_as_both_go():
    result = compare_records(trained(steps=40), trained(steps=25))
    assert result.notes == ("A has 40 steps and B has 25 steps: compared to step 25",)
    assert result.same_to == 25 and result.findings[0].name == "same"


def test_samples_of_other_steps_are_read_between_and_that_is_said():
    result = compare_records(trained(every=4), trained(every=3, change=scaled(21, 40.0)))
    assert len(result.steps) == 19  # 1, 4, 5, 7 … 37
    said = "4 of 19 sampled steps are common to both: at the others the numbers are read between samples"
    assert said in result.notes
    assert result.same_to == 21  # by the losses, which both noted at each step: the first step that is another
    assert result.findings[0].evidence["step"] == 21 and result.findings[0].evidence["layer"] == "2"
    assert result.findings[0].message.startswith("the same to step 20; from step 21 on the gradient of 2 is")
    alike = compare_records(trained(every=1), trained(every=2))
    assert alike.findings[0].name == "same" and alike.notes[0].startswith("20 of 39 sampled steps are common to both")


def test_nothing_parts_between_samples_before_the_losses_do():
    result = compare_records(trained(every=2), trained(every=3, change=scaled(25, 40.0)))
    assert result.same_to == 24 and result.parted == 25  # both sampled 25, and neither 24


def test_the_order_of_the_two_changes_no_step_and_no_layer():
    def kill(model, optimizer, step):
        if step == 22:
            model[0].weight.register_hook(torch.zeros_like)
            model[0].bias.register_hook(torch.zeros_like)

    first, second = trained(every=3), trained(every=5, change=kill)
    there, back = compare_records(first, second), compare_records(second, first)
    assert there.parted == back.parted and there.same_to == back.same_to
    assert "the gradient of 0 is 0 in B" in there.sentence and "the gradient of 0 is 0 in A" in back.sentence


def test_layers_that_one_lacks_or_has_in_another_size_are_named():
    first = trained()
    second = replace(first, layers=("0", "2", "new"))
    assert set(compare_records(first, second).notes) == {"only in A: '4'", "only in B: new"}
    assert "of another size: '0', '2', '4'" in compare_records(first, trained(width=20)).notes
    nothing = compare_records(first, replace(first, layers=("a", "b", "c")))
    assert nothing.layers == () and nothing.ratio.shape == (40, 0)
    assert nothing.findings[0].name in ("same", "alike")


def test_records_without_a_step_in_common_say_so():
    first = trained(note=False)
    late = replace(first, steps=first.steps + 100)
    result = compare_records(first, late)
    assert "they have no step in common" in result.notes and result.findings == ()
    none = replace(first, steps=first.steps[:0], seconds=first.seconds[:0], loss=first.loss[:0],
                   **{name: values[:0] for name, values in first.quantities.items()})  # fmt: skip
    assert "no step was sampled in one of them" in compare_records(first, none).notes


def test_files_without_losses_between_samples_are_compared_by_those_of_the_samples():
    old = replace(trained(), noted_steps=None, noted_losses=None, noted_batches=None)
    assert compare_records(old, trained()).findings[0].name == "same"


def test_what_is_no_record_is_refused():
    with pytest.raises(TypeError, match="a record must be a GradientHistory; got str"):
        compare_records(trained(), "record.npz")
