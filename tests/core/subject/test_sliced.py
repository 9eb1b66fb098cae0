"""A function that runs at once, and the same in slices: one body, one name, one docstring."""

import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core import descend_each, hessian_spectrum, rank_fixes, try_fix
from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.core.subject.sliced import sliced


@sliced
def doubled(number: float, *, times: int = 1) -> Slices[float]:
    """Twice a number, again and again."""
    for k in range(times):
        yield k / times
        number *= 2
    return number


def test_at_once_and_in_slices_are_the_same():
    assert doubled(3.0, times=4) == finish(doubled.in_slices(3.0, times=4)) == 48.0
    assert list(doubled.in_slices(3.0, times=4)) == [0.0, 0.25, 0.5, 0.75]


def test_help_shows_the_function_that_is_called():
    assert str(inspect.signature(doubled)) == "(number: float, *, times: int = 1) -> float"
    assert doubled.__name__ == "doubled" and doubled.__doc__ == "Twice a number, again and again."
    with pytest.raises(TypeError, match=r"doubled\(\) missing 1 required positional argument: 'number'"):
        doubled()


@pytest.mark.parametrize("function", [descend_each, hessian_spectrum, rank_fixes, try_fix])
def test_no_signature_promises_slices_where_all_is_done_at_once(function):
    assert "Generator" not in str(inspect.signature(function))
    assert inspect.isgeneratorfunction(inspect.unwrap(function))


def test_what_is_missing_is_said_before_a_model_is_looked_for():
    with pytest.raises(TypeError, match=r"hessian_spectrum\(\) missing 1 required positional argument: 'loss_fn'"):
        hessian_spectrum(nn.Linear(1, 1), torch.ones(2, 1), torch.ones(2, 1))


def test_at_once_a_change_is_put_back_and_in_slices_it_is_told():
    model, data = nn.Linear(2, 1), (torch.ones(3, 2), torch.zeros(3, 1))
    assert hessian_spectrum(model, *data, functional.mse_loss).certificate.unchanged
    work = hessian_spectrum.in_slices(model, *data, functional.mse_loss)
    next(work)
    with torch.no_grad():
        model.weight += 1  # by somebody else, in between
    assert not finish(work).certificate.unchanged
