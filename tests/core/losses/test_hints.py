"""A hint is of what raised, and of nothing else."""

import torch
from torch.nn import functional

from gradwidgets.core.losses.hints import hint


def raised(prediction: float, target: float) -> str:
    """What torch says."""
    try:
        functional.binary_cross_entropy(torch.tensor([prediction]), torch.tensor([target]))
    except RuntimeError as error:
        return str(error)
    raise AssertionError("nothing was raised")


def test_logits_for_shares_are_told_and_a_wrong_target_is_not_called_that():
    assert "sigmoid" in hint(raised(1.5, 1.0), {})
    assert hint(raised(0.5, 1.5), {}) == ""
