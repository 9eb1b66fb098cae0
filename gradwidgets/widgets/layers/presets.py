"""Settings worth looking at, with what they are compared with."""

from __future__ import annotations

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

# Name → the settings, and name → changes to them that are pinned beside.
PRESETS: dict[str, tuple[dict[str, object], dict[str, dict[str, object]]]] = {
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
