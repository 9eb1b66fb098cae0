"""The layer panel's views in a real page: a fix tried, applied, undone; measuring and training that are stopped."""

import pytest

pytestmark = pytest.mark.browser

CELLS = (
    """
import torch
from torch import nn
from gradwidgets import LayerFlowPanel

torch.manual_seed(0)
layers = [nn.Linear(20, 32)] + [layer for _ in range(8) for layer in (nn.Sigmoid(), nn.Linear(32, 32))]
model = nn.Sequential(*layers)
inputs, targets = torch.randn(64, 20), torch.randn(64, 32)
before = {name: p.detach().clone() for name, p in model.named_parameters()}
panel = LayerFlowPanel(model, inputs, targets, nn.functional.mse_loss)
panel
""",
    """
import time

optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
steps = 0
for step in panel.track(range(100_000)):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(inputs), targets)
    loss.backward()
    panel.note_loss(loss)
    optimizer.step()
    steps += 1
    time.sleep(0.002)
    if time.monotonic() > globals().setdefault("late", time.monotonic() + 150):
        break
print("ended")
""",
)


@pytest.fixture(scope="module")
def page(open_panel):
    with open_panel(CELLS) as page:
        yield page


@pytest.fixture(autouse=True)
def _no_complaints(page):
    yield
    assert page.complaints() == [] and page.console == []


def press(page, name: str) -> None:
    page.raw.get_by_role("button", name=name, exact=True).click()


def test_a_fix_is_tried_applied_and_undone(page):
    press(page, "doctor")
    page.until_kernel("panel.view == 'doctor'")
    page.until_text("vanishing", within=".gradwidgets-verdict .card.error")
    page.raw.locator(".gradwidgets select:visible").first.select_option("He init")
    page.until_text("loss in 20 steps:", within=".gradwidgets-verdict")
    page.until_painted("panel")
    assert page.value("all(torch.equal(p, before[n]) for n, p in model.named_parameters())")
    press(page, "Apply")
    page.until_text("applied: He init", within=".gradwidgets-verdict")
    assert not page.value("any(torch.equal(p, before[n]) for n, p in model.named_parameters())")
    press(page, "Undo")
    page.until_kernel("all(torch.equal(p, before[n]) for n, p in model.named_parameters())")
    page.until_painted("panel")


def test_curvature_is_measured_on_demand_and_stopped(page):
    page.tell("panel.change(view='curvature', architecture='plain', depth=60, width=128)")
    page.until_text("Nothing is measured yet", within=".gradwidgets-verdict")
    press(page, "All three")
    press(page, "Stop")  # once it is there
    page.until_kernel("not panel._work.job.running")
    page.until_text("Stopped before everything was computed", within=".gradwidgets-error")
    page.tell("panel.change(depth=2, width=8)")
    press(page, "Spectrum")
    page.until_text("The largest curvature is", within=".gradwidgets-verdict")
    assert page.value("panel.error") == ""
    page.until_painted("panel")
    page.tell("panel.change(architecture='yours', view='flow')")


def test_a_training_is_followed_and_stopped_while_its_cell_runs(page):
    frames = page.value("panel.canvas.frames")
    page.begin(1)
    page.until_text("of the training, drawing", within=".gradwidgets-verdict")
    page.until_text("loss", within=".gradwidgets-verdict")
    seen = page.frames()
    page.until(f"watched.frames.length >= {seen + 2}", 120)  # a share of the time: seldom on a busy machine
    assert page.runs(1)
    press(page, "Stop")
    page.until_ended(1)
    page.until_text("Stopped after", within=".gradwidgets-verdict")
    assert page.value("steps") < 50_000 and page.value("panel.canvas.frames") > frames
    assert page.value("panel.monitor.active") is False
    assert page.value("not panel._trainer.run.active and len(panel.monitor.history.steps) > 1")
    page.until_painted("panel")
