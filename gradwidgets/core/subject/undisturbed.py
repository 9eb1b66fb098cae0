"""Calls of user code that leave everything as it was: random state, models, torch's settings, standard output."""

import contextlib
import functools
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import nn

from gradwidgets.core.results.wording import shortened
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.held.generators import generators
from gradwidgets.core.subject.held.process import NAMES
from gradwidgets.core.subject.untouched import HasStandIn, SilentBlock

SEED = 0
_PURE_AFTER = 5  # calls in a row without changes, after which a function counts as pure until a block shows otherwise
_PACKAGE = str(Path(__file__).parents[2])
_TRUSTED_AFTER = 3  # blocks without changes, after which one block may hold many calls
_MAX_DEPTH = 4  # nested closures that are searched for models


class Undisturbed:
    """Calls of a function without side effects, and a record of the side effects prevented.

        with undisturbed() as block, block.again():
            fn(...)

    Each block reseeds the random numbers, so a function that draws random numbers gets the same ones every time, and
    restores everything reachable from the function, the random state, the process's settings and standard output;
    warnings are suppressed.

    Args:
        fn: The function to call.

    Attributes:
        notes: One sentence for each kind of thing that had to be restored, in order of occurrence.
    """

    def __init__(self, fn: Callable[..., object]) -> None:
        self._fn = fn
        self.models = models_in(fn)
        self.notes: dict[str, str] = {}
        self.seed = SEED
        self._last: SilentBlock | None = None
        self._open: SilentBlock | None = None
        self._kept: SilentBlock | None = None  # stays open over many calls
        self._blocks = 0  # number of blocks that have ended
        self._noisy = False  # whether some call has changed, printed or warned
        self._unchanged_calls = 0  # calls in a row that changed nothing
        self._restored: dict[str, None] = {}
        self._changed: dict[str, None] = {}

    def __call__(self, call: HasStandIn) -> "SilentBlock | _Within":
        """Return a block to make calls in.

        Args:
            call: The caller of the function. If the function holds models, a copy stands in for it inside the block.
        """
        if self._kept is None:
            return SilentBlock(self, self._fn, call)
        self.renew()
        return _WITHIN

    @contextlib.contextmanager
    def kept(self, call: HasStandIn) -> Iterator[None]:
        """One block for many calls in a row, as entering and leaving a block takes longer than a small call.

        Only for a function that has changed nothing so far; otherwise each call has its own block.

        Args:
            call: As in `__call__`.
        """
        trusted = self._blocks >= _TRUSTED_AFTER and not (self._restored or self._changed or self._noisy)
        if not trusted or self._kept is not None:
            yield
            return
        block = SilentBlock(self, self._fn, call)
        with block, block.again():
            try:
                self._kept = block
                yield
            finally:
                self._kept = None

    def renew(self) -> None:
        """Within a block, reset the random state and what the function holds before another call."""
        _seed(self.seed)
        if self._unchanged_calls < _PURE_AFTER:
            self._unchanged_calls = 0 if self._open is not None and self._open.renew() else self._unchanged_calls + 1

    def reseed(self) -> None:
        """Within a block, reset only the random state."""
        _seed(self.seed)

    @property
    def held(self) -> tuple[str, ...]:
        """What calls have changed of what the function holds, in words."""
        return tuple(words for words in self._restored if words not in NAMES)

    @property
    def certificate(self) -> Certificate | None:
        """The proof that everything is as it was before each block; None before the first."""
        return None if self._last is None else self._last.certify(self._restored, self._changed)

    def begun(self, block: "SilentBlock") -> None:
        """Seed the random numbers at the start of a block."""
        self._open = block
        if self._restored or self._changed:
            self._unchanged_calls = 0
        _seed(self.seed)

    def ended(self, block: "SilentBlock", printed: str, warned: list[warnings.WarningMessage]) -> None:
        """Record what a block had to restore."""
        self._last = block
        self._blocks += 1
        restored = dict.fromkeys(block.restored)
        self._restored |= restored
        self._changed |= dict.fromkeys(block.changed)
        if (dtype := "torch's default dtype") in restored:
            self._note("dtype", f"it changes {dtype}, which was put back")
        settings = [words for words in restored if words in NAMES and words != dtype]
        if settings:
            self._note("settings", f"it changes {', '.join(settings)}: put back")
        if held := [words for words in restored if words not in NAMES]:
            self._note("model", f"it changes what it holds ({', '.join(held[:3])}): put back")
        # Our own computations run in a kept block, too.
        warned = [one for one in warned if not one.filename.startswith(_PACKAGE)]
        if warned:
            said = " ".join(str(warned[0].message).split())
            self._note("warns", f"it warns ({shortened(said, 80)!r}): not shown")
        if text := printed.strip():
            self._note("prints", f"it prints ({shortened(text.splitlines()[0], 60)!r}): not shown")

    def _note(self, kind: str, sentence: str) -> None:
        self._noisy = True
        self.notes.setdefault(kind, sentence)


class _Within(contextlib.nullcontext["_Within"]):
    """A block within an open one, whose end restores everything."""

    def __init__(self) -> None:
        super().__init__(self)

    def again(self) -> "_Within":
        return self


_WITHIN = _Within()


def models_in(fn: object) -> list[nn.Module]:
    """Return the modules that a function holds: itself, bound, in partials, closures, defaults and globals it names."""
    found: dict[int, nn.Module] = {}
    _search(fn, found, set(), _MAX_DEPTH)
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


@contextlib.contextmanager
def random_numbers(seed: int, devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """A block in which random numbers start from a seed; afterwards all generators continue where they were.

    Args:
        seed: The seed of all generators.
        devices: Devices whose generators are seeded besides the CPU's.
    """
    before = generators()
    try:
        _seed(seed)
        for device in devices:
            if device.type == "cuda":
                torch.cuda.default_generators[device.index].manual_seed(seed)
        yield
    finally:
        for generator in before.values():
            generator.restore(generator.state)


def _seed(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
