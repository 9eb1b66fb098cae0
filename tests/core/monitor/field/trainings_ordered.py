"""Trainings that end on a leap, whose weights fade, whose clip comes too early, or whose data come in an order."""

# ruff: noqa: E501

import copy
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from gradwidgets.core.monitor import GradientMonitor, diagnose
from gradwidgets.core.results.finding import Finding
from tests.core.monitor.field.training import Training, mlp

LEAP, DECAY, BY_HAND, CLIPPED, ORDER, UP, LOST = (
    frozenset((one,)) for one in ("leap", "decay", "by_hand", "always_clipped", "in_order", "diverging", "non_finite")
)


PLAIN = partial(torch.optim.SGD, lr=0.05)


def numbers(count: int = 512) -> tuple[Tensor, Tensor]:
    """Rows, and two numbers that depend on four of each."""
    rows = torch.randn(count, 8)
    return rows, torch.stack((rows[:, 0] * rows[:, 1], rows[:, 2].abs() + rows[:, 3]), 1)


def kinds(count: int = 600, noise: float = 0.7) -> tuple[Tensor, Tensor]:
    """Rows about five centres, and which."""
    centres, which = torch.randn(5, 16), torch.randint(5, (count,))
    return centres[which] + noise * torch.randn(count, 16), which


def learns(
    make: Callable = lambda: mlp(8, 64, 2),
    rule: Callable = PLAIN,
    steps: int = 150,
    spoil: Callable = lambda loss, step, optimizer: loss,
    after: Callable = lambda model: None,
    every: int = 4,
) -> list[Finding]:
    """Learns numbers; it breaks off where the loss is far up or lost."""
    torch.manual_seed(0)
    (rows, wanted), model = numbers(), make()
    optimizer = rule(model.parameters())
    with GradientMonitor(model, optimizer, every=every) as monitor:
        for step in range(steps):
            some = torch.randint(512, (32,))
            loss = spoil(F.mse_loss(model(rows[some]), wanted[some]), step, optimizer)
            optimizer.zero_grad()
            loss.backward()
            monitor.note_loss(loss)
            if not loss.item() < 1e12:
                break
            optimizer.step()
            after(model)
    return diagnose(monitor.history)


def raised(loss: Tensor, step: int, optimizer: torch.optim.Optimizer) -> Tensor:
    """One step at the end is a thousand times as long."""
    for group in optimizer.param_groups:
        group["lr"] = 5e3 if step == 117 else 0.05
    return loss


def overshoots() -> list[Finding]:
    """All rows at each step, without a search along the line; the last step goes too far."""
    torch.manual_seed(3)
    (rows, wanted), model = numbers(60), mlp(8, 20, 2, act=nn.Tanh)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=2)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(rows), wanted)
        loss.backward()
        return loss

    with GradientMonitor(model, optimizer) as monitor:
        for step in range(17):
            optimizer.param_groups[0]["lr"] = 30.0 if step == 15 else 0.5
            monitor.note_loss(optimizer.step(closure))
    return diagnose(monitor.history)


def two_decays(parameters: object) -> torch.optim.Optimizer:
    """A strong one, and a stronger one for the first layer."""
    first, *others = list(parameters)
    groups = [{"params": [first], "weight_decay": 0.2}, {"params": others, "weight_decay": 0.05}]
    return torch.optim.SGD(groups, 0.05, momentum=0.9)


def four_times(*sizes: int) -> nn.Sequential:
    """Drawn four times as large."""
    model = mlp(*sizes)
    with torch.no_grad():
        for one in model.parameters():
            one.mul_(4)
    return model


