"""Presets: settings worth looking at, and the networks that they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradwidgets.widgets.layers.problem import FlowResult

_PLAIN = {
    "architecture": "plain",
    "activation": "ReLU",
    "init": "He",
    "gain": 1.0,
    "normalization": "none",
    "depth": 30,
    "width": 100,
    "batch": 32,
    "quantity": "activation gradient",
}

# The settings; and the name of each pinned network → its changes to them.
Preset = tuple[dict[str, Any], dict[str, dict[str, Any]]]

PRESETS: dict[str, Preset] = {
    "sigmoids vanish": (
        {**_PLAIN, "activation": "Sigmoid", "init": "default", "depth": 20},
        {"depth 5": {"depth": 5}, "depth 10": {"depth": 10}, "depth 50": {"depth": 50}},
    ),
    "linear layers explode": (
        {**_PLAIN, "activation": "Identity", "init": "normal", "gain": 1.5, "depth": 20},
        {"gain 1": {"gain": 1.0}},
    ),
    "torch's default fades": ({**_PLAIN, "init": "default"}, {"He": {"init": "He"}}),
    "a skip saves it": (
        {**_PLAIN, "architecture": "residual", "init": "default", "depth": 50, "width": 128},
        {"plain": {"architecture": "plain", "depth": 100}},
    ),
    "dense connections": (
        {**_PLAIN, "architecture": "dense", "init": "default", "depth": 20, "width": 32},
        {"plain": {"architecture": "plain"}},
    ),
    "five activations": (
        {**_PLAIN, "init": "default"},
        {name: {"activation": name} for name in ("Sigmoid", "Tanh", "GELU", "SiLU")},
    ),
    "a cure: He": (_PLAIN, {"default": {"init": "default"}}),
}


class Pins:
    """The networks whose profiles stay beside the next ones: the current one, or those of a preset.

    Args:
        measured: Returns the measurement of the current network with these changes.

    Attributes:
        held: The pinned networks, by name.
        coming: The preset that was chosen, a value of `PRESETS`; None once its networks are pinned.
    """

    def __init__(self, measured: Callable[[Mapping[str, object]], FlowResult]) -> None:
        self.held: dict[str, FlowResult] = {}
        self.coming: Preset | None = None
        self._measured = measured

    def keep(self, result: FlowResult | None) -> None:
        """Pin one network instead of all others; None to pin nothing."""
        self.held = {} if result is None else {_label(result): result}

    def pin_coming(self) -> None:
        """Pin the networks of the chosen preset; if that fails, no preset is chosen any more."""
        if self.coming is None:
            return
        settings, beside = self.coming
        try:
            self.held = {name: self._measured({**settings, **change}) for name, change in beside.items()}
        except Exception:
            self.coming = None
            raise
        self.coming = None

    def preset(self, now: Callable[[str], object]) -> str:
        """Return the preset that these settings and the pinned networks come from; "" for none."""
        for name, (settings, beside) in PRESETS.items():
            if set(self.held) == set(beside) and all(now(one) == value for one, value in settings.items()):
                return name
        return ""


def _label(result: FlowResult) -> str:
    s = result.settings
    return "your model" if s.own else f"{s.activation}, {s.init}, depth {s.depth}"
