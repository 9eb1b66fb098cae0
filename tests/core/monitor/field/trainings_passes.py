"""Passes backward of several losses and of several batches, sums of terms, clips ahead, and what nothing teaches."""

# ruff: noqa: E501

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from gradwidgets.core.results.finding import Finding
from tests.core.monitor.field.training import Training, digits, mlp, rows_of

LEFT, TAIL, LATE = frozenset({"left_over"}), frozenset({"thrown_away"}), frozenset({"clipped_late"})
NONE, FAR = frozenset({"no_gradient"}), frozenset({"diverging", "non_finite", "large_updates", "leap"})


class Quantised(nn.Module):
    """Rows by way of the nearest of some codes, which are drawn far smaller than what is encoded becomes."""

    def __init__(self, wide: int, codes: int, size: int, act: type[nn.Module]) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(wide, 64, size, act=act), mlp(size, 64, wide)
        self.codes = nn.Embedding(codes, size)
        nn.init.uniform_(self.codes.weight, -1 / codes, 1 / codes)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The codebook's own term, and the rows again."""
        encoded = self.encoder(rows)
        nearest = self.codes(torch.cdist(encoded, self.codes.weight).argmin(1))
        term = F.mse_loss(nearest, encoded.detach()) + 0.25 * F.mse_loss(nearest.detach(), encoded)
        return term, self.decoder(encoded + (nearest - encoded).detach())


def quantised(
    codes: int, size: int, rate: float, weights: tuple[float, float], act: type[nn.Module] = nn.Tanh, steps: int = 200
) -> list[Finding]:
    """What is to be learned falls, while the codebook's term grows first."""
    torch.manual_seed(1)
    centres = torch.randn(12, 20)
    model = Quantised(20, codes, size, act)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(steps):
            rows = centres[torch.randint(12, (64,))] + 0.1 * torch.randn(64, 20)
            optimizer.zero_grad()
            term, again = model(rows)
            loss = weights[0] * F.mse_loss(again, rows) / centres.var() + weights[1] * term
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    return diagnose(monitor.history)


def too_long_steps(rows: int = 16) -> list[Finding]:
    """A rate that is far too large, with an evaluation of other rows after each step."""
    torch.manual_seed(0)
    model, wanted = mlp(20, 32, 5), torch.randn(20, 5)
    optimizer = torch.optim.SGD(model.parameters(), 1.2)
    with GradientMonitor(model, optimizer, every=2) as monitor:
        for _ in range(60):
            inputs = torch.randn(64, 20)
            optimizer.zero_grad()
            loss = F.mse_loss(model(inputs), inputs @ wanted)
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
            with torch.no_grad():
                model(torch.randn(rows, 20))
    return diagnose(monitor.history)


def of_two(
    watch: str = "critic",
    *,
    micro: int = 1,
    frozen: bool = False,
    cleared: bool = False,
    apart: bool = False,
    none: bool = True,
) -> list[Finding]:
    """A maker and its critic, which each learn by their own loss, added up over some batches.

    Args:
        watch: Whose verdict it is.
        micro: Batches of a step.
        frozen: Whether the critic is frozen in the maker's pass.
        cleared: Whether the critic's gradients go before its own passes.
        apart: Whether the critic's two terms are passed backward one after the other.
        none: Whether gradients become None, and not zeros.
    """
    torch.manual_seed(0)
    maker, critic = mlp(8, 32, 6), mlp(6, 32, 1)
    own, other = torch.optim.Adam(maker.parameters(), 1e-3), torch.optim.Adam(critic.parameters(), 1e-3)
    with GradientMonitor(critic, other) as of_critic, GradientMonitor(maker, own) as of_maker:
        for step in range(120 * micro):
            due = (step + 1) % micro == 0
            critic.requires_grad_(not frozen)
            told = F.softplus(-critic(maker(torch.randn(32, 8)))).mean() / micro
            told.backward()
            of_maker.note_loss(told * micro)
            critic.requires_grad_(True)
            if due:
                own.step()
                own.zero_grad(set_to_none=none)
            if cleared:
                other.zero_grad(set_to_none=none)
            made = maker(torch.randn(32, 8)).detach()
            terms = F.softplus(-critic(torch.randn(32, 6) + 1)).mean() / micro, F.softplus(critic(made)).mean() / micro
            for one in terms if apart else (sum(terms),):
                one.backward()
            of_critic.note_loss(sum(terms).detach() * micro)
            if due:
                other.step()
                other.zero_grad(set_to_none=none)
    return diagnose((of_critic if watch == "critic" else of_maker).history)


