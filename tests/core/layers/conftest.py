import pytest
import torch

from gradwidgets.core.subject.threads import one_thread


@pytest.fixture(autouse=True)
def seeded():
    """Models in these tests begin the same every time, and are too small for a second thread to help."""
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(0)
        yield


@pytest.fixture
def two_threads(seeded):
    """For tests that see whether the number of torch's threads is put back."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)
