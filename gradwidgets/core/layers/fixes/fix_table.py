"""The table of all fixes: which findings each one answers, what it changes and what it costs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from gradwidgets.core.layers.fixes import fix_code, rebuild
from gradwidgets.core.layers.networks.activations import ACTIVATIONS
from gradwidgets.core.layers.networks.arguments import positive, whole
from gradwidgets.core.layers.passes.stats import LayerFlow
from gradwidgets.core.layers.verdicts.units import DEAD
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.results.finding import Finding


@dataclass(frozen=True)
class Fix:
    """One fix.

    Attributes:
        title: What the fix does, in a few words.
        answers: The names of the findings that the fix is for.
        about: What the fix changes, and what it costs.
        text: Returns the code, from all options by name.
        options: The options with their defaults. A fix with `draws` also takes `also`: further matrices, as the name
            of the parameter (followed by ".T" if it is stored as (inputs, outputs)) → the name of its bias or None;
            without it they are searched for.
        plan: Inspects a model, given all options by name, and returns a function that changes it in place; None for a
            fix that acts on the training.
        check: Raises for options that are not allowed.
        sometimes: Returns whether the fix is also for a given finding, from the measurements if there are any.
        draws: Whether the fix changes the weights' numbers, so that the share changed is of interest.
    """

    title: str
    answers: tuple[str, ...]
    about: str
    text: Callable[..., str]
    options: Mapping[str, Any] = field(default_factory=dict)
    plan: Callable[..., rebuild.Change] | None = None
    check: Callable[..., object] = lambda **options: None
    sometimes: Callable[[Finding, LayerFlow | None], bool] = lambda finding, flow: False
    draws: bool = False

    @property
    def changes_model(self) -> bool:
        """Whether the fix changes the model, and not only the training."""
        return self.plan is not None

    def change(self, model: nn.Module, **options: object) -> None:
        """Change a model in place.

        Args:
            model: The model.
            **options: All options by name.

        Raises:
            ValueError: There is nothing to change in the model, or the fix acts on the training.
        """
        if self.plan is None:
            raise rebuild.NothingToChange(f"{self.title} acts on the training, and not on the model")
        self.plan(model, **options)()

    def code(self, **options: object) -> str:
        """Return plain torch code that does the same to `model`, or the line to insert into the training.

        Args:
            **options: Some of the options by name.

        Raises:
            TypeError: An option is unknown, or of the wrong type.
            ValueError: An option is not allowed.
        """
        return self.text(**self.settled(options))

    def settled(self, options: Mapping[str, object]) -> dict[str, Any]:
        """Return all options, the given ones and the defaults of the others; errors as for `code`."""
        known = {*self.options, *(["also"] if self.draws else [])}
        wrong = [name for name in options if name not in known]
        if wrong:
            listed = ", ".join(map(repr, self.options)) or "none"
            raise TypeError(f"unknown option {wrong[0]!r} for {self.title!r}: its options are {listed}")
        whole_set = {**self.options, **options}
        self.check(**whole_set)
        return whole_set


def _check_draw(seed: object, also: object = None) -> None:
    whole("seed", seed, 0, 2**63 - 1)
    _check_also(also)


def _check_also(also: object) -> None:
    fits = isinstance(also, Mapping) and all(
        isinstance(name, str) and isinstance(bias, str | None) for name, bias in also.items()
    )
    if also is not None and not fits:
        raise TypeError(f"also must map names of parameters to names of their biases or None, or be None; got {also!r}")


def _check_names(which: object) -> None:
    # A Collection, since the names of an iterator would be gone after the check.
    names = which if isinstance(which, Collection) and not isinstance(which, str) else None
    if which is not None and (names is None or not all(isinstance(name, str) for name in names)):
        raise TypeError(f"which must be names of modules, or None; got {which!r}")


def _check_swap(to: object, which: object) -> None:
    choose("activation", to, ACTIVATIONS)
    _check_names(which)


def _check_kind(kind: object) -> None:
    choose("normalization", kind, {"layer": None, "batch": None})


def _check_blocks(layers: object, scale: object) -> None:
    whole("layers", layers, 1, 100)
    if scale is not None:
        positive("scale", scale)


def _check_gain(gain: object, also: object = None) -> None:
    _check_also(also)
    if gain is not None:
        positive("gain", gain)


_LOST = (
    "What the layers have learned is lost; frozen layers, embeddings, what is tied to one, and recurrent layers stay "
    "as they are."
)


def _is_due_to_zero_weights(finding: Finding, flow: LayerFlow | None) -> bool:
    """Whether a finding is due to weights that are all 0."""
    if finding.name != "no_gradient":
        return False
    if flow is None:
        return "weights are all 0" in finding.message
    layers = [layer for layer in flow.layers if layer.weights and "Norm" not in layer.kind]
    return bool(layers) and all(layer.weight_norm == 0 for layer in layers)


def _is_due_to_dead_output(finding: Finding, flow: LayerFlow | None) -> bool:
    """Whether a finding is due to an activation at the output that is always 0."""
    if finding.name not in ("dead_units", "no_gradient"):
        return False
    return finding.name == "dead_units" if flow is None else bool(_dead_output(flow))


def _dead_output(flow: LayerFlow) -> str:
    """Return the name of the activation that ran last, once, if all its units are dead; "" otherwise."""
    ran = [layer for layer in flow.layers if layer.calls and not layer.composite]
    last = ran[-1] if ran else None
    return last.name if last is not None and last.calls == 1 and last.dead_fraction > DEAD[1] else ""


def _initialisation(title: str, answers: tuple[str, ...], about: str, code: str, init: Callable[..., object]) -> Fix:
    """Return a fix that initialises the weights again; `code` is the text of what `init` does to a part."""
    return Fix(
        f"{title} re-initialisation",
        answers,
        f"{about} {_LOST}",
        partial(fix_code.reinitialise, code),
        {"seed": 0},
        lambda model, **options: rebuild.reinitialise(model, init, **options),
        _check_draw,
        _is_due_to_zero_weights,
        draws=True,
    )


FIXES: dict[str, Fix] = {
    "he": _initialisation(
        "He",
        ("vanishing", "dead_units", "exploding", "units alike"),
        "Weights of linear and convolution layers, attention's projections and other matrices from N(0, 2/inputs), "
        "biases 0: for ReLU and its like.",
        "nn.init.kaiming_normal_(part, nonlinearity='relu')",
        partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    ),
    "xavier": _initialisation(
        "Xavier",
        ("vanishing", "exploding", "saturated", "units alike"),
        "Weights from N(0, 2/(inputs + outputs)), biases 0: for tanh.",
        "nn.init.xavier_normal_(part)",
        nn.init.xavier_normal_,
    ),
    "orthogonal": _initialisation(
        "Orthogonal",
        ("vanishing", "exploding", "saturated", "units alike"),
        "Weights that turn without stretching, biases 0: for deep tanh or linear networks.",
        "nn.init.orthogonal_(part)",
        nn.init.orthogonal_,
    ),
    "activation": Fix(
        "Another activation",
        ("vanishing", "dead_units", "saturated"),
        "Every activation module between layers is replaced; the one that gives the output stays.",
        fix_code.activation,
        {"to": "ReLU", "which": None},
        rebuild.swap_activations,
        _check_swap,
    ),
    "normalization": Fix(
        "Normalisation after each layer",
        ("vanishing", "exploding", "saturated", "dead_units"),
        "LayerNorm or BatchNorm after every nn.Linear and convolution module but the last (GroupNorm of one group for "
        "'layer' after convolutions). BatchNorm1d needs inputs of shape (samples, features); after sigmoids it helps "
        "more, since it takes away the mean that all samples share.",
        fix_code.normalization,
        {"kind": "layer"},
        rebuild.normalise,
        _check_kind,
    ),
    "residual": Fix(
        "Residual connections",
        ("vanishing",),
        "In every nn.Sequential, each run of two layers that keep the width becomes x + scale · run(x). The scale is "
        "1/√(number of runs), so that the sum of all branches stays of size 1.",
        fix_code.residual,
        {"layers": 2, "scale": None},
        rebuild.add_residuals,
        _check_blocks,
    ),
    "gain": Fix(
        "Rescaled weights",
        ("vanishing", "exploding", "saturated"),
        "Each weight of linear and convolution layers, attention's and other matrices, is scaled to an RMS of "
        "gain/√inputs; its directions, and so most of what it has learned, stay. The gain is what "
        "torch.nn.init.calculate_gain has for the next activation.",
        fix_code.gain,
        {"gain": None},
        rebuild.rescale,
        _check_gain,
        draws=True,
    ),
    "drop_output_activation": Fix(
        "No activation at the output",
        ("not_logits",),
        "The activation module at the output is removed: a ReLU there whose outputs are all 0 passes back no gradient, "
        "and a loss of logits expects none.",
        fix_code.drop_output_activation,
        {"which": None},
        rebuild.drop_output_activation,
        _check_names,
        _is_due_to_dead_output,
    ),
    "clip": Fix(
        "Gradient clipping",
        ("exploding", "exploding along time", "non_finite"),
        "The gradient of all parameters together is shortened to a norm of `max_norm`, in each step. It acts between "
        "backward and step: there is nothing in the model to change, and one pass looks the same with it.",
        fix_code.clip,
        {"max_norm": 1.0},
        None,
        lambda max_norm: positive("max_norm", max_norm),
    ),
}
