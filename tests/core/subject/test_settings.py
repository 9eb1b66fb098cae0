"""Settings for a while are put back, be it the end of the while that is interrupted."""

import pytest
import torch

from gradwidgets import check_loss
from gradwidgets.core.layers.passes.passes import quietly
from gradwidgets.core.subject.settings import Settings
from gradwidgets.core.subject.threads import all_threads, in_one_thread, one_thread
from gradwidgets.core.subject.untouched import Untouched

held = {"a": 1, "b": 2}


def way(name):
    def put(value):
        if value == "refused":
            raise ValueError(name)
        held[name] = value

    return (lambda: held[name]), put


def test_settings_hold_inside_and_are_put_back():
    with Settings({way("a"): 5, way("b"): 6}) as block, block.again():
        assert held == {"a": 5, "b": 6}
    assert held == {"a": 1, "b": 2}


def test_one_that_is_refused_leaves_none_set():
    with pytest.raises(ValueError, match="b"), Settings({way("a"): 5, way("b"): "refused"}):
        raise AssertionError
    assert held == {"a": 1, "b": 2}


def test_an_interrupt_before_the_end_s_first_line_leaves_nothing(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    before = torch.backends.mha.get_fastpath_enabled(), torch.is_anomaly_enabled(), torch.get_num_threads()
    with torch.autograd.set_detect_anomaly(True):
        for block in (quietly(True), Settings({way("a"): 5})):
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(Settings, "__exit__", interrupted)
                with block, block.again():
                    assert held["a"] == 5 or not torch.backends.mha.get_fastpath_enabled()
            assert held == {"a": 1, "b": 2} and torch.is_anomaly_enabled()
    assert before == (torch.backends.mha.get_fastpath_enabled(), torch.is_anomaly_enabled(), torch.get_num_threads())


def test_levels_of_vmap_that_an_interrupt_left_open_are_closed():
    functorch = torch._C._functorch
    functorch._vmap_increment_nesting(2, "error")
    try:
        with pytest.raises(KeyboardInterrupt), Untouched() as block, block.again():
            functorch._grad_increment_nesting()
            functorch._vmap_increment_nesting(3, "error")
            raise KeyboardInterrupt
        assert functorch.maybe_current_level() == 1
        assert block.certificate.unchanged
    finally:
        functorch.pop_dynamic_layer_stack()


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_somebody_s_code_has_all_threads_inside_ours_with_one(three_threads):
    seen = []

    def work():
        seen.append(torch.get_num_threads())
        yield
        with all_threads():
            seen.append(torch.get_num_threads())
            with one_thread():
                seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())

    for _ in in_one_thread(work()):
        seen.append(torch.get_num_threads())
    assert seen == [1, 3, 3, 1, 1] and torch.get_num_threads() == 3


class Entering:
    """A loss that is not finite, and enters inference mode without ever leaving it."""

    def __init__(self):
        self.entered = []

    def __call__(self, a, b):
        self.entered.append(torch.inference_mode())
        self.entered[-1].__enter__()
        return a.log() + b**2


def test_a_loss_that_enters_a_mode_while_its_operations_are_watched_leaves_torch_whole():
    loss = Entering()
    names = [one.name for one in check_loss(loss, {"a": (-1, 1), "b": (-1, 1)}).findings]
    assert "non_finite" in names and loss.entered == [] and not torch.is_inference_mode_enabled()
    assert torch.nn.Linear(2, 2)(torch.ones(2)).requires_grad
