"""Models of a user's, as small as they can be."""

import torch
from torch import nn


def sick(layers: int = 8, last: tuple[nn.Module, ...] = ()) -> tuple[nn.Module, torch.Tensor, torch.Tensor, object]:
    """Sigmoids in a row, with a batch and a loss: the gradient vanishes."""
    torch.manual_seed(0)
    inner = [layer for _ in range(layers) for layer in (nn.Sigmoid(), nn.Linear(16, 16))]
    model = nn.Sequential(nn.Linear(8, 16), *inner, *last)
    return model, torch.randn(24, 8), torch.randn(24, 16), nn.functional.mse_loss


def sound() -> tuple[nn.Module, torch.Tensor, torch.Tensor, object]:
    """A classifier that learns."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    return model, torch.randn(24, 8), torch.randint(0, 3, (24,)), nn.functional.cross_entropy
