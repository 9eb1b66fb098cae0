"""Where in a forward pass the first number that is not finite comes up."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.passes import Subject, copied, run
from gradwidgets.core.layers.watch import tensors_in


class _Found(BaseException):
    """Ends the pass; no model catches it."""


def origin_of_non_finite(subject: Subject) -> str:
    """Run the model once more, up to the first number that is not finite, and say where it comes from.

    Args:
        subject: The model and its batch; whoever calls puts the model back afterwards.

    Returns:
        A sentence without a full stop; "" where everything is finite in this pass.
    """
    model, inputs = subject.model, copied(subject.inputs)
    if any(bool(t.isnan().any()) for t in _floating(inputs)):
        return "the inputs hold NaN: it is in the batch itself"
    for name, parameter in model.named_parameters():
        if not nn.parameter.is_lazy(parameter) and not _finite(_floating(parameter)):
            return f"{name} holds NaN or infinity: the weights themselves are spoilt, by an earlier step perhaps"
    told: list[str] = []
    ran: list[str] = []

    def before(name: str, module: nn.Module, arguments: tuple, keywords: dict) -> None:
        tensors = _floating((arguments, keywords))
        # What stands behind the first one may be a mask, where −inf is meant.
        if not (_finite(tensors[:1]) and not any(bool(one.isnan().any()) for one in tensors[1:])):
            since = f"after {ran[-1]}" if ran else "before any layer"
            told.append(f"what goes into {name} is not finite: it is made {since}, outside of any module")
            raise _Found

    def after(name: str, module: nn.Module, arguments: tuple, output: object) -> None:
        if not _finite(_floating(output)):
            told.append(f"{name} ({type(module).__name__}) is given finite numbers and puts out others")
            raise _Found
        ran.append(name)

    handles = []
    try:
        for name, module in model.named_modules():
            if not module._modules and not isinstance(module, torch.jit.ScriptModule):
                handles.append(module.register_forward_pre_hook(partial(before, name or "the model"), with_kwargs=True))
                handles.append(module.register_forward_hook(partial(after, name or "the model")))
        _quietly(lambda: run("the model", model, inputs, model))
    finally:
        for handle in handles:
            handle.remove()
    return told[0] if told else ""


def _quietly(work: Callable[[], object]) -> None:
    try:
        with torch.no_grad():
            work()
    except _Found:
        pass


def _floating(values: object) -> list[Tensor]:
    return [
        t.detach()
        for t in tensors_in(values)
        if (t.is_floating_point() or t.is_complex()) and not t.is_nested and t.layout is torch.strided
    ]


def _finite(tensors: list[Tensor]) -> bool:
    return all(bool(t.isfinite().all()) for t in tensors)