def of_worth(watch: str, clears: bool) -> list[Finding]:
    """An actor learns through a critic, whose loss is passed backward in two halves."""
    torch.manual_seed(0)
    actor, critic = mlp(6, 32, 2), mlp(8, 32, 1)
    own, other = torch.optim.SGD(actor.parameters(), 0.01), torch.optim.SGD(critic.parameters(), 0.01)
    with GradientMonitor(critic, other) as of_critic, GradientMonitor(actor, own) as of_actor:
        for _ in range(120):
            state, action = torch.randn(64, 6), torch.randn(64, 2)
            reward = -(action - state[:, :2]).square().sum(1, keepdim=True)
            if clears:
                other.zero_grad()
            halves = zip(torch.cat([state, action], 1).chunk(2), reward.chunk(2), strict=True)
            losses = [F.mse_loss(critic(given), wanted) / 2 for given, wanted in halves]
            for one in losses:
                one.backward()
            of_critic.note_loss(sum(losses).detach())
            other.step()
            own.zero_grad()
            loss = -critic(torch.cat([state, actor(state)], 1)).mean()
            loss.backward()
            of_actor.note_loss(loss)
            own.step()
    return diagnose((of_critic if watch == "critic" else of_actor).history)


def with_a_second(early: bool, clips: bool = True) -> list[Finding]:
    """The clip stands in front of the backward pass or behind it, by a flag; a second optimizer has its own gradients."""
    torch.manual_seed(0)
    model, shares = mlp(10, 24, 3, act=nn.Tanh), torch.zeros(3, requires_grad=True)
    optimizer, second = torch.optim.AdamW(model.parameters(), 1e-3), torch.optim.SGD([shares], 0.1)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(80):
            inputs = torch.randn(16, 10)
            optimizer.zero_grad()
            loss = ((model(inputs) - 5 * inputs[:, :3]).square().mean(0) * shares.softmax(0).detach()).sum()
            if early:
                nn.utils.clip_grad_norm_(model.parameters(), 50.0)
            loss.backward()
            late = clips and not early
            if late:
                nn.utils.clip_grad_norm_(model.parameters(), 50.0)
            monitor.note_loss(loss)
            optimizer.step()
            second.zero_grad()
            shares.grad = torch.randn(3)
            second.step()
    return diagnose(monitor.history)


def in_epochs(
    batches: int,
    count: int,
    epochs: int,
    *,
    zero: bool = True,
    tail: bool = False,
    carried: bool = False,
    skipped: float = 0.0,
    in_place: bool = False,
) -> list[Finding]:
    """Batches are added up; an epoch may end in between, or begin with `zero_grad`, and batches may be skipped."""
    torch.manual_seed(0)
    inputs, labels = digits()
    inputs, labels = inputs[: 8 * batches], labels[: 8 * batches]
    model = mlp(64, 24, 10, act=nn.GELU)
    none, seen = not in_place, 0
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    if in_place:
        optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(epochs):
            if zero:
                optimizer.zero_grad(set_to_none=none)
            for batch, rows in enumerate(torch.randperm(len(inputs)).split(8), 1):
                seen += 1
                loss = F.cross_entropy(model(inputs[rows]), labels[rows])
                (loss / count).backward()
                monitor.note_loss(loss)
                if torch.rand(1) < skipped:
                    optimizer.zero_grad(set_to_none=none)
                    continue
                due = (seen if carried else batch) % count == 0
                if due or (tail and batch == batches):
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=none)
    return diagnose(monitor.history)


def without_a_graph(block: Callable) -> list[Finding]:
    """The whole loop stands in a block without gradients."""
    torch.manual_seed(0)
    (inputs, labels), model = digits(), mlp(64, 24, 10)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    with GradientMonitor(model, optimizer) as monitor:
        for step in range(40):
            optimizer.zero_grad()
            with block():
                some = rows_of(inputs, step, 16)
                monitor.note_loss(F.cross_entropy(model(inputs[some]), labels[some]))
            optimizer.step()
            with torch.no_grad():
                model(inputs[:8])
    return diagnose(monitor.history)


