"""More sound trainings as people write them: schedules, averages, half precision, other steps."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.monitor.field.training import (
    Gru,
    Training,
    convolutions,
    digits,
    mlp,
    of_digits,
    plain,
    rows_of,
    watched,
)
from tests.core.monitor.field.trainings_parts import parted, stepped


class Variational(nn.Module):
    """Encoder and decoder."""

    def __init__(self):
        super().__init__()
        self.e, self.d = mlp(64, 64, 16), mlp(8, 64, 64)

    def forward(self, inputs):
        """Logits, mean, logarithm of the variance."""
        mean, log = self.e(inputs).chunk(2, 1)
        return self.d(mean + torch.randn_like(mean) * (log / 2).exp()), mean, log


def warmed_up(cycles=1, steps=240, free=0.0):
    """The divergence's weight rises from 0 to 1, once or again and again."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = Variational()

    def loss(step):
        some = inputs[rows_of(inputs, step, 64)]
        made, mean, log = model(some)
        apart = -0.5 * (1 + log - mean.square() - log.exp())
        weight = min(1.0, (step % (steps // cycles)) / (steps // cycles / 2))
        return (
            F.binary_cross_entropy_with_logits(made, some, reduction="none").sum(1).mean()
            + weight * apart.mean(0).clamp(min=free).sum()
        )

    return stepped(model, torch.optim.Adam(model.parameters(), 2e-3), steps, loss=loss)


def thawed():
    """Layer after layer is given to the optimizer, the lower ones slower."""
    model = parted()
    before, of = torch.optim.Adam(model.parameters(), 3e-3), of_digits(model)
    for step in range(150):
        before.zero_grad()
        of(step).backward()
        before.step()
    model.head = nn.Linear(32, 10)
    model.body.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.head.parameters(), 5e-3)

    def loss(step):
        for at, part, rate in ((60, 2, 5e-4), (120, 0, 5e-5)):
            if step == at:
                model.body[part].requires_grad_(True)
                optimizer.add_param_group({"params": list(model.body[part].parameters()), "lr": rate})
        return of(step)

    return stepped(model, optimizer, loss=loss)


def added(micro=8, clip=1.0, steps=120):
    """Eight micro-batches a step, divided, clipped."""
    torch.manual_seed(0)
    model = convolutions()
    of = of_digits(model, 8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def one_step(step):
        for _ in range(micro):
            value = of(step)
            (value / micro).backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        return value

    return watched(model, one_step, steps, optimizer, seldom=True)


def averaged_weights():
    """SWA from half way on, with a rate of its own, and its average looked at now and then."""
    torch.manual_seed(0)
    model = plain()
    optimizer, of = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), of_digits(model)
    mean = torch.optim.swa_utils.AveragedModel(model)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    flat = torch.optim.swa_utils.SWALR(optimizer, 0.05, anneal_epochs=5)

    def one_step(step):
        optimizer.zero_grad()
        value = of(step)
        value.backward()
        optimizer.step()
        if step < 100:
            cosine.step()
        else:
            mean.update_parameters(model)
            flat.step()
        return value

    return watched(model, one_step, 200, optimizer, seldom=True)


def restarted(steps=240):
    """Cosines that begin anew after 30, 60 and 120 steps."""
    torch.manual_seed(0)
    model = plain()
    optimizer, of = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), of_digits(model)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 30, 2)

    def one_step(step):
        optimizer.zero_grad()
        value = of(step)
        value.backward()
        optimizer.step()
        schedule.step()
        return value

    return watched(model, one_step, steps, optimizer, seldom=True)