class Encoded(nn.Module):
    """A head behind an encoder whose graph is cut."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.encoder, self.head, self.how = mlp(8, 32, 32), mlp(32, 32, 2), how

    def forward(self, rows: Tensor) -> Tensor:
        """Two numbers."""
        with torch.set_grad_enabled(self.how != "no_grad"):
            made = self.encoder(rows).relu()
        return self.head(made.detach() if self.how == "detach" else made)


class Followed(nn.Module):
    """A net, and one of the same shape that follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(8, 32, 2)
        self.target = copy.deepcopy(self.net)

    def forward(self, rows: Tensor) -> Tensor:
        """A little of the other's answer, too."""
        with torch.no_grad():
            told = self.target(rows)
        return self.net(rows) + 0.1 * told


def shrink(model: nn.Module, factor: float = 0.999) -> None:
    """Decay by hand, of all parameters."""
    with torch.no_grad():
        for one in model.parameters():
            one.mul_(factor)


def follow(model: Followed) -> None:
    """A part of the way."""
    with torch.no_grad():
        for theirs, own in zip(model.net.parameters(), model.target.parameters(), strict=True):
            own.lerp_(theirs, 0.05)


def scaled(clip: Callable, rule: Callable = PLAIN, *, unscaled: bool = False, told: bool = True) -> list[Finding]:
    """Classes by a loss that is scaled, as for half precision."""
    torch.manual_seed(0)
    (rows, which), model = kinds(), mlp(16, 64, 5)
    optimizer = rule(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=3000.0, growth_interval=30)
    with GradientMonitor(model, optimizer, every=5, scaler=scaler if told else None) as monitor:
        for _ in range(150):
            some = torch.randint(600, (16,))
            loss = F.cross_entropy(model(rows[some]), which[some])
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            monitor.note_loss(loss)
            if unscaled:
                scaler.unscale_(optimizer)
            clip(model.parameters())
            scaler.step(optimizer)
            scaler.update()
    return diagnose(monitor.history)


def by_norm(limit: float) -> Callable:
    """Clips the whole norm."""
    return lambda parameters: nn.utils.clip_grad_norm_(parameters, limit)


def epochs(sorted_by_noise: bool, size: int, rule: Callable, schedule: Callable | None = None, *, shuffle: bool = False) -> list[Finding]:  # fmt: skip
    """400 rows, over and over; the further behind, the noisier, or as it comes."""
    torch.manual_seed(2)
    (rows, which), model = kinds(400, 0.3), mlp(16, 64, 5)
    noise = torch.linspace(0, 1, 400) if sorted_by_noise else torch.rand(400)
    rows = rows + 3 * noise.square()[:, None] * torch.randn(400, 16)
    optimizer = rule(model.parameters())
    scheduler = schedule(optimizer) if schedule else None
    with GradientMonitor(model, optimizer, every=5) as monitor:
        for _ in range(250 * size // 400):
            order = torch.randperm(400) if shuffle else torch.arange(400)
            for some in order.split(size):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(rows[some]), which[some])
                loss.backward()
                monitor.note_loss(loss)
                optimizer.step()
                if scheduler:
                    scheduler.step()
    return diagnose(monitor.history)


SGD, ADAMW = partial(torch.optim.SGD, lr=0.05, momentum=0.9), partial(torch.optim.AdamW, lr=1e-3)


def now_and_then(loss: Tensor, step: int, optimizer: torch.optim.Optimizer) -> Tensor:
    """Some batches cost forty times as much, the last one too."""
    return loss * 40 if step in (36, 81, 109, 149) else loss


