"""A fix applied to the model itself, which can be undone bit for bit."""

import weakref
from typing import Any

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

# The fixes applied to each model, in order, as weak references: only the user keeps them alive.
_in_order: "weakref.WeakKeyDictionary[nn.Module, list[weakref.ref[AppliedFix]]]" = weakref.WeakKeyDictionary()


class AppliedFix:
    """A change of a model that can be undone once.

    Attributes:
        name: The fix, a key of `FIXES`.
        options: All options of the fix.
        note: Which parameters are new or gone, so that the optimizer must be recreated; "" if none.
        changed: The share of the model's weights (tensors with two axes or more) whose numbers changed; NaN for a
            model without weights.
        reach: For a fix of the weights, a remark if it changed none or less than half of them; "" otherwise.
    """

    def __init__(self, name: str, options: dict[str, Any], model: nn.Module, held: Held) -> None:
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
        """Restore the model as it was before the fix: parameters, gradients, buffers, modules, modes, hooks.

        All later changes, such as training, are undone too. Random generators are not changed.

        Returns:
            The proof that the model is as it was before the fix.

        Raises:
            RuntimeError: The fix was undone already.
            ValueError: Another fix was applied to the model later; undo that one first.
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
        """Return the title of the fix, and whether it was undone."""
        taken = ", taken back" if self._state is None else ""
        return f"<AppliedFix: {FIXES[self.name].title}{taken}>"


@at_home
def apply_in_place(model: nn.Module, name: str, **options: object) -> AppliedFix:
    """Apply a fix to a model itself, as `apply_fix` does to a copy; the result's `undo` reverts it.

    Parameters of which only the numbers change stay the same objects, so that an optimizer can go on with them; `note`
    names new and missing ones. If the change fails half-way, the model is restored.

    Args:
        model: Any module; of one that is compiled or wrapped in DataParallel, the module inside is changed.
        name: One of `FIXES`.
        **options: The options of this fix, see its `options`.

    Returns:
        The applied fix.

    Raises:
        TypeError: `model` is not a module, or an option is unknown or of the wrong type.
        ValueError: The name is unknown, an option is not allowed, the fix finds nothing to change in this model, it
            acts on the training (clipping), or the model has lazy layers without sizes, which could not be made lazy
            again.
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
    except BaseException:  # an interrupt may come during the restoration above
        held.restore()
        raise


def _difference(before: dict[str, nn.Parameter], after: dict[str, nn.Parameter]) -> str:
    known, now = {id(p) for p in before.values()}, {id(p) for p in after.values()}
    new = [name for name, p in after.items() if id(p) not in known]
    gone = [name for name, p in before.items() if id(p) not in now]
    parts = [f"new parameters: {_listed(new)}"] if new else []
    parts += [f"parameters gone: {_listed(gone)}"] if gone else []
    return "; ".join([*parts, "make a new optimizer"]) if parts else ""


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
