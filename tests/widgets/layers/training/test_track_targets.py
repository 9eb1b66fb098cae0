"""`track` tells the monitor of the targets that it hands out."""

import torch
from torch import nn

from gradwidgets import LayerFlowPanel


def test_a_tracked_training_that_guesses_by_frequencies_is_told_so():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    inputs = torch.randn(4000, 4)
    labels = torch.multinomial(torch.tensor([0.8, 0.1, 0.1]), 4000, replacement=True)
    panel = LayerFlowPanel(model, inputs[:64], labels[:64], nn.functional.cross_entropy)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for x, y in panel.track(zip(inputs.split(20), labels.split(20), strict=True), every=1):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        panel.note_loss(loss)
        optimizer.step()
    history, said = panel.monitor.history, [one.name for one in panel.training_findings]
    panel.close()
    assert "guessing" in said and 0.75 < history.chance["largest share"] < 0.85


def test_items_that_are_no_pairs_with_a_tensor_are_left_alone():
    model = nn.Linear(2, 1)
    panel = LayerFlowPanel(model, torch.randn(8, 2), torch.randn(8, 1), nn.functional.mse_loss)
    items = [1, (torch.ones(2), "name"), (torch.ones(1), torch.ones(1), torch.ones(1))]
    assert len(list(panel.track(items))) == 3 and panel.monitor.history.chance == {}
    panel.close()
