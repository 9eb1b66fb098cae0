"""Fixes applied to copies of a model, and which of them answer a finding."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from gradwidgets.core.layers.fixes import rebuild
from gradwidgets.core.layers.fixes.fix_table import FIXES
from gradwidgets.core.layers.fixes.matrices import disguised
from gradwidgets.core.layers.passes.activation_units import has_units, is_activation
from gradwidgets.core.layers.passes.stats import LayerFlow
from gradwidgets.core.layers.verdicts.units import AT_OUTPUT
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.results.finding import NAMES, Finding
from gradwidgets.core.results.wording import percent
from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.untouched import Untouched


@at_home
def apply_fix(model: nn.Module, name: str, **options: object) -> nn.Module:
    """Apply a fix to a copy of a model; the model itself stays unchanged.

    Args:
        model: Any module.
        name: One of `FIXES`.
        **options: The options of this fix, see its `options`.

    Returns:
        The changed copy, in the same modes and on the same device.

    Raises:
        TypeError: `model` is not a module, or an option is unknown or of the wrong type.
        ValueError: The name is unknown, an option is not allowed, the fix finds nothing to change in this model, or it
            acts on the training (clipping).
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__} {model!r:.60}")
    fix = choose("fix", name, FIXES)
    settled = fix.settled(options)
    if not fix.changes_model:
        raise ValueError(
            f"{fix.title} acts on the training, between backward and step, and not on the model: copy its code"
        )
    with Untouched(model) as block, block.again(), torch.inference_mode(False):
        changed = Clone().of(model)
        for parameter in changed.parameters():
            parameter.grad = None
        make_change(changed, name, **settled)
    return changed


def make_change(model: nn.Module, name: str, **options: object) -> None:
    """Apply a fix to a model itself.

    Raises:
        ValueError: The fix finds nothing to change, or the tensors cannot be changed.
    """
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ValueError("the model is on the meta device, where tensors have shapes and no numbers")
    try:
        FIXES[name].change(model, **options)
    except RuntimeError as error:
        raise ValueError(f"{FIXES[name].title} cannot change this model: {error}") from error


def refusal(model: nn.Module, name: str, **options: object) -> str:
    """Return why a fix cannot be applied to a model; "" if it can. The model is only inspected.

    Args:
        model: Any module.
        name: One of `FIXES`.
        **options: The options of this fix, see its `options`.

    Raises:
        TypeError: An option is unknown or of the wrong type.
        ValueError: The name is unknown, or an option is not allowed.
    """
    fix = choose("fix", name, FIXES)
    settled = fix.settled(options)
    try:
        if fix.plan is not None:
            fix.plan(model, **settled)
    except rebuild.NothingToChange as failure:
        return str(failure)
    return ""


def completed(name: str, options: Mapping[str, Any], model: nn.Module, flow: LayerFlow) -> dict[str, Any]:
    """Complete the options of a fix by what only a pass shows.

    For "activation" these are the activations between layers, if the order of the model's modules differs from the
    order of the calls: those that ran before the last layer with weights, or more than once.

    Args:
        name: One of `FIXES`.
        options: The options chosen.
        model: The model that the fix is for.
        flow: The measurements of the model.
    """
    if name == "drop_output_activation" and options.get("which") is None:
        output = _output_activation(flow, model)
        same = output == rebuild.output_activation(model)
        return dict(options) if same else {**options, "which": (output,) if output else ()}
    if FIXES[name].draws and options.get("also") is None:
        also = disguised(model)
        return {**options, "also": also} if also else dict(options)
    if name != "activation" or options.get("which") is not None:
        return dict(options)
    ran = [layer for layer in flow.layers if layer.calls]
    last = max((k for k, layer in enumerate(ran) if layer.weights and not layer.composite), default=-1)
    modules = dict(model.named_modules())
    inner = {
        layer.name: modules[layer.name]
        for k, layer in enumerate(ran)
        if (k < last or layer.calls > 1) and layer.name in modules and has_units(type(modules[layer.name]))
    }
    try:
        same = {id(module) for module in rebuild.listed_inner(model)} == {id(module) for module in inner.values()}
    except rebuild.NothingToChange:
        same = False
    return dict(options) if same else {**options, "which": tuple(inner)}


def _output_activation(flow: LayerFlow, model: nn.Module) -> str:
    """Return the name of the module that ran last, if it is an activation and ran once; "" otherwise."""
    ran = [layer for layer in flow.layers if layer.calls and not layer.composite]
    modules = dict(model.named_modules())
    one = modules.get(ran[-1].name) if ran else None
    return ran[-1].name if one is not None and ran[-1].calls == 1 and is_activation(type(one)) else ""


_NOT_AT_OUTPUT = ("activation", "normalization")  # fixes that do not change the activation at the output


def fixes_for(finding: Finding | str, flow: LayerFlow | None = None) -> list[str]:
    """Return the names of the fixes that answer a finding, in the order of `FIXES`.

    Args:
        finding: A finding, or its name.
        flow: The measurements that the finding is from. They decide about some fixes: initialisation if all weights
            are 0, removal of an activation at the output if it is dead.

    Raises:
        TypeError: `finding` is neither, a list of findings for example.
        ValueError: There is no finding of this name.
    """
    if not isinstance(finding, (Finding, str)):
        some = ": one at a time, as in [fixes_for(one, flow) for one in diagnose(flow)]"
        hint = some if isinstance(finding, (list, tuple)) else ""
        raise TypeError(f"finding must be a Finding or its name; got {type(finding).__name__}{hint}")
    if isinstance(finding, str):
        if finding not in NAMES:
            answered = ", ".join(
                repr(one) for one in dict.fromkeys(one for fix in FIXES.values() for one in fix.answers)
            )
            raise ValueError(f"no finding is called {finding!r}: there are fixes for {answered}")
        return [key for key, fix in FIXES.items() if finding in fix.answers]
    within = _NOT_AT_OUTPUT if finding.evidence.get(AT_OUTPUT) else ()
    return [
        key
        for key, fix in FIXES.items()
        if (finding.name in fix.answers or fix.sometimes(finding, flow)) and key not in within
    ]


def reach(name: str, share: float) -> str:
    """Return a remark if a fix of the weights changed less than half of them; "" otherwise.

    Args:
        name: One of `FIXES`.
        share: The share of the weights whose numbers changed.
    """
    if not FIXES[name].draws or not share < 0.5:
        return ""
    if share == 0:
        return "it changed nothing: no weight has another number than before"
    return f"it changed {percent(share)} of the weights only: the rest is frozen, or no layer's that it is for"
