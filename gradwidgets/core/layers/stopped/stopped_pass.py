"""A further pass that looks for what multiplies by 0, for where zeros begin, and for clamps at their bounds."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.hooks import RemovableHandle

from gradwidgets.core.layers.causes.zeroed import Zeroed, told_zero
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.layers.passes.tracking import names_by_id
from gradwidgets.core.layers.stopped.begun_zeros import BegunZeros, called
from gradwidgets.core.layers.stopped.held_clamps import HeldClamps
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call


def stopped_in(subject: Subject) -> tuple[tuple[Zeroed, ...], dict[str, Zeroed]]:
    """Run the model and its loss forward once more, and look for what makes a gradient exactly 0.

    Args:
        subject: A copy of the model, which runs.

    Returns:
        What is multiplied by 0 in every call, and clamps that are at a bound for all of their numbers; and of the
        former that which made zeros of all that layers and activations are given, by their names.
    """
    seen = _Seen()
    handles = list(seen.watched(subject.model))
    try:
        with seen:
            loss = subject.loss()
    except FlowError:
        return (), {}
    finally:
        for one in handles:
            one.remove()
    names = names_by_id(subject.model.named_parameters())
    return (*seen.clamps.found(loss, names), *seen.always()), seen.begun()


class _Seen(FunctionMode):
    """Records multiplications by their place, and whether it was by 0 each time.

    Attributes:
        clamps: The clamps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clamps = HeldClamps()
        self._found: dict[tuple[str, str], tuple[Zeroed, bool]] = {}
        self._zeros = BegunZeros()
        self._kinds: dict[str, str] = {}  # where the classes of the modules are from
        self._dropout = ""  # the dropout module that runs; "" for none

    def watched(self, model: nn.Module) -> Iterator[RemovableHandle]:
        """Yield hooks that record which modules run, and what they are given."""
        for name, module in model.named_modules():
            self._kinds[name or ROOT] = type(module).__module__
            yield module.register_forward_pre_hook(self._zeros.entering(name))
            if isinstance(module, _DropoutNd):
                yield module.register_forward_pre_hook(self._entering(name))
            yield module.register_forward_hook(self._leaving(name))

    def always(self) -> tuple[Zeroed, ...]:
        """Return the operations that gave 0 each time."""
        return tuple(one for one, always in self._found.values() if always)

    def begun(self) -> dict[str, Zeroed]:
        """Return where zeros begin that are given to layers and activations, of operations that gave 0 each time."""
        always = {(one.name, one.place) for one in self.always()}
        return {name: one for name, one in self._zeros.found().items() if (one.name, one.place) in always}

    @property
    def _is_torchs(self) -> bool:
        """Whether the module that runs is one of torch's."""
        return self._zeros.is_inside and self._kinds.get(self._zeros.place, "").startswith("torch.")

    def _entering(self, name: str) -> Callable[[nn.Module, object], None]:
        def hook(module: nn.Module, _: object) -> None:
            self._dropout = name

        return hook

    def _leaving(self, name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, _: object, gave: object) -> None:
            self._dropout = ""
            self._zeros.leaving()
            if not any(module.children()):
                self.clamps.made(name, gave)

        return hook

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        told = told_zero(name, args, kwargs)
        one = None if told is None else self._note(name, *told)
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            self._zeros.see(name, args, result, one)
            if not self._is_torchs:  # an activation of torch's is measured by itself
                self.clamps.see(name, args, kwargs, result)
            if name in _ACTIVATIONS:
                self.clamps.made(called(name.strip("_"), self._zeros.place), result)
        return result

    def _note(self, name: str, is_zero: bool, why: str, cure: str, term: bool) -> Zeroed | None:
        """Record a call of such a function, and return it if its result is 0."""
        place = "" if self._dropout else place_of_call()
        key = self._dropout or name, place
        one = Zeroed(self._dropout or name.strip("_"), why, place, cure, term)
        known = self._found.get(key)
        self._found[key] = (one, is_zero and (known is None or known[1]))
        return replace(one) if is_zero else None


_ACTIVATIONS = {"sigmoid", "tanh", "relu", "softmax", "hardsigmoid", "softplus", "sigmoid_", "tanh_", "relu_"}