def of_a_table(kept: int, decay: float = 0.05) -> list[Finding]:
    """Bags of words, of which the first few get no gradient, by a hook; all of them decay."""
    torch.manual_seed(0)
    table, worth = nn.EmbeddingBag(300, 24), torch.randn(300)
    model = nn.Sequential(table, nn.Linear(24, 2))
    table.weight.register_hook(lambda gradient: gradient * (torch.arange(300) >= kept)[:, None])
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=decay)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(150):
            words = torch.randint(0, 300, (64, 8))
            optimizer.zero_grad()
            loss = F.cross_entropy(model(words), (worth[words].sum(1) > 0).long())
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    return diagnose(monitor.history)


PASSES_SICK = (
    Training("rate of 1.2 and an evaluation", "the steps are too long", too_long_steps, FAR, ("lower the learning rate",), never=("target network",)),
    Training("critic by two passes, never cleared", "zero_grad before its own", lambda: of_worth("critic", False), LEFT, ("zero_grad",), True),
    Training("critic by two terms, cleared too early", "zero_grad before its own", lambda: of_two(apart=True), LEFT, ("zero_grad",), True),
    Training("three batches of a critic", "freeze it in the maker's pass", lambda: of_two(micro=3, none=False), LEFT, ("requires_grad_(False)",), True),
    Training("two batches of a critic", "freeze it in the maker's pass", lambda: of_two(micro=2, apart=True), LEFT, ("requires_grad_(False)",), True),
    Training("clip ahead by a flag", "clip behind backward()", lambda: with_a_second(True), LATE, ("before backward()",), True),
    Training("twenty batches by eights", "four of twenty are lost", lambda: in_epochs(20, 8, 12), TAIL, ("unused", "every 20 losses"), True),
    Training("seven batches by threes, zeros in place", "one of seven is lost", lambda: in_epochs(7, 3, 20, in_place=True), TAIL, ("unused", "every 7 losses"), True),
    Training("all in no_grad", "there is no graph", lambda: without_a_graph(torch.no_grad), NONE, ("no_grad",), True),
    Training("all in inference_mode", "there is no graph", lambda: without_a_graph(torch.inference_mode), NONE, ("inference_mode",), True),
    Training("nothing backward, evaluated beside", "backward is forgotten", lambda: without_a_graph(contextlib.nullcontext), NONE, ("loss.backward()",), True, never=("inference_mode",)),
)  # fmt: skip

PASSES_CLEAN = (
    Training("codes that grow", "what is to be learned falls", lambda: quantised(32, 8, 3e-3, (10.0, 4.0))),
    Training("more codes that grow", "what is to be learned falls", lambda: quantised(64, 16, 5e-3, (1.0, 1.0), nn.ReLU, 400)),
    Training("three batches, critic frozen", "the other loss leaves nothing", lambda: of_two(micro=3, frozen=True, none=False)),
    Training("two batches, critic frozen, two terms", "the other loss leaves nothing", lambda: of_two(micro=2, frozen=True, apart=True)),
    Training("critic by two terms, cleared", "each loss has its own", lambda: of_two(apart=True, cleared=True)),
    Training("maker of a cleared critic", "each loss has its own", lambda: of_two("maker", cleared=True)),
    Training("critic by two passes, cleared", "each loss has its own", lambda: of_worth("critic", True)),
    Training("actor of a cleared critic", "its loss is the critic's to move", lambda: of_worth("actor", True)),
    Training("clip behind by a flag", "it is in time", lambda: with_a_second(False)),
    Training("no clip by a flag", "none is asked for", lambda: with_a_second(False, clips=False)),
    Training("tail with a step of its own", "all are used", lambda: in_epochs(20, 8, 12, tail=True)),
    Training("tail carried over", "all are used", lambda: in_epochs(20, 8, 12, zero=False, carried=True)),
    Training("batches skipped now and then", "that is meant so", lambda: in_epochs(20, 4, 14, zero=False, skipped=0.08)),
    Training("epochs of whole sums", "nothing is there to be cleared", lambda: in_epochs(16, 4, 14)),
    Training("rows kept by a hook", "an aside", lambda: of_a_table(280)),
    Training("all rows taught", "all is well", lambda: of_a_table(0)),
)  # fmt: skip
