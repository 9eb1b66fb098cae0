"""An interrupt inside torch, which takes a mode off its stack, is heard, and no other mode is taken off for it."""

import re
from pathlib import Path

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import gradwidgets
from gradwidgets.core.subject.mode import DispatchMode, FunctionMode


def heights() -> tuple[int, int]:
    return torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()


def plain(base):
    """A mode that changes nothing."""
    name = "__torch_function__" if issubclass(base, TorchFunctionMode) else "__torch_dispatch__"
    return type("Plain", (base,), {name: lambda self, func, types, args=(), kwargs=None: func(*args, **(kwargs or {}))})


OURS = {FunctionMode: TorchFunctionMode, DispatchMode: TorchDispatchMode}
TAKE_OFF = {
    FunctionMode: torch._C._pop_torch_function_stack,
    DispatchMode: lambda: torch._C._pop_torch_dispatch_stack(None),
}


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("base", OURS)
def test_an_interrupt_while_torch_holds_the_mode_is_heard(base, below):
    outer, before = plain(OURS[base]), heights()
    with outer() if below else torch.enable_grad():
        inside = heights()
        with pytest.raises(KeyboardInterrupt), plain(base)():
            TAKE_OFF[base]()  # as torch does while the mode handles an operation
            raise KeyboardInterrupt
        assert heights() == inside
    assert heights() == before


@pytest.mark.parametrize("base", OURS)
def test_it_can_be_entered_again_and_within_itself(base):
    mode, before = plain(base)(), heights()
    for _ in range(2):
        with mode, mode:
            assert float(torch.ones(2).sum()) == 2
    assert heights() == before


def test_all_modes_of_the_package_hold():
    """A mode of torch's own may take off another one when interrupted: none is used directly."""
    own = re.compile(r"^class .*\(Torch\w+Mode\)", re.MULTILINE)
    sources = Path(gradwidgets.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if own.search(path.read_text())] == ["mode.py"]
