"""What is the same for all samples is looked for in what is given for each of them, whatever else a model gives."""

import torch
from torch import nn

from gradwidgets.core import layer_flow


class Alike(nn.Module):
    """Gives a loss beside its answers, which are the same for all samples."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)) * 1e-9 + 1), torch.tensor(0.5)


def test_a_number_for_all_beside_the_answers_is_left_out():
    torch.manual_seed(0)
    loss = lambda given, targets: nn.functional.cross_entropy(given[0], targets)  # noqa: E731
    flow = layer_flow(Alike(), torch.randn(16, 4), torch.randint(0, 3, (16,)), loss)
    assert flow.same.count == 16 and flow.same.share < 1e-5 and flow.same.layer == "last"
