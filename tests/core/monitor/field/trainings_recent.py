"""Trainings written after the mends for those in trainings_seldom.py, before the verdicts on them were seen."""

# ruff: noqa: E501

import copy
import itertools
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler, swa_utils

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.helpers import Leading, itself, learned
from tests.core.monitor.field.training import (
    STEPS,
    Gru,
    Training,
    adam,
    clipped,
    convolutions,
    cross_entropy,
    digits,
    looped,
    mlp,
    of_digits,
    plain,
    rows_of,
    sgd,
    watched,
)
from tests.core.monitor.field.trainings_seldom import (
    AGAIN,
    BACK,
    CUT,
    MODE,
    SCALE,
    TWICE,
    WILD,
    averaged,
    dropping,
    evaluated,
    numbers,
    of_numbers,
    seldom,
    times,
)


def one_of(*names):
    return frozenset(names)


def loaded_again(every):
    """The first checkpoint is loaded each so many steps."""
    first = {}

    def before(model, optimizer, step):
        first.update(first or copy.deepcopy(model.state_dict()))

    def after(model, optimizer, step):
        if step % every == every - 1:
            model.load_state_dict(first)

    return {"before_step": before, "after_step": after}


def head_again(model, optimizer, step):
    """The last layer is drawn anew each 30 steps."""
    if step % 30 == 29:
        model[-1].reset_parameters()


def unanswered():
    """A generator whose output is detached in its own step, too."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = nn.ModuleDict({"maker": mlp(8, 32, 64), "critic": mlp(64, 32, 1)})
    ours = {name: torch.optim.Adam(part.parameters(), 1e-3) for name, part in model.items()}
    binary, true, false = F.binary_cross_entropy_with_logits, torch.ones(32, 1), torch.zeros(32, 1)

    def one_step(step):
        made, real = model["maker"](torch.randn(32, 8)).detach(), inputs[rows_of(inputs, step, 32)]
        model.zero_grad()
        (binary(model["critic"](real), true) + binary(model["critic"](made), false)).backward()
        ours["critic"].step()
        model.zero_grad()
        loss = binary(model["critic"](made), true)
        loss.backward()
        ours["maker"].step()
        return loss.detach()

    return watched(model, one_step, 60, seldom=True)


def best_again(every):
    """The best weights so far are gone back to each so many steps."""
    best = []

    def after(model, optimizer, step):
        with torch.no_grad():
            now = float(cross_entropy(model, *digits()))
        if not best or now < best[0]:
            best[:] = [now, copy.deepcopy(model.state_dict())]
        if step % every == every - 1:
            model.load_state_dict(best[1])

    return after


def head_twice():
    """One optimizer holds all, and another the head once more."""
    torch.manual_seed(0)
    model = plain()
    both = torch.optim.AdamW(model.parameters(), 1e-3), torch.optim.SGD(model[-1].parameters(), 0.05)
    return looped(model, of_digits(model), STEPS, *both, optimizer=both[0], seldom=True)


class Cut(nn.Module):
    """Convolutions whose graph is cut in forward."""

    def __init__(self, how) -> None:
        super().__init__()
        self.first, self.second, self.out, self.how = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(128, 10), how

    @torch.no_grad()
    def without(self, x):
        return self.first(x).relu()

    def forward(self, inputs):
        x = inputs.reshape(-1, 1, 8, 8)
        x = self.without(x) if self.how == "no_grad" else self.first(x).relu()
        x = x.data if self.how == "data" else torch.from_numpy(x.detach().numpy()) if self.how == "numpy" else x
        return self.out(self.second(x).relu().flatten(1))


class Forgetful(Gru):
    """Drops half of what it has read."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Dropout(0.5), nn.Linear(24, 10))


def always(label):
    def data():
        inputs, labels = digits()
        return inputs, torch.full_like(labels, label)

    return data


def of_one_class(some, step, size):
    """A class at random, and rows of it."""
    (rows,) = (digits()[1] == torch.randint(10, ())).nonzero(as_tuple=True)
    return rows[torch.randint(len(rows), (size,))]


