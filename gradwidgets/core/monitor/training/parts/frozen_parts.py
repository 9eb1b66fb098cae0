"""Parts that should be frozen and are not, or should move and do not: flags, batch norms, numbers near 1."""

import weakref
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gradwidgets.core.monitor.facts import HeldByRounding
from gradwidgets.core.monitor.owners import Owned

# Attributes, and the beginning of the names of modules whose classes do not use the attribute themselves.
_FLAGS = {"requires_grad": "", "trainable": "torch."}
_MOST, _NUMBERS = 64, 1 << 16  # modules or parameters, and numbers of each
_BatchNorm = nn.modules.batchnorm._BatchNorm


def freezing_flags(model: nn.Module) -> dict[str, str]:
    """Modules with a plain attribute that is False and freezes nothing: the attribute's name by the module's.

    Only modules are returned all of whose parameters require a gradient all the same.
    """
    if not any(flag in one.__dict__ for one in model.modules() for flag in _FLAGS):
        return {}
    found = {}
    for name, module in model.named_modules():
        for flag, whose in _FLAGS.items():
            off = module.__dict__.get(flag) is False and type(module).__module__.startswith(whose)
            parameters = list(module.parameters()) if off else []
            if parameters and all(one.requires_grad for one in parameters):
                found[name] = flag
    return found


class FrozenNorms:
    """Batch norms whose weights are frozen and whose running statistics move on."""

    def __init__(self) -> None:
        self._norms: list[tuple[str, weakref.ref[_BatchNorm], Tensor, Tensor]] = []
        self._told: dict[str, float] = {}

    def begins(self, model: nn.Module) -> None:
        """Copy the running means before the first step."""
        for name, one in model.named_modules():
            if len(self._norms) < _MOST and isinstance(one, _BatchNorm) and _is_frozen(one):
                mean, variance = one.running_mean, one.running_var
                if mean is not None and variance is not None:
                    self._norms.append((name, weakref.ref(one), mean.clone(), (variance + one.eps).sqrt()))

    @property
    def told(self) -> dict[str, float]:
        """How many standard deviations each running mean has moved, by the norms' names: the median of its channels."""
        for name, ref, before, spread in self._norms:
            one = ref()
            if one is not None and one.running_mean is not None and one.running_mean.shape == before.shape:
                self._told[name] = float(((one.running_mean - before).abs() / spread).median())
        return {name: moved for name, moved in self._told.items() if moved > 0}

    def forget(self) -> None:
        """Let go of the modules; what is known stays."""
        self._told = self.told
        self._norms = []


def _is_frozen(norm: _BatchNorm) -> bool:
    """Whether a norm in training mode has frozen weights, and statistics of batches that it has seen."""
    weights = [one for one in (norm.weight, norm.bias) if one is not None]
    batches = norm.num_batches_tracked
    frozen = bool(weights) and not any(one.requires_grad for one in weights)
    return frozen and norm.training and norm.running_mean is not None and batches is not None and int(batches) > 0


class RoundedAway:
    """Vectors of half precision, such as a norm's weights near 1, that no step moves, though there is a gradient."""

    def __init__(self) -> None:
        self._held: list[tuple[str, weakref.ref[nn.Parameter], Tensor]] | None = None
        self._samples = self._of = 0
        self._type, self._size = "", 0.0

    def sampled(self, held: Sequence[Owned]) -> None:
        """Compare the vectors at a sample; `held` are the parameters of the optimizer that steps."""
        if self._held is None:
            half = [one for one in held if one.plain and one.parameter.dtype in (torch.bfloat16, torch.float16)]
            half = [one for one in half if one.parameter.ndim == 1 and 1 < one.size <= _NUMBERS][:_MOST]
            self._held = [
                (one.name, weakref.ref(one.parameter), one.parameter.detach().clone())
                for one in half
                if one.parameter.requires_grad and float(one.parameter.detach().abs().min()) > 0
            ]
            self._of = len(self._held)
            self._type = str(half[0].parameter.dtype).removeprefix("torch.") if half else ""
            return
        if self._held:
            self._samples += 1
            self._held = [one for one in self._held if _stays(one[1](), one[2])]

    def forget(self) -> None:
        """Let go of the copies; what is known stays."""
        self._held = [(name, ref, before.abs().median()) for name, ref, before in self._held or []]

    @property
    def told(self) -> HeldByRounding:
        """The "names" of those that stayed, "of" how many, their "type" and "size", over how many "samples"."""
        if not self._held or not self._samples:
            return {}
        names = [name for name, *_ in self._held]
        size = float(torch.stack([one.abs().median().float().cpu() for *_, one in self._held]).median())
        return {"names": names, "of": self._of, "type": self._type, "size": size, "samples": self._samples}


def _stays(parameter: Tensor | None, before: Tensor) -> bool:
    """Whether a parameter is bit for bit as before, though most of it has a gradient."""
    if parameter is None or parameter.grad is None or parameter.shape != before.shape:
        return False
    taught = (parameter.grad != 0).double().mean() > 0.5
    return bool(taught) and torch.equal(parameter.detach(), before)
