"""torch's own optimizer and losses: what the core is measured against."""

import torch
from torch.nn import functional

from gradwidgets.core.regression.losses import log_cosh


def torch_loss(name, delta=1.0, beta=1.0):
    return {
        "MSE": functional.mse_loss,
        "L1": functional.l1_loss,
        "Huber": lambda a, b: functional.huber_loss(a, b, delta=delta),
        "SmoothL1": lambda a, b: functional.smooth_l1_loss(a, b, beta=beta),
        "LogCosh": lambda a, b: log_cosh(a - b).mean(),  # the formula itself is judged beside the elementwise ones
    }[name]


def torch_line(x, y, name, **settings):
    loss = torch_loss(name, **settings)
    return lambda p: loss(p[0] * x + p[1], y)


def torch_run(objective, start, steps, rule="SGD", **settings):
    """Points, losses and gradients of a real run of torch.optim."""
    p = start.clone().requires_grad_()
    optimizer = getattr(torch.optim, rule)([p], **settings)
    points, losses, gradients = [], [], []
    for step in range(steps + 1):
        optimizer.zero_grad()
        loss = objective(p)
        loss.backward()
        points.append(p.detach().clone())
        losses.append(loss.detach())
        gradients.append(p.grad.clone())
        if step < steps:
            optimizer.step()
    return torch.stack(points), torch.stack(losses), torch.stack(gradients)


def torch_steps(gradient_at, start, steps, rule="SGD", **settings):
    """Points of torch.optim, stepping by gradients that are given."""
    p = start.clone().requires_grad_()
    optimizer = getattr(torch.optim, rule)([p], **settings)
    points = [start.clone()]
    for _ in range(steps):
        p.grad = gradient_at(p.detach()).clone()
        optimizer.step()
        points.append(p.detach().clone())
    return torch.stack(points)
