"""A training's verdict in a real page: while its cell runs, and of a record that was kept, without the model."""

import pytest

pytestmark = pytest.mark.browser

CELLS = (
    """
import torch
from torch import nn
from gradwidgets import LayerFlowPanel

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5))
inputs = torch.randn(64, 20)
targets = inputs[:, :5].argmax(1)
panel = LayerFlowPanel(model, inputs, targets, nn.functional.cross_entropy)
panel
""",
    """
import time

optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
late = time.monotonic() + 150
for step in panel.track(range(100_000)):
    loss = nn.functional.cross_entropy(model(inputs), targets)
    loss.backward()  # and nobody calls zero_grad
    panel.note_loss(loss)
    optimizer.step()
    time.sleep(0.005)
    if time.monotonic() > late:
        break
""",
)
KEPT = (
    """
import torch
from torch import nn
from gradwidgets import LayerFlowPanel
from gradwidgets.core import GradientMonitor

torch.manual_seed(0)
inputs, model = torch.randn(64, 20), nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 5))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
with GradientMonitor(model, optimizer, every=1, activations=True, updates=True) as monitor:
    for step in range(40):
        loss = nn.functional.cross_entropy(model(inputs), inputs[:, :5].argmax(1))
        loss.backward()  # and nobody calls zero_grad
        monitor.note_loss(loss)
        optimizer.step()
monitor.history.save("kept.npz")
del model, monitor
kept = LayerFlowPanel.of_record("kept.npz", beside="kept.npz")
kept
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


def test_the_verdict_stands_below_the_picture_while_the_cell_runs(page):
    page.begin(1)
    page.until_text("the gradients of all steps add up", within=".gradwidgets-verdict .card.error")
    assert page.runs(1)
    page.raw.get_by_role("button", name="Stop", exact=True).click()
    page.until_ended(1)
    page.until_text("Stopped after", within=".gradwidgets-verdict")
    page.until_text("the gradients of all steps add up", within=".gradwidgets-verdict .card.error")
    page.until_painted("panel")


def test_a_kept_record_is_shown_with_its_verdict_and_one_beside(lab, browser, address):
    from tests.browser.page import Page

    with Page(browser, address, lab.write(KEPT)) as page:
        page.run(0)
        page.until_picture()
        page.until_painted("kept")
        page.open_words()
        page.until_text("the gradients of all steps add up", within=".gradwidgets-verdict .card.error")
        page.until_text("the same to step 40", within=".gradwidgets-verdict .card.ok")
        assert page.raw.locator(".gradwidgets-verdict .card b").first.inner_text() == "same"
        shade = page.raw.evaluate(
            "() => getComputedStyle(document.querySelector('.gradwidgets-verdict > div')).backgroundAttachment"
        )
        assert shade == "local, local, scroll, scroll"  # covers scroll along with the words, shades do not
        assert page.raw.get_by_role("button", name="Train", exact=True).count() == 0
        page.raw.locator(".gradwidgets select:visible").first.select_option("update/weight")
        page.until_kernel("kept.quantity == 'update/weight'")
        page.until_painted("kept")
        assert page.value("kept.error") == "" and page.complaints() == [] and page.console == []
        page.end_kernel()
