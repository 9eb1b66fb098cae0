"""Which models can be measured, and how they are called."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from gradwidgets.core.layers.passes.passes import inside


def call_model(model: nn.Module, inputs: object) -> object:
    """Call a model: a tuple of inputs is its positional arguments, a dict its keyword arguments.

    Args:
        model: The model.
        inputs: A tensor, or whatever else the model takes.
    """
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(**inputs) if isinstance(inputs, dict) else model(inputs)


def checked_model(model: object) -> nn.Module:
    """Validate a model as differentiable, and unwrap it from torch.compile or DataParallel.

    Args:
        model: The argument to validate.

    Raises:
        TypeError: `model` is not a module.
        ValueError: It has no parameters, none trainable, or one that is uninitialized, complex or sparse.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__} {model!r:.60}")
    own = inside(model, [])
    named = list(own.named_parameters())
    if not named:
        raise ValueError(f"model {type(own).__name__} has no parameters, so its loss has no gradient")
    for name, parameter in named:
        if nn.parameter.is_lazy(parameter):
            raise ValueError(f"parameter {name!r} has no shape yet (a lazy module): call the model once first")
        if parameter.is_meta:
            raise ValueError(f"parameter {name!r} has no values (it is on the meta device)")
        if parameter.is_complex() and parameter.requires_grad:
            raise ValueError(f"parameter {name!r} is complex; only real parameters can be measured")
        if parameter.layout is not torch.strided and parameter.requires_grad:
            raise ValueError(f"parameter {name!r} is sparse; only dense parameters can be measured")
    if not any(parameter.requires_grad for _, parameter in named):
        raise ValueError(f"all {len(named)} parameters of the model are frozen (requires_grad is False)")
    return own


def batch_normalized(model: nn.Module) -> bool:
    """Whether a BatchNorm layer normalizes with the batch's own statistics.

    Args:
        model: The model.
    """
    return any(isinstance(m, _BatchNorm) and (m.training or m.running_mean is None) for m in model.modules())