def scaled_by_hand(scale=1024.0, steps=150, half=torch.float16):
    """Weights in float32, a copy in half precision for the passes, the loss scaled and the gradient divided."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        narrow = {name: one.to(half) for name, one in model.named_parameters()}
        value = F.cross_entropy(torch.func.functional_call(model, narrow, inputs[some].to(half)).float(), labels[some])
        optimizer.zero_grad()
        (value * scale).backward()
        for one in model.parameters():
            one.grad.div_(scale)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return value

    return watched(model, one_step, steps, optimizer, seldom=True)


def taught_by_another():
    """A small net learns what a larger one says, softened."""
    torch.manual_seed(0)
    inputs, labels = digits()
    teacher, model = mlp(64, 96, 10), mlp(64, 24, 10)
    optimizer = torch.optim.Adam(teacher.parameters(), 3e-3)
    for step in range(200):
        some = rows_of(inputs, step, 64)
        optimizer.zero_grad()
        F.cross_entropy(teacher(inputs[some]), labels[some]).backward()
        optimizer.step()

    def loss(step):
        some = rows_of(inputs, step, 64)
        with torch.no_grad():
            wanted = (teacher(inputs[some]) / 3).softmax(1)
        made = model(inputs[some])
        soft = F.kl_div((made / 3).log_softmax(1), wanted, reduction="batchmean") * 9
        return 0.7 * soft + 0.3 * F.cross_entropy(made, labels[some])

    return stepped(model, torch.optim.Adam(model.parameters(), 2e-3), loss=loss)


def noise_told(steps=250):
    """The noise in a noisy picture is to be told, at a level of noise that is drawn."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = mlp(65, 128, 128, 64, act=nn.SiLU)

    def loss(step):
        some, time, noise = inputs[rows_of(inputs, step, 64)], torch.rand(64, 1), torch.randn(64, 64)
        level = torch.cos(time * math.pi / 2)
        return F.mse_loss(model(torch.cat((level * some + (1 - level**2).sqrt() * noise, time), 1)), noise)

    return stepped(model, torch.optim.AdamW(model.parameters(), 2e-3), steps, loss=loss)


def mixed_up():
    """Pictures and labels are mixed; the loss stays high by rights."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()

    def loss(step):
        some = rows_of(inputs, step, 64)
        share, other = float(torch.distributions.Beta(1.0, 1.0).sample()), some[torch.randperm(64)]
        made = model(share * inputs[some] + (1 - share) * inputs[other])
        return share * F.cross_entropy(made, labels[some]) + (1 - share) * F.cross_entropy(made, labels[other])

    return stepped(model, torch.optim.Adam(model.parameters(), 3e-3), loss=loss)


def tripled():
    """A third picture is to be a margin farther away than one of the same digit."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = mlp(64, 64, 16)
    of = [(labels == one).nonzero().flatten() for one in range(10)]
    draw = lambda rows: rows[torch.randint(len(rows), (1,))]  # noqa: E731

    def loss(step):
        which = torch.randint(10, (48,)).tolist()
        a, b = (torch.cat([draw(of[one]) for one in which]) for _ in range(2))
        c = torch.cat([draw(of[(one + 1 + step) % 10] if (1 + step) % 10 else of[(one + 5) % 10]) for one in which])
        made = [F.normalize(model(inputs[one]), dim=1) for one in (a, b, c)]
        return F.triplet_margin_loss(*made, margin=0.5)

    return stepped(model, torch.optim.Adam(model.parameters(), 1e-3), loss=loss)


def of_rows():
    """A recurrent net, clipped."""
    torch.manual_seed(0)
    model = Gru()
    return stepped(model, torch.optim.RMSprop(model.parameters(), 3e-3))


def sharpened(radius=0.05):
    """Sharpness-aware steps: a pass at the weights, one at the worst point near by."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        value = F.cross_entropy(model(inputs[some]), labels[some])
        value.backward()
        norm = torch.stack([one.grad.norm() for one in model.parameters()]).norm()
        with torch.no_grad():
            away = [one.grad * (radius / norm) for one in model.parameters()]
            for one, off in zip(model.parameters(), away, strict=True):
                one += off
        optimizer.zero_grad()
        F.cross_entropy(model(inputs[some]), labels[some]).backward()
        with torch.no_grad():
            for one, off in zip(model.parameters(), away, strict=True):
                one -= off
        optimizer.step()
        optimizer.zero_grad()
        return value

    return watched(model, one_step, 150, optimizer, seldom=True)


SOUND_MORE = (
    Training("divergence warmed up", "the loss rises with its weight", warmed_up),
    Training("divergence in cycles", "it rises again and again", lambda: warmed_up(3)),
    Training("thawed layer by layer", "groups are added on the way", thawed),
    Training("eight micro-batches, clipped", "divided by eight", added),
    Training("average of weights", "kept in a model of its own", averaged_weights),
    Training("cosines begun anew", "the rate is to go up again", restarted),
    Training("half precision by hand", "scaled, and divided before the clip", scaled_by_hand),
    Training("taught by a larger net", "a divergence and a cross-entropy", taught_by_another),
    Training("noise to be told", "one pass of a denoiser", noise_told),
    Training("mixed pictures and labels", "the loss stays high", mixed_up),
    Training("triplets", "many give no gradient any more", tripled),
    Training("rows of a picture, RMSprop", "a recurrent net", of_rows),
    Training("sharpness-aware, by hand", "weights are moved away and back before each step", sharpened),
)  # fmt: skip
