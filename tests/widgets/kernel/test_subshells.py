"""To which thread of the kernel a page's messages go."""

from types import SimpleNamespace

import pytest

from gradwidgets.widgets.kernel import subshells
from gradwidgets.widgets.kernel.subshells import deliver_during_cell, keep_reachable


class Comm:
    """One for which the kernel prefers a subshell, as ipykernel's does since 7.4."""

    def __init__(self, preferred):
        self.preferred = preferred

    def _reply_subshell_for(self, data, default):
        return self.preferred


@pytest.fixture
def running(monkeypatch):
    ids = ["one", "two"]
    thread = SimpleNamespace(manager=SimpleNamespace(list_subshell=lambda: ids))
    shell = SimpleNamespace(kernel=SimpleNamespace(shell_channel_thread=thread))
    monkeypatch.setattr(subshells, "get_ipython", lambda: shell)
    return ids


@pytest.mark.parametrize(("preferred", "goes_to"), [("one", "one"), (None, None), ("ended", "two")])
def test_the_kernel_s_choice_holds_unless_that_subshell_has_ended(preferred, goes_to, running):
    widget = SimpleNamespace(comm=Comm(preferred))
    keep_reachable([widget])
    assert widget.comm._reply_subshell_for({}, "two") == goes_to


def test_one_that_ends_later_is_noticed(running):
    widget = SimpleNamespace(comm=Comm("one"))
    keep_reachable([widget])
    keep_reachable([widget])
    running.remove("one")
    assert widget.comm._reply_subshell_for({}, "two") == "two"
    assert widget.comm._reply_subshell_for({}, None) is None


def test_while_a_cell_runs_the_sender_s_choice_holds_and_afterwards_what_held_before(running):
    plain, kept = SimpleNamespace(comm=Comm(None)), SimpleNamespace(comm=Comm("ended"))
    keep_reachable([kept])
    with deliver_during_cell([plain, kept, SimpleNamespace(comm=None)]):
        assert [one.comm._reply_subshell_for({}, "two") for one in (plain, kept)] == ["two", "two"]
    assert plain.comm._reply_subshell_for({}, "two") is None
    assert kept.comm._reply_subshell_for({}, "one") == "one"
    assert "_reply_subshell_for" not in vars(plain.comm)


def test_comms_of_other_kernels_are_left_alone():
    comm = SimpleNamespace()
    keep_reachable([SimpleNamespace(comm=comm), SimpleNamespace(comm=None)])
    with deliver_during_cell([SimpleNamespace(comm=comm)]):
        assert not vars(comm)
