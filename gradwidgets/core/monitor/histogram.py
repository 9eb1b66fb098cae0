"""How large the elements of a model's gradient are."""

import math

import torch
from torch import Tensor, nn

_MOST = 2**15  # elements


def gradient_histogram(model: nn.Module, layer: str | None, bins: int) -> tuple[int, int, Tensor] | None:
    """Count the elements of the present gradients by their size; of large gradients, those of an even sample.

    Args:
        model: The model.
        layer: The dotted name of the layer; None for all layers.
        bins: How many bins there are.

    Returns:
        The decades at which the bins begin and end, and (bins,) float64 how many elements are in each; None where no
        element is finite and above 0.
    """
    gradients = [
        p.grad
        for name, p in model.named_parameters()
        if p.grad is not None and p.grad.layout is torch.strided and layer in (None, name.rpartition(".")[0])
    ]
    room = max(64, _MOST // max(1, len(gradients)))
    parts = [g.detach().flatten()[:: max(1, g.numel() // room)] for g in gradients]
    sizes = torch.cat([part.float().abs() for part in parts]) if parts else torch.zeros(0)
    sizes = sizes[(sizes > 0) & sizes.isfinite()].log10().cpu()
    if not len(sizes):
        return None
    high = math.ceil(float(sizes.max()) + 1e-6)
    low = max(math.floor(float(sizes.min())), high - 10)
    return low, high, torch.histc(sizes, bins, low, high).double()
