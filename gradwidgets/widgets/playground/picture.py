"""Convert a playground's result to what its figure draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from gradwidgets.core import Optimizer, Regression, StepParts, Trajectory
from gradwidgets.figures.playground.figure import Maps, Run
from gradwidgets.widgets.playground.problem import Result, alive

T = TypeVar("T")
_DRAWN_STEPS = 3_000


def of_map(part: T | None) -> T:
    """Return a part of a surface that a curve lacks, such as its vertical axis; a ValueError if it is None."""
    if part is None:
        raise ValueError("a curve over one axis is no map")
    return part


def axes_order(result: Result) -> list[int]:
    """Return which of the two parameters is drawn horizontally, and which vertically."""
    first, grid = next(iter(result.objectives.values())), next(iter(result.surfaces.values()))
    return [first.parameters.index(name) for name in grid.names]


def maps_of(result: Result) -> Maps:
    """Return the maps under the paths."""
    names, order = tuple(result.objectives), axes_order(result)
    grids, objectives = result.surfaces, result.objectives
    grid, first = grids[names[0]], objectives[names[0]]
    return Maps(
        of=(result.settings.dataset, result.sampled),
        names=names,
        x_name=grid.x_name,
        y_name=of_map(grid.y_name),
        x=grid.x.numpy(),
        y=of_map(grid.y).numpy(),
        loss={name: grids[name].loss.numpy() for name in names},
        gradient={name: (grids[name].grad_x.numpy(), of_map(grids[name].grad_y).numpy()) for name in names},
        minima={name: np.array(objectives[name].minima, float).reshape(-1, 2)[:, order] for name in names},
        lowest=dict(result.lowest),
        data=(first.sample.x.numpy(), first.sample.y.numpy()) if isinstance(first, Regression) else None,
    )


def runs_of(result: Result, k: int | None, parts: Mapping[str, StepParts]) -> dict[str, Run]:
    """Return the runs as drawn.

    Args:
        result: The result.
        k: The last step shown; None for all.
        parts: The parts of step k, by loss name.
    """
    order, runs = axes_order(result), {}
    for name, run in result.trajectories.items():
        points = run.points.numpy()
        last = len(points) - 1 if k is None else k
        here = min(last, alive(run))
        path = _finite(points[: here + 1][:, order])
        ended = bool(np.isfinite(points[last]).all())
        fits = ended and isinstance(result.objectives[name], Regression)
        runs[name] = Run(
            path=_thinned(path),
            losses=run.losses.numpy()[: last + 1],
            end=points[last][order] if ended else None,
            fit=(float(points[last][0]), float(points[last][1])) if fits else None,
            vectors=_vectors(parts[name], order, result.settings.optimizer) if name in parts else {},
            **({} if k is None else _to_come(run, here, last, order)),
        )
    return runs


def _to_come(run: Trajectory, here: int, last: int, order: list[int]) -> dict[str, np.ndarray]:
    """Return the rest of a run: its points from one on, and its losses from a step on."""
    ahead = _finite(run.points.numpy()[here : alive(run) + 1][:, order])
    return {"ahead": _thinned(ahead), "losses_ahead": run.losses.numpy()[last : alive(run) + 1]}


def _finite(path: np.ndarray) -> np.ndarray:
    return path[np.isfinite(path).all(axis=1)]


def _thinned(path: np.ndarray) -> np.ndarray:
    """Keep every early step and an even sample of a very long run's later ones."""
    if len(path) <= _DRAWN_STEPS:
        return path
    head = _DRAWN_STEPS // 2
    later = np.linspace(head, len(path) - 1, _DRAWN_STEPS - head).round().astype(int)
    return path[np.concatenate([np.arange(head), later])]


def _vectors(part: StepParts, order: list[int], optimizer: Optimizer) -> dict[str, np.ndarray]:
    """Return the parts of a step that are not zero, by name: origin and vector, (2, 2), horizontal first."""
    here = np.zeros(2)
    point = part.point.numpy()
    vectors = {
        "gradient": (here, part.gradient_part.numpy()),
        "momentum": (here, part.momentum_part.numpy()),
        "decay": (here, part.weight_decay_part.numpy()),
        "step": (here, part.next_point.numpy() - point),
    }
    if part.lookahead_gradient is not None and part.lookahead_point is not None:
        ahead = part.lookahead_point.numpy() - point
        vectors["look-ahead"] = (ahead, -optimizer.lr * part.lookahead_gradient.numpy())
    drawn = {name: np.stack(vector)[:, order] for name, vector in vectors.items()}
    return {name: vector for name, vector in drawn.items() if np.isfinite(vector).all() and np.any(vector[1] != 0)}
