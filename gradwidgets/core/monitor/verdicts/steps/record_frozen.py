"""Modules that only seem frozen, batch norms that go on though they are frozen, numbers that rounding holds."""

import torch

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number

_SAMPLES = 8
_STEPS = 20
_MOVED = 0.1  # standard deviations


def not_frozen(judged: JudgedRecord) -> list[Finding]:
    """Modules with requires_grad = False as a plain attribute, whose weights move."""
    history = judged.history
    flags = history.setting.get("flags") or {}
    moving = {name: columns for name in flags if (columns := _moving(judged, name))}
    if not moving or judged.samples < 2:
        return []
    flag = flags[next(iter(moving))]
    names = [name or "the model" for name in moving]
    where = tuple(sorted({column for columns in moving.values() for column in columns}))
    message = (
        f"{flag} = False is set on {listed(names)}, a module, where it is a plain attribute that nothing reads: the "
        f"parameters below ask for a gradient as before, and {listed(judged.names(list(where)))} moved"
    )
    action = f"Call {names[0] if next(iter(moving)) else 'model'}.requires_grad_(False), which sets it on parameters."
    return [Finding("not_frozen", "warning", message, {"modules": names, "flag": flag}, where, action)]


def _moving(judged: JudgedRecord, name: str) -> list[int]:
    """The columns below a module whose weights change."""
    below = [k for k in judged.weighted if not name or f"{judged.history.layers[k]}.".startswith(f"{name}.")]
    weights = judged.history.weight_norm[:, below]
    return [k for k, moves in zip(below, (weights != weights[:1]).any(0).tolist(), strict=True) if moves]


def frozen_norms(judged: JudgedRecord) -> list[Finding]:
    """Batch norms with frozen weights, whose running statistics have moved with the data."""
    moved = {name: far for name, far in (judged.history.setting.get("norms") or {}).items() if far > _MOVED}
    if not moved or judged.steps < _STEPS:
        return []
    most = max(moved, key=moved.__getitem__)
    message = (
        f"the weights of {listed(list(moved))} are frozen, but {'they are' if len(moved) > 1 else 'it is'} in training "
        f"mode, and the running mean of {most} has moved by {number(moved[most], 2)} standard deviations since the "
        "first step: requires_grad stops steps, not the statistics"
    )
    action = (
        "If they are to stay as they were learned, call .eval() on these batch norms after each model.train(); if they "
        "are to follow the new data, all is well."
    )
    return [Finding("frozen_norms", "info", message, {"moved": moved, "threshold": _MOVED}, action=action)]


def held_by_rounding(judged: JudgedRecord) -> list[Finding]:
    """Vectors of half precision that are, at the end, bit for bit the same as at first."""
    told = judged.history.rounded.get("held") or {}
    if not told or told["samples"] < _SAMPLES or judged.steps < _STEPS:
        return []
    gap = torch.finfo(getattr(torch, str(told["type"]))).eps
    names, size, rate = told["names"], float(told["size"]), judged.highest_rate
    by = f", and a step of {judged.history.rule['name']} is about {number(rate, 2)}" if _is_scaled(judged) else ""
    message = (
        f"{listed(names)} ({len(names):,} of {counted(told['of'], 'vector')} of {told['type']}) are bit for bit what "
        f"they were at first, though they have a gradient at all samples: they are about {number(size, 2)}, where such "
        f"numbers are {number(gap * size / 2, 2)} or more apart{by}: what is less than half of that is rounded away"
    )
    action = (
        "Keep the weights in float32 (torch.autocast computes in half precision all the same), or let the optimizer "
        "keep a copy in float32. If the loss falls as it should, these few may do without."
    )
    return [Finding("rounding", "info", message, dict(told) | {"gap": gap}, action=action)]


def _is_scaled(judged: JudgedRecord) -> bool:
    return bool(judged.history.rule.get("scaled")) and judged.highest_rate > 0
