"""Second derivatives of absolute values and signs: the right ones, and without importing torch's compiler."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradwidgets.core.losses.twice import Twice


def derivatives(function, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Value, first and second derivative of an elementwise function."""
    leaf = x.clone().requires_grad_()
    value = function(leaf)
    (first,) = torch.autograd.grad(value.sum(), leaf, create_graph=True)
    second = torch.zeros_like(leaf)
    if first.requires_grad:
        second = torch.autograd.grad(first.sum(), leaf, materialize_grads=True)[0]
    return value.detach(), first.detach(), second


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.abs() * x,
        lambda x: torch.abs(x) ** 3,
        lambda x: torch.sign(x) * torch.log(abs(x) + 1),
        lambda x: x.sgn() * torch.absolute(x) ** 1.5,
    ],
)
@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_they_are_torchs(function, values):
    x = torch.tensor(values, dtype=torch.float64)
    plain = derivatives(function, x)
    with Twice():
        ours = derivatives(function, x)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=0, equal_nan=True)


def test_the_compiler_is_not_imported():
    code = (
        "import sys; from gradwidgets import SurfaceExplorer;"
        "SurfaceExplorer('product and log-space', point=(1.0, 0.1)).close(); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "False"
