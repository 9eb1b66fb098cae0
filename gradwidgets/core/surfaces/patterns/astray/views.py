"""A changed loss over its axes: with a parameter in another form, with other data, or with another operation."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.patterns.astray.edits import Edit, Edited, Left
from gradwidgets.core.surfaces.patterns.in_view import View


@dataclass(frozen=True, eq=False)
class Form:
    """Another form of a number.

    Attributes:
        words: The change in words; "{}" stands for the name of the tensor.
        of: The form as a function.
        slope: The derivative of that function.
        positive: Whether it needs numbers above 0.
    """

    words: str
    of: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    positive: bool = False


FORMS = (
    Form("−{}", lambda x: -x, lambda x: -torch.ones_like(x)),
    Form("log({})", torch.log, lambda x: 1 / x, positive=True),
    Form("2·log({})", lambda x: 2 * torch.log(x), lambda x: 2 / x, positive=True),
    Form("exp({})", torch.exp, torch.exp),
    Form("sigmoid({})", torch.sigmoid, lambda x: torch.sigmoid(x) * torch.sigmoid(-x)),
    Form("1 / {}", torch.reciprocal, lambda x: -1 / x**2),
)


class Reformed(View):
    """A loss with one parameter in another form.

    Args:
        view: The loss over its axes.
        axis: The parameter.
        form: The form.
    """

    def __init__(self, view: View, axis: int, form: Form) -> None:
        self.__dict__.update(view.__dict__)
        self._axis, self._form = axis, form

    def at(self, points: Tensor, gradient: bool = True) -> Slices[tuple[Tensor, Tensor]]:
        """As `View.at`."""
        places, own = points.clone(), points[:, self._axis]
        places[:, self._axis] = self._form.of(own)
        loss, slopes = yield from super().at(places, gradient)
        slopes = slopes.clone()
        slopes[:, self._axis] *= self._form.slope(own)
        return loss, slopes


class Exchanged(View):
    """A loss with its two parameters exchanged."""

    def __init__(self, view: View) -> None:
        self.__dict__.update(view.__dict__)

    def at(self, points: Tensor, gradient: bool = True) -> Slices[tuple[Tensor, Tensor]]:
        """As `View.at`."""
        loss, slopes = yield from super().at(points.flip(-1), gradient)
        return loss, slopes.flip(-1)


class Negated(View):
    """A loss with the opposite sign."""

    def __init__(self, view: View) -> None:
        self.__dict__.update(view.__dict__)

    def at(self, points: Tensor, gradient: bool = True) -> Slices[tuple[Tensor, Tensor]]:
        """As `View.at`."""
        loss, slopes = yield from super().at(points, gradient)
        return -loss, -slopes


class Changed(View):
    """A loss with one of its operations changed.

    Args:
        view: The loss over its axes.
        edit: The change.

    Attributes:
        edit: As given.
    """

    def __init__(self, view: View, edit: Edit) -> None:
        left = Left()
        self.__dict__.update(_of_function(view, view.function.within(lambda: Edited(edit, left))).__dict__)
        self.edit = edit


def edited(view: View, edit: Edit) -> View:
    """A view of the loss with one of its operations changed."""
    return Changed(view, edit)


def with_data(view: View, fixed: Mapping[str, object]) -> View:
    """A view of the loss with other data."""
    return _of_function(view, view.function.with_fixed({**view.function.fixed, **fixed}))


def _of_function(view: View, function: LossFunction) -> View:
    other = copy.copy(view)
    other.function = other.itself = function
    return other
