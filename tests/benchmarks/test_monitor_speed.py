"""What watching costs a training step, beside hooks that read every number at once; each group holds one net.

`pytest tests/benchmarks/test_monitor_speed.py --benchmark-enable --benchmark-group-by=group`

A round is one block of plain steps and one of watched steps, in turn, so that whatever else the machine does falls on
both; `extra_info` holds the median over the rounds of what watching added, as a share of a plain step.
"""

import contextlib
import statistics
import time

import pytest
import torch
from torch import nn

from gradwidgets.core.monitor.monitor import GradientMonitor


def mlp():
    layers = [layer for _ in range(24) for layer in (nn.Linear(128, 128), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(128, 10)), torch.randn(128, 128)


def cnn():
    layers = [layer for k in range(10) for layer in (nn.Conv2d(32 if k else 3, 32, 3, padding=1), nn.ReLU())]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)), torch.randn(16, 3, 16, 16)


@contextlib.contextmanager
def hooks_that_read_at_once(model, optimizer):
    """A forward and a backward hook on every layer, each reading five numbers one by one."""
    log = {}

    def watch(name, kind):
        def hook(module, inputs, outputs):
            tensor = (outputs[0] if isinstance(outputs, tuple) else outputs).detach()
            numbers = tensor.mean(), tensor.std(), tensor.min(), tensor.max(), tensor.norm()
            log.setdefault((name, kind), []).append([number.item() for number in numbers])

        return hook

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            handles.append(module.register_forward_hook(watch(name, "activation")))
            handles.append(module.register_full_backward_hook(watch(name, "gradient")))
    yield
    for handle in handles:
        handle.remove()


WATCHES = {
    "default budget": lambda model, optimizer: GradientMonitor(model, optimizer),
    "every step": lambda model, optimizer: GradientMonitor(model, optimizer, every=1),
    "every step, activations": lambda model, optimizer: GradientMonitor(model, optimizer, every=1, activations=True),
    "peer: hooks that read at once": hooks_that_read_at_once,
}
NETS = {"MLP 24 x 128": mlp, "CNN 10 x 32": cnn}


# The first layer's backward hook, as the peer has it.
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize("net", NETS)
def test_step(benchmark, net, watch):
    benchmark.group = net
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, inputs = NETS[net]()
        targets = torch.randint(0, 10, (len(inputs),))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss_of(model(inputs), targets).backward()
        optimizer.step()

    def timed(steps):
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        return (time.perf_counter() - begin) / steps

    # The budget shows in the mean of a long block; the others in any.
    rounds, steps = ((12, 60) if watch == "default budget" else (25, 4)) if benchmark.enabled else (1, 1)
    added = []
    monitor = WATCHES[watch](model, optimizer)

    def again():
        return monitor if isinstance(monitor, GradientMonitor) else WATCHES[watch](model, optimizer)

    def one_round():
        before = timed(steps)
        with again():
            step()  # the first step of a block prepares
            during = timed(steps)
        added.append(2 * during / (before + timed(steps)) - 1)

    timed(5 if benchmark.enabled else 1)
    benchmark.pedantic(one_round, rounds=rounds)
    low, middle, high = statistics.quantiles(added, n=4) if len(added) > 1 else (added[0],) * 3
    assert len(added) >= rounds
    benchmark.extra_info |= {"added": round(middle, 4), "quartiles": (round(low, 4), round(high, 4))}
    if isinstance(monitor, GradientMonitor):
        benchmark.extra_info["overhead it tells"] = round(monitor.overhead, 4)
        assert len(monitor.history.steps) and monitor.history.norm.isfinite().any()
    if benchmark.enabled:
        told = f", it tells {monitor.overhead:.1%}" if isinstance(monitor, GradientMonitor) else ""
        print(f"\n{net}, {watch}: {middle:+.1%} ({low:+.1%} … {high:+.1%}){told}")
