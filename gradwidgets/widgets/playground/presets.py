"""The settings of the figures in the article that the playground is based on."""

from __future__ import annotations

_PLAIN = {
    "optimizer": "SGD",
    "lr": 0.1,
    "momentum": 0.0,
    "dampening": 0.0,
    "weight_decay": 0.0,
    "nesterov": False,
    "maximize": False,
    "steps": 100,
}

PRESETS: dict[str, dict[str, object]] = {
    "plain": _PLAIN,
    "momentum 0.9": {**_PLAIN, "momentum": 0.9},
    "Nesterov 0.9": {**_PLAIN, "momentum": 0.9, "nesterov": True},
    "Nesterov, decay 2": {**_PLAIN, "momentum": 0.9, "nesterov": True, "weight_decay": 2.0},
    "dampening 0.8": {**_PLAIN, "momentum": 0.9, "dampening": 0.8},
}
