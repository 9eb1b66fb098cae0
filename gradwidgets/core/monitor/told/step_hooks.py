"""The hooks of an optimizer's steps, or of every optimizer's."""

import sys
from collections.abc import Callable

import torch


def add_step_hooks(
    handles: list, optimizer: "torch.optim.Optimizer | None", before: Callable, after: Callable, other: Callable
) -> None:
    """Have steps told.

    Args:
        handles: Takes the hooks' handles, one by one.
        optimizer: The one that is watched; None for all of the process.
        before: Called before its steps.
        after: Called behind them.
        other: Called before the steps of any optimizer, where one is watched.
    """
    everywhere = sys.modules[torch.optim.Optimizer.__module__]  # torch.optim hides it under no other name
    if optimizer is None:
        handles.append(everywhere.register_optimizer_step_pre_hook(before))
        handles.append(everywhere.register_optimizer_step_post_hook(after))
        return
    handles.append(optimizer.register_step_pre_hook(before))
    handles.append(optimizer.register_step_post_hook(after))
    handles.append(everywhere.register_optimizer_step_pre_hook(other))
