import pytest
import torch

from gradwidgets.core import DATASETS, regressions


@pytest.fixture
def article():
    return DATASETS["article"]()


@pytest.fixture
def four(article):
    return regressions(*article)


@pytest.fixture(autouse=True)
def leaves_torch_as_it_was():
    """Nothing in the core may move the random numbers, the grad mode, the threads or the default dtype."""
    before = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()
    yield
    after = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
