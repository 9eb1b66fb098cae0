"""A fix applied to the model itself, and taken back to the bit."""

import weakref

from torch import nn

from gradwidgets.core.layers.fixes.fix_table import FIXES
from gradwidgets.core.layers.fixes.fixes import make_change, reach
from gradwidgets.core.layers.fixes.matrices import share_changed, weights_of
from gradwidgets.core.layers.passes.passes import SMALL, inside, quietly, size_of
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.untouched import Untouched

# Model → what was applied to it, in this order; whoever applied it keeps it alive.
_in_order: "weakref.WeakKeyDictionary[nn.Module, list[weakref.ref[AppliedFix]]]" = weakref.WeakKeyDictionary()


class AppliedFix:
    """A change that can be taken back once.

    Attributes:
        name: The fix, a key of `FIXES`.
        options: All of its options.
        note: Which parameters are new or gone, so that an optimizer has to be made anew; "" if none.
        changed: The share of the weights that the model had (tensors of two axes or more) whose numbers are others
            now; NaN if it had none.
        reach: What is to be said of that: for a fix that is for the weights, that it changed nothing or less than half
            of them; "" otherwise.
    """

    def __init__(self, name: str, options: dict[str, object], model: nn.Module, held: Held) -> None:
        self.name, self.options, self.note = name, options, ""
        self._small = size_of(model)[0] < SMALL
        self._state: Held | None = held
        before = dict(model.named_parameters())
        weights = weights_of(model)
        make_change(model, name, **options)
        self.changed = share_changed(weights, model)
        self.reach = reach(name, self.changed)
        self.note = _difference(before, dict(model.named_parameters()))
        self._later = _in_order.setdefault(model, [])
        self._later.append(weakref.ref(self))

    def undo(self) -> Certificate:
        """Bring the model back to what it was before the fix: parameters, gradients, buffers, modules, modes, hooks.

        Whatever happened to it since, training too, is undone as well. Random generators stay where they are.

        Returns:
            The proof.

        Raises:
            RuntimeError: It was taken back already.
            ValueError: Another fix was applied to the model after it, here or elsewhere: that one comes first.
        """
        if self._state is None:
            raise RuntimeError(f"{FIXES[self.name].title} was taken back already")
        standing = [one for ref in self._later if (one := ref()) is not None and one._state is not None]
        if standing[-1] is not self:
            raise ValueError(f"{FIXES[standing[-1].name].title} was applied after it: take that back first")
        with quietly(self._small) as quiet, quiet.again():
            certificate = self._state.put_back()
        self._state = None
        return certificate

    def __repr__(self) -> str:
        """What was applied."""
        taken = ", taken back" if self._state is None else ""
        return f"<AppliedFix: {FIXES[self.name].title}{taken}>"


@at_home
def apply_in_place(model: nn.Module, name: str, **options: object) -> AppliedFix:
    """Apply a fix to a model itself, as `apply_fix` does to a copy; `undo` takes it back.

    Parameters of which only the numbers change stay the same objects, so that an optimizer goes on with them; `note`
    says if others came or went. If the change fails half-way the model is put back.

    Args:
        model: Any module; of one that is compiled or wrapped in DataParallel the module inside is changed.
        name: One of `FIXES`.
        **options: Of this fix, see its `options`.

    Returns:
        What was done.

    Raises:
        TypeError: `model` is no module, or an option is unknown or of the wrong kind.
        ValueError: The name is unknown, an option is not allowed, the fix finds nothing in this model that it could
            change, it is one that acts on the training (clipping), or the model has lazy layers without sizes, which
            could not be made lazy again.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__} {model!r:.60}")
    fix = choose("fix", name, FIXES)
    settled = fix.settled(options)
    if not fix.changes_model:
        raise ValueError(
            f"{fix.title} acts on the training, between backward and step, and not on the model: copy its code"
        )
    subject = inside(model, [])
    numbers, lazy = size_of(subject)
    if lazy:
        raise ValueError("model has lazy layers, which have no weights yet: run it once on a batch, then apply the fix")
    held = Held(subject, outside=False)
    try:
        try:
            with Untouched() as block, block.again(), quietly(numbers < SMALL):
                applied = AppliedFix(name, settled, subject, held)
            return applied
        except BaseException:
            held.restore()
            raise
    except BaseException:  # an interrupt may come while it is put back
        held.restore()
        raise


def _difference(before: dict[str, nn.Parameter], after: dict[str, nn.Parameter]) -> str:
    known, now = {id(p) for p in before.values()}, {id(p) for p in after.values()}
    new = [name for name, p in after.items() if id(p) not in known]
    gone = [name for name, p in before.items() if id(p) not in now]
    parts = [f"new parameters: {_some(new)}"] if new else []
    parts += [f"parameters gone: {_some(gone)}"] if gone else []
    return "; ".join([*parts, "make the optimizer anew"]) if parts else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