def of_four_classes(some, step, size):
    """Four classes at random, and as many rows of each."""
    labels, few = digits()[1], torch.randperm(10)[:4]
    rows = [(labels == one).nonzero()[:, 0] for one in few]
    return torch.cat([one[torch.randint(len(one), (size // 4,))] for one in rows])


def of_others(model, inputs, labels):
    """Labels that are shuffled within each batch."""
    return F.cross_entropy(model(inputs), labels[torch.randperm(len(labels))])


def robust(model, inputs, targets):
    return F.smooth_l1_loss(model(inputs)[:, 0], targets)


def groups_of(parameters, rate=1e-9):
    """The first layer at a usual rate, the others at one that was meant for something else."""
    return torch.optim.SGD([{"params": parameters[:2]}, {"params": parameters[2:], "lr": rate}], 0.1)


RECENT_SICK = (
    Leading("SGD, 5, convolutions", "it jumps, and stays at a guess", seldom(make=convolutions, optimizer=sgd(5.0, momentum=0.9), steps=80), WILD, "learning rate"),
    Leading("Adam, 2, deep", "it jumps, and stays at a guess", seldom(make=lambda: mlp(64, 48, 48, 48, 10), optimizer=adam(2.0), steps=100), WILD, "learning rate"),
    Leading("prices, SGD", "not finite soon", seldom(make=numbers, data=times(1e5, 2e5), loss=of_numbers, optimizer=sgd(1e-2), steps=80), SCALE, "scale"),
    Leading("prices, smooth L1", "it never gets there", seldom(make=numbers, data=times(1e4, 3e4), loss=robust, optimizer=adam(1e-3), steps=120), SCALE, "scale"),
    Leading("Nesterov's momentum of 0.9995", "it swings", seldom(optimizer=sgd(0.05, momentum=0.9995, nesterov=True), steps=300), one_of("momentum"), "momentum"),
    Leading("an average of 0.995, convolutions", "little of each step is left", seldom(make=convolutions, after_step=averaged(0.995), optimizer=adam(1e-3), steps=150), BACK, "average"),
    Training("the first checkpoint loaded each 50 steps", "it begins anew", seldom(**loaded_again(50), optimizer=adam(2e-3), steps=250), AGAIN, ("load_state_dict|once",)),
    Training("the head held twice", "each gradient of it is used twice", head_twice, TWICE, ("one",)),
    Training("a GRU with dropout, never told to train", "nothing is dropped", seldom(make=lambda: Forgetful().eval(), optimizer=adam(3e-3)), MODE, ("train()",)),
    Training("dropout, not told after a look", "nothing is dropped from then on", seldom(make=lambda: mlp(64, 48, 10, norm=lambda n: nn.Dropout(0.3)), after_step=evaluated(every=30, back=False)), MODE, ("train()",)),
    Training("a method without a graph", "its graph is cut", seldom(make=lambda: Cut("no_grad"), optimizer=adam(3e-3)), CUT, ("no_grad", "first")),
    Training("a residual's data", "its graph is cut", seldom(make=lambda: Cut("data"), optimizer=adam(3e-3)), CUT, ("detach|data", "first")),
    Training("by way of NumPy", "its graph is cut", seldom(make=lambda: Cut("numpy"), optimizer=adam(3e-3)), CUT, ("first",)),
    Training("labels that are all 9", "one class alone", seldom(data=always(9), optimizer=adam(2e-3)), one_of("one_class"), ("labels|targets",)),
    Training("a class at random each batch", "one class a batch", seldom(rows=of_one_class, size=16, optimizer=adam(2e-3)), one_of("one_class_a_batch"), ("shuffle",)),
    Training("labels shuffled in each batch, GRU", "labels of others", seldom(make=Gru, loss=of_others, optimizer=adam(2e-3), steps=160), one_of("guessing")),
    Leading("a rate that falls each batch", "nothing moves soon", seldom(optimizer=sgd(0.05), schedule=lambda o: lr_scheduler.ExponentialLR(o, 0.8), steps=200), one_of("small_updates"), "schedule"),
    Leading("a head's group of 1e-9", "it hardly moves", seldom(optimizer=groups_of, steps=150), one_of("small_updates"), "group"),
    Leading("targets of 1e6, untold", "it never gets there", seldom(make=numbers, data=times(1e6), loss=of_numbers, optimizer=adam(1e-3), told=False, noted=itself, steps=100), SCALE, "scale"),
    Training("the head drawn again each 30 steps", "it begins anew", seldom(after_step=head_again, optimizer=adam(3e-3), steps=160), AGAIN, ("once",)),
    Leading("a generator that is never answered", "its graph is cut", unanswered, CUT, "detach", "maker"),
    Leading("clipped to 1e-3, seldom", "steps of one length", seldom(before_step=clipped(1e-3), steps=200), one_of("always_clipped"), "max_norm"),
    Leading("gradients never taken away, Adam, seldom", "they add up", seldom(zero=None, optimizer=adam(1e-3)), one_of("added_up"), "zero_grad"),
)  # fmt: skip


# -- and sound ones --------------------------------------------------------------------------------------------


def with_clipped_critic():
    """A Wasserstein critic, its weights held within 0.01."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = nn.ModuleDict({"maker": mlp(8, 32, 64), "critic": mlp(64, 32, 1)})
    ours = {name: torch.optim.RMSprop(part.parameters(), 5e-4) for name, part in model.items()}

    def turn(name, loss):
        ours[name].zero_grad()
        loss.backward()
        ours[name].step()

    def one_step(step):
        critic, real = model["critic"], inputs[rows_of(inputs, step, 32)]
        for _ in range(2):
            turn("critic", critic(model["maker"](torch.randn(32, 8)).detach()).mean() - critic(real).mean())
            with torch.no_grad():
                for one in critic.parameters():
                    one.clamp_(-0.01, 0.01)
        loss = -critic(model["maker"](torch.randn(32, 8))).mean()
        turn("maker", loss)
        return loss.item()

    return watched(model, one_step, 60, seldom=True)


class Teacher(nn.Module):
    """A student, and a teacher that is the average of what it was."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = plain(), plain()

    def forward(self, inputs):
        with torch.no_grad():
            taught = self.teacher(inputs)
        return self.student(inputs), taught


def of_both(model, inputs, labels):
    own, taught = model(inputs)
    return F.cross_entropy(own, labels) + 0.1 * F.mse_loss(own, taught)


def followed(model, optimizer, step):
    with torch.no_grad():
        for mine, one in zip(model.teacher.parameters(), model.student.parameters(), strict=True):
            mine.lerp_(one, 0.05)


class Novelty(nn.Module):
    """Predicts what a net that nobody trains makes of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed, self.own = mlp(64, 32, 8), mlp(64, 32, 8)

    def forward(self, inputs):
        with torch.no_grad():
            wanted = self.fixed(inputs)
        return (self.own(inputs) - wanted).square().mean()


class Averaging:
    """Weights are averaged apart from them, from some step on."""

    def __call__(self, model, optimizer, step):
        if step == 60:
            self.average = swa_utils.AveragedModel(model)
        elif step > 60:
            self.average.update_parameters(model)


def by_lbfgs():
    torch.manual_seed(0)
    model, (inputs, labels) = mlp(64, 32, 10, act=nn.Tanh), digits()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4, line_search_fn="strong_wolfe")

    def one_step(step):
        def again():
            optimizer.zero_grad()
            loss = cross_entropy(model, inputs[:300], labels[:300])
            loss.backward()
            return loss

        return optimizer.step(again)

    return watched(model, one_step, 30, optimizer, seldom=True)


def louder_noise():
    """A denoiser that is asked for noise which grows from step to step: its loss is a hundred times higher at last."""
    steps = itertools.count()

    def loss(model, inputs, labels):
        noise = (0.02 + 0.01 * next(steps)) * torch.randn_like(inputs)
        return F.mse_loss(model(inputs + noise), noise)

    return loss


def odd_batches(loss, model, step):
    """Two batches early on are far off."""
    return loss * (20 if step in (6, 7) else 1)


def on_a_sphere(model, optimizer, step):
    with torch.no_grad():
        for one in model.parameters():
            if one.ndim > 1:
                one.div_(one.norm(dim=1, keepdim=True))


def rewarded(model, inputs, labels):
    """An actor's loss, whose sign and size say little."""
    chosen = torch.distributions.Categorical(logits=model(inputs))
    arms = chosen.sample()
    return -(chosen.log_prob(arms) * ((arms == labels).float() - 0.1)).mean()


def frozen_norms():
    model = learned(convolutions, steps=40)
    model[2].eval().requires_grad_(False)
    return model


def by_class_in_parts():
    """Each step goes by the sum of ten batches, each of one class."""
    torch.manual_seed(0)
    model, (inputs, labels) = plain(), digits()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(40):
            optimizer.zero_grad()
            losses = []
            for label in range(10):
                (rows,) = (labels == label).nonzero(as_tuple=True)
                some = rows[torch.randint(len(rows), (8,))]
                monitor.note_targets(labels[some])
                losses.append(cross_entropy(model, inputs[some], labels[some]) / 10)
                losses[-1].backward()
            monitor.note_loss(float(sum(losses)))
            optimizer.step()
    return diagnose(monitor.history)


def signs_alone():
    """The model computes with the signs of weights that are kept apart, and moved in float."""
    kept = {}

    def before(model, optimizer, step):
        with torch.no_grad():
            for name, one in model.named_parameters():
                one.copy_(kept.get(name, one))

    def after(model, optimizer, step):
        with torch.no_grad():
            for name, one in model.named_parameters():
                kept[name] = one.detach().clone().clamp(-1, 1)
                if one.ndim > 1:
                    one.copy_(kept[name].sign() * kept[name].abs().mean())

    return {"before_step": before, "after_step": after}


def half_of_them(model, optimizer, step):
    """Every other weight is held at 0."""
    with torch.no_grad():
        for one in model.parameters():
            one.view(-1)[::2] = 0.0


def against_many():
    """Contrasts with 128 others, of which the first is always the right one."""
    torch.manual_seed(0)
    model, (inputs, _) = mlp(64, 48, 16), digits()
    optimizer, right = torch.optim.Adam(model.parameters(), 2e-3), torch.zeros(32, dtype=torch.long)
    with GradientMonitor(model, optimizer) as monitor:
        for step in range(100):
            some = inputs[rows_of(inputs, step, 32)]
            one, two = (F.normalize(model(some + 0.1 * torch.randn_like(some)), dim=1) for _ in range(2))
            others = F.normalize(torch.randn(128, 16), dim=1)
            loss = F.cross_entropy(torch.cat([(one * two).sum(1, keepdim=True), one @ others.T], 1) / 0.2, right)
            optimizer.zero_grad()
            loss.backward()
            monitor.note_targets(right)
            monitor.note_loss(loss)
            optimizer.step()
    return diagnose(monitor.history)


RECENT_CLEAN = (
    Training("contrasts whose label is always 0", "by their making", against_many),
    Training("a class in each of ten parts of a step", "they are added up", by_class_in_parts),
    Training("signs of weights that are kept apart", "by intention", seldom(**signs_alone(), optimizer=adam(2e-3))),
    Training("half of the weights held at 0", "by intention", seldom(after_step=half_of_them, optimizer=adam(2e-3))),
    Training("fifteen steps", "too few for much to be said", seldom(steps=15)),
    Training("Adam, a first beta of 0.999", "it learns all the same", seldom(optimizer=adam(0.02, betas=(0.999, 0.999)), steps=300)),
    Training("a critic within 0.01", "held there by intention", with_clipped_critic),
    Training("a teacher that is an average", "it is moved without a gradient", seldom(make=Teacher, loss=of_both, after_step=followed, optimizer=adam(2e-3), held=lambda m: m.student.parameters())),
    Training("a teacher that the optimizer holds, too", "it is moved without a gradient", seldom(make=Teacher, loss=of_both, after_step=followed, optimizer=adam(2e-3))),
    Training("a net that nobody trains", "it is to stay as it was drawn", seldom(make=Novelty, loss=lambda m, x, y: m(x), held=lambda m: m.own.parameters(), optimizer=adam(2e-3))),
    Training("weights averaged apart", "nothing is copied back", seldom(after_step=Averaging(), optimizer=sgd(0.2))),
    Training("LBFGS, seldom", "the loss falls", by_lbfgs),
    Training("noise that grows", "harder by intention", seldom(make=lambda: mlp(64, 64, 64), loss=louder_noise(), optimizer=adam(2e-3), steps=200)),
    Training("two odd batches", "it goes on as before", seldom(changed=odd_batches, optimizer=adam(2e-3))),
    Training("weights on a sphere", "held there by intention", seldom(after_step=on_a_sphere, optimizer=sgd(0.05))),
    Training("an actor, seldom", "its loss says little", seldom(loss=rewarded, optimizer=adam(5e-3), steps=250)),
    Training("norms frozen and held", "fine-tuned", seldom(make=frozen_norms, optimizer=adam(5e-4))),
    Training("fine-tuned in evaluation mode", "it had learned, and nothing is to be dropped", seldom(make=lambda: learned(dropping).eval(), optimizer=adam(3e-4))),
    Training("the best weights gone back to", "nothing is lost by it", seldom(after_step=best_again(25), optimizer=adam(3e-3))),
    Training("four classes a batch", "by intention", seldom(rows=of_four_classes, optimizer=adam(2e-3))),
    Training("targets of 200, a rate that suits", "it gets there", seldom(make=numbers, data=times(200.0), loss=of_numbers, optimizer=adam(0.1), steps=200)),
    Training("a momentum of 0.99, convolutions", "a rate that suits it", seldom(make=convolutions, optimizer=sgd(3e-3, momentum=0.99, nesterov=True))),
    Training("a body at a tenth of the rate", "by intention", seldom(make=partial(learned, plain), optimizer=partial(groups_of, rate=1e-3))),
    Training("label smoothing, warm-up, cosine", "the loss falls", seldom(loss=lambda m, x, y: F.cross_entropy(m(x), y, label_smoothing=0.1), optimizer=adam(5e-3), schedule=lambda o: lr_scheduler.OneCycleLR(o, 5e-3, total_steps=STEPS + 1))),
)  # fmt: skip