ORDERED_SICK = (
    Training(
        "broken off at a leap",
        "the leap, the rate that was raised",
        lambda: learns(spoil=raised),
        LEAP,
        ("the last|close to the end", "from 0.05 to", "what was learned is lost"),
    ),
    Training(
        "broken off at NaN",
        "the loss of the step that never came",
        lambda: learns(spoil=lambda loss, step, _: loss * math.nan if step == 50 else loss),
        LOST,
        ("step 51",),
    ),
    Training(
        "an overshoot at last",
        "a search along the line",
        overshoots,
        LEAP,
        ("strong_wolfe", "the last|close to the end"),
    ),
    Training(
        "two strong decays",
        "layers and decays",
        lambda: learns(lambda: mlp(8, 64, 64, 2), two_decays, 400),
        DECAY,
        ("0.2", "'0'", "lower weight_decay"),
    ),
    Training(
        "all shrink by hand, one part is cut off",
        "what writes outside",
        lambda: learns(lambda: Encoded("detach"), after=shrink),
        BY_HAND,
        ("encoder", "0.999", "outside"),
    ),
    Training(
        "all shrink by hand, one part without a graph",
        "what writes outside",
        lambda: learns(lambda: Encoded("no_grad"), after=shrink),
        BY_HAND,
        ("encoder", "under no_grad"),
    ),
    Training(
        "clipped before it is unscaled",
        "unscale_",
        lambda: scaled(by_norm(1.7)),
        CLIPPED,
        ("unscale_", "1.7 divided by"),
    ),
    Training(
        "clipped before it is unscaled, no scaler told",
        "unscale_",
        lambda: scaled(by_norm(1.7), told=False),
        CLIPPED,
        ("unscale_", "power of two"),
    ),
    Training(
        "clipped by value before it is unscaled",
        "unscale_",
        lambda: scaled(lambda parameters: nn.utils.clip_grad_value_(parameters, 0.13), ADAMW),
        CLIPPED,
        ("unscale_", "0.13 divided by"),
    ),
    Training(
        "easy ones first, epochs of 25",
        "shuffle",
        lambda: epochs(True, 16, SGD),
        ORDER,
        ("period of 25", "shuffle=True"),
    ),
    Training(
        "easy ones first, epochs of 50",
        "shuffle",
        lambda: epochs(True, 8, ADAMW),
        ORDER,
        ("period of 50", "shuffle=True"),
    ),
    Training(
        "a rate of 2",
        "the rate, and no sign",
        lambda: learns(lambda: mlp(8, 64, 64, 2), partial(torch.optim.Adam, lr=2.0)),
        UP,
        ("learning rate from 2", "step 2"),
        never=("wrong sign",),
    ),
)

ORDERED_CLEAN = (
    Training(
        "a costly batch now and then, and at last",
        "nothing but tails",
        lambda: learns(rule=partial(torch.optim.Adam, lr=3e-3), spoil=now_and_then),
    ),
    Training(
        "a usual decay for long",
        "no decay to blame",
        lambda: learns(rule=partial(torch.optim.AdamW, lr=3e-3, weight_decay=1e-2), steps=700),
    ),
    Training(
        "drawn too large, and decayed",
        "it learns",
        lambda: learns(lambda: four_times(8, 64, 2), partial(torch.optim.AdamW, lr=3e-3, weight_decay=1.0), 700),
    ),
    Training(
        "all shrink by hand, all have a gradient",
        "a decay as good as any",
        lambda: learns(lambda: Encoded("whole"), after=shrink),
    ),
    Training("one that follows the other", "an average of the weights", lambda: learns(Followed, after=follow)),
    Training("unscaled, then clipped", "as it should be", lambda: scaled(by_norm(0.5), ADAMW, unscaled=True)),
    Training("scaled, not clipped", "as it should be", lambda: scaled(lambda parameters: None, ADAMW)),
    Training(
        "mixed, and a rate that restarts",
        "the rate goes round",
        lambda: epochs(False, 16, SGD, lambda one: lr_scheduler.CosineAnnealingWarmRestarts(one, 25), shuffle=True),
    ),
    Training(
        "mixed, and a rate that cycles",
        "the rate goes round",
        lambda: epochs(
            False, 16, SGD, lambda one: lr_scheduler.CyclicLR(one, 3e-3, 0.06, step_size_up=20), shuffle=True
        ),
    ),
    Training("in a fixed order, but mixed", "no slow course in an epoch", lambda: epochs(False, 16, SGD)),
)
