import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """Models in these tests begin the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
