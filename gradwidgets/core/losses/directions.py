"""A loss of a whole tensor, such as logits, along directions in it."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from gradwidgets.core.losses.loss_call import check_loss, loss_name, parameters_of


def along(
    loss: Callable[..., object],
    axes: Mapping[str, object],
    fixed: Mapping[str, object] | None,
    directions: Mapping[str, Tensor],
) -> tuple[Callable[..., object], dict[str, object]]:
    """Turn a loss of a tensor into one of amounts: the tensor is its fixed value or zeros, plus amount times direction.

    Args:
        loss: The loss, which takes the tensor by name.
        axes: The names of the amounts to vary.
        fixed: The loss's other parameters. A tensor among them of the directions' shape is the one that is moved, of
            several the first in the loss's signature; if there is none, it is the one parameter that is neither fixed
            nor has a default, and starts at zeros.
        directions: Axis name → a tensor, all of the same shape.

    Returns:
        The loss of the amounts, whose `moved` names that parameter, and the rest of `fixed`.

    Raises:
        TypeError: `directions` does not map names to floating point tensors.
        ValueError: Their names are not the axes', their shapes differ, one is empty or 0, both are parallel, or it is
            not clear which parameter is meant.
    """
    check_loss(loss)
    if not isinstance(directions, Mapping) or not all(isinstance(d, Tensor) for d in directions.values()):
        raise TypeError(f"directions must map each axis to a tensor; got {directions!r:.60}")
    if set(directions) != set(axes):
        wanted, got = (", ".join(map(repr, names)) or "none" for names in (axes, directions))
        raise ValueError(f"directions must name the axes, {wanted}; got {got}")
    shapes = {tuple(direction.shape) for direction in directions.values()}
    for axis, direction in directions.items():
        if not direction.numel():
            raise ValueError(f"directions[{axis!r}] has no elements: its shape is {tuple(direction.shape)}")
        if not direction.is_floating_point():
            raise ValueError(f"directions must be floating point tensors; directions[{axis!r}] is {direction.dtype}")
        if not bool(direction.isfinite().all()):
            raise ValueError(f"directions[{axis!r}] holds NaN or infinity")
    if len(shapes) != 1:
        raise ValueError(f"directions must be floating point tensors of the same shape; got shapes {sorted(shapes)}")
    _check_apart(directions)
    (shape,), given = shapes, dict(fixed or {})
    name = _moved_parameter(loss, given, shape)
    held = given.pop(name, None)
    base = held if isinstance(held, Tensor) else next(iter(directions.values())).new_zeros(shape)
    steps = {axis: directions[axis].detach() for axis in axes}

    def moved_along(**named: Any) -> object:
        moved: Tensor | None = None
        for axis, step in steps.items():
            amount: Tensor = named.pop(axis)
            if amount.ndim:
                raise ValueError("one amount at a time")  # batches are left to vmap
            moved = base.detach().to(amount.dtype) if moved is None else moved
            moved = moved + amount * step.to(amount.dtype)
        return loss(**{name: moved}, **named)

    moved_along.__name__, moved_along.moved = loss_name(loss), name  # type: ignore[attr-defined]  # of functions
    parts = [inspect.Parameter(part, inspect.Parameter.KEYWORD_ONLY) for part in (*axes, *given)]
    moved_along.__signature__ = inspect.Signature(parts)  # type: ignore[attr-defined]  # which `inspect` reads
    return moved_along, given


def _check_apart(directions: Mapping[str, Tensor]) -> None:
    """Reject directions that are zero or parallel."""
    units = {name: direction.detach().double().flatten() for name, direction in directions.items()}
    for name, unit in units.items():
        if not bool((unit != 0).any()):
            raise ValueError(f"directions[{name!r}] is 0 everywhere: it leads nowhere")
    names = list(units)
    if len(names) == 2:
        one, other = (unit / unit.norm() for unit in units.values())
        if float((one @ other).abs()) > 1 - 1e-9:
            raise ValueError(f"directions of {names[0]!r} and {names[1]!r} are parallel: both axes are the same line")


def _moved_parameter(loss: Callable[..., object], given: Mapping[str, object], shape: tuple[int, ...]) -> str:
    """The name of the parameter that is moved."""
    fitting = [
        name
        for name, value in given.items()
        if isinstance(value, Tensor) and value.is_floating_point() and tuple(value.shape) == shape
    ]
    taken = parameters_of(loss)
    missing = [name for name in taken[0] if name not in given] if taken else []
    if len(missing) == 1:
        return missing[0]
    if not missing and fitting:
        order = [*taken[0], *taken[1]] if taken else fitting
        return min(fitting, key=lambda name: order.index(name) if name in order else len(order))
    told = missing or fitting
    raise ValueError(
        f"it is not clear which parameter of {loss_name(loss)} to move: "
        + (
            f"it may be {' or '.join(map(repr, told))}: fix the others"
            if told
            else f"none in fixed has the shape {shape}"
        )
    )
