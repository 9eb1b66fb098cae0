"""The hooks of the steps of one optimizer, or of all optimizers."""

import sys

import torch

from gradwidgets.core.monitor.taps import Hook, Removable


def add_step_hooks(
    handles: list[Removable], optimizer: torch.optim.Optimizer | None, before: Hook, after: Hook, other: Hook
) -> None:
    """Add hooks that are called at optimizers' steps.

    Args:
        handles: The hooks' handles are appended to it, one by one.
        optimizer: The one that is watched; None for all of the process.
        before: Called before its steps.
        after: Called after its steps.
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
