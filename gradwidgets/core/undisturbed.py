"""Calling somebody's code and leaving everything as it was: random numbers, models, torch's settings, the screen."""

import contextlib
import functools
import io
import random
import sys
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

SEED = 0
_DEEPEST = 4  # closures in closures that are searched for models


class Undisturbed:
    """Calls of a function that leave no trace, and what they would have done.

    Each `with` block seeds the random numbers anew, so that a function that draws some draws the same ones every
    time, and puts back random numbers, the models that the function holds, torch's default dtype and gradient mode,
    and standard output; warnings are kept back.

    Args:
        fn: The function whose calls are to leave no trace.

    Attributes:
        notes: One sentence for each kind of thing that had to be put back, in the order met.
    """

    def __init__(self, fn: Callable) -> None:
        self.models = models_in(fn)
        self.notes: dict[str, str] = {}
        self.seed = SEED

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Make calls inside this."""
        dtype, printed = torch.get_default_dtype(), io.StringIO()
        models = [_State(model) for model in self.models]
        with random_numbers(self.seed), torch.inference_mode(False), torch.enable_grad():
            try:
                with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as warned:
                    warnings.simplefilter("always")
                    yield
            finally:
                if torch.get_default_dtype() != dtype:
                    torch.set_default_dtype(dtype)
                    self._note("dtype", "it changes torch's default dtype, which was put back")
                changed = [model.put_back() for model in models]
                if any(changed):
                    self._note("model", "it changes the model that it holds (running statistics, say): put back")
                if warned:
                    said = " ".join(str(warned[0].message).split())
                    self._note("warns", f"it warns, {said!r:.80} say; not shown")
        text = printed.getvalue().strip()
        if text:
            self._note("prints", f"it prints, {text.splitlines()[0]!r:.60} say; nothing of that is shown")

    def reseed(self) -> None:
        """Begin the random numbers anew, within a block, before one more call."""
        _seed(self.seed)

    def _note(self, kind: str, sentence: str) -> None:
        self.notes.setdefault(kind, sentence)


def models_in(fn: object) -> list[nn.Module]:
    """Return the modules that a function holds: itself, bound, in partials, closures, defaults and globals it names."""
    found: dict[int, nn.Module] = {}
    _search(fn, found, set(), _DEEPEST)
    return list(found.values())


def _search(thing: object, found: dict[int, nn.Module], seen: set[int], depth: int) -> None:
    if id(thing) in seen or depth < 0:
        return
    seen.add(id(thing))
    if isinstance(thing, nn.Module):
        found[id(thing)] = thing
        return
    if isinstance(thing, functools.partial):
        held = [thing.func, *thing.args, *thing.keywords.values()]
    elif isinstance(thing, (list, tuple, set)):
        held = list(thing)[:100]
    elif isinstance(thing, dict):
        held = list(thing.values())[:100]
    else:
        held = [getattr(thing, "__self__", None), getattr(thing, "__wrapped__", None)]
        for cell in getattr(thing, "__closure__", None) or ():
            with contextlib.suppress(ValueError):  # an empty cell
                held.append(cell.cell_contents)
        held += [
            *(getattr(thing, "__defaults__", None) or ()),
            *(getattr(thing, "__kwdefaults__", None) or {}).values(),
        ]
        code, names = getattr(thing, "__code__", None), getattr(thing, "__globals__", {})
        if code is not None:
            held += [names[name] for name in code.co_names if name in names]
        elif callable(thing) and not isinstance(thing, type):
            held += list(getattr(thing, "__dict__", {}).values())
    for one in held:
        if callable(one) or isinstance(one, (nn.Module, list, tuple, set, dict)):
            _search(one, found, seen, depth - 1)


class _State:
    """All of a model that a call may change."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._modes = [(module, module.training) for module in model.modules()]
        tensors = [*model.parameters(), *model.buffers()]
        self._tensors = [(t, t.detach().clone()) for t in tensors if not nn.parameter.is_lazy(t)]
        self._gradients = [(p, p.grad, None if p.grad is None else p.grad.clone()) for p in model.parameters()]

    def put_back(self) -> bool:
        """Restore what has changed; return whether anything had."""
        changed = False
        with torch.no_grad():
            for tensor, before in self._tensors:
                if not _identical(tensor, before):
                    tensor.copy_(before)
                    changed = True
            for parameter, gradient, before in self._gradients:
                if parameter.grad is not gradient or (before is not None and not _identical(gradient, before)):
                    if before is not None:
                        gradient.copy_(before)
                    parameter.grad = gradient
                    changed = True
        for module, mode in self._modes:
            if module.training != mode:
                module.training = mode
                changed = True
        return changed


def _identical(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())


@contextlib.contextmanager
def random_numbers(seed: int) -> Iterator[None]:
    """Inside this, random numbers begin at a seed; after it all generators go on where they were."""
    numpy = sys.modules.get("numpy")  # only if the function can know it
    torchs, pythons = torch.get_rng_state(), random.getstate()
    numpys = numpy.random.get_state() if numpy is not None else None
    try:
        _seed(seed)
        yield
    finally:
        torch.set_rng_state(torchs)
        random.setstate(pythons)
        if numpys is not None:
            numpy.random.set_state(numpys)


def _seed(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
