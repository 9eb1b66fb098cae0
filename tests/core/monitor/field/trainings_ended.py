"""Trainings whose schedule has come to its end long before they have, and others whose schedule is in time."""

import torch
from torch.optim import lr_scheduler

from tests.core.monitor.field.training import Gru, Training, adam, convolutions, digits, mlp, sgd
from tests.core.monitor.field.trainings_seldom import numbers, of_numbers, seldom

ENDED = frozenset({"small_updates", "schedule"})
WHEN = ("scheduler.step()", "by step")


ENDED_SICK = (
    Training(
        "a tenth each 8 batches",
        "the rate is nothing after 50 steps",
        seldom(optimizer=sgd(0.1, momentum=0.9), schedule=lambda o: lr_scheduler.StepLR(o, 8, 0.1), steps=160),
        ENDED,
        WHEN,
    ),
    Training(
        "0.85 each batch, Adam",
        "the rate is nothing after 60 steps",
        seldom(optimizer=adam(3e-3), schedule=lambda o: lr_scheduler.ExponentialLR(o, 0.85), steps=200),
        ENDED,
        WHEN,
    ),
    Training(
        "linear to 0 in 30 of 160 steps",
        "made for too few steps",
        seldom(
            make=convolutions,
            optimizer=sgd(0.1, momentum=0.9),
            schedule=lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, 30),
            steps=160,
        ),
        ENDED,
        WHEN,
    ),
    Training(
        "a power to 0 in 40 of 160 steps, GRU",
        "made for too few steps",
        seldom(make=Gru, optimizer=adam(5e-3), schedule=lambda o: lr_scheduler.PolynomialLR(o, 40, 2.0), steps=160),
        ENDED,
        WHEN,
    ),
)

# Written after the mend, before what is said of them was seen.
LATE_SICK = (
    Training(
        "a tenth each 25 batches, for 320",
        "the rate is nothing after 100 steps",
        seldom(optimizer=sgd(0.05, momentum=0.9), schedule=lambda o: lr_scheduler.StepLR(o, 25, 0.1), steps=320),
        ENDED,
        WHEN,
    ),
    Training(
        "a cosine for epochs that stays at 0",
        "made for 20 steps",
        seldom(
            make=numbers,
            data=lambda: (digits()[0], 3 * digits()[0].mean(1)),
            loss=of_numbers,
            optimizer=adam(3e-3),
            schedule=lambda o: lr_scheduler.LambdaLR(o, lambda step: max(0.0, 1 - step / 20) ** 2),
            steps=120,
        ),
        ENDED,
        WHEN,
    ),
)

LATE_CLEAN = (
    Training(
        "a warm-up from 0, then a cosine",
        "it ends with the training",
        seldom(
            optimizer=adam(5e-3),
            schedule=lambda o: lr_scheduler.SequentialLR(
                o, [lr_scheduler.LinearLR(o, 1e-6, 1.0, 30), lr_scheduler.CosineAnnealingLR(o, 130)], [30]
            ),
            steps=160,
        ),
    ),
    Training(
        "a body whose rate is a millionth",
        "by intention",
        seldom(
            optimizer=lambda those: torch.optim.SGD(
                [{"params": list(those)[:2], "lr": 1e-7}, {"params": list(those)[2:]}], 0.1
            ),
            steps=160,
        ),
    ),
)

ENDED_CLEAN = (
    Training(
        "a cosine to 0 at the end",
        "it ends with the training",
        seldom(optimizer=adam(3e-3), schedule=lambda o: lr_scheduler.CosineAnnealingLR(o, 160), steps=160),
    ),
    Training(
        "a square to 0 at the end, GRU",
        "it ends with the training",
        seldom(make=Gru, optimizer=adam(5e-3), schedule=lambda o: lr_scheduler.PolynomialLR(o, 160, 2.0), steps=160),
    ),
    Training(
        "a tenth each 50 of 160",
        "a hundredth, and a thousandth at the end",
        seldom(optimizer=sgd(0.2, momentum=0.9), schedule=lambda o: lr_scheduler.StepLR(o, 50, 0.1), steps=160),
    ),
    Training(
        "lowered once it is level",
        "it has converged before",
        seldom(
            make=lambda: mlp(64, 48, 10),
            optimizer=adam(1e-2),
            schedule=lambda o: lr_scheduler.MultiStepLR(o, [150, 160], 1e-3),
            steps=260,
        ),
    ),
    Training(
        "restarts from 0",
        "the rate comes back",
        seldom(
            optimizer=sgd(0.1, momentum=0.9),
            schedule=lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 40),
            steps=160,
        ),
    ),
)
