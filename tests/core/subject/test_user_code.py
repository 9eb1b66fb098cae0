"""File and line of a call are those of the user's code, whatever of torch's and ours is in between."""

import inspect
import os

import torch
from torch import nn

from gradwidgets.core.subject.user_code import is_called_by_torch, is_user_code, place_of_call

HERE = os.path.basename(__file__)


def line() -> int:
    return inspect.currentframe().f_back.f_lineno


def test_a_call_is_placed_at_its_line():
    assert place_of_call() == f"{HERE}, line {line()}"
    assert is_user_code(inspect.currentframe()) and not is_called_by_torch()


def test_a_call_below_torchs_own_frames_is_placed_in_the_users_code():
    seen = []

    class Asked(nn.Module):
        def forward(self, x):
            seen.append(place_of_call())
            return x

    nn.Sequential(Asked())(torch.ones(1))
    assert len(seen) == 1 and seen[0].startswith(f"{HERE}, line")
