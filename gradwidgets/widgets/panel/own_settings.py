"""A panel's settings: set alone or together, chosen by the user in the controls, saved and restored.

Each kind of panel has a subclass of `OwnSettings`, which knows what goes with what: the settings that a choice stands
for, that must change along with another, and that are usual.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from traitlets import HasTraits, TraitError

from gradwidgets.widgets.controls import Control
from gradwidgets.widgets.controls.values import shown
from gradwidgets.widgets.kernel.changes import Changes
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.panel.errors import Errors

W = TypeVar("W", bound=HasTraits)


class OwnSettings(Generic[W]):
    """The settings of one panel.

    Args:
        panel: The panel, for its traits.
        changes: Its changes.
        update: Updates everything to the settings.
        allowed: Returns those settings of a restored state that may be set.

    Attributes:
        panel: As given.
        initial: What `reset` restores.
        taught: What a teacher prepared when it was made, until its controls exist.
    """

    def __init__(
        self,
        panel: W,
        changes: Changes,
        update: Callable[[], None],
        allowed: Callable[[dict[str, object]], dict[str, object]],
    ) -> None:
        self.panel = panel
        self.initial: dict[str, object] = {}
        self.taught: dict[str, object] = {}
        self._changes, self._update, self._allowed = changes, update, allowed
        self._names = tuple(panel.class_trait_names(setting=True))
        self._lesson = tuple(panel.class_trait_names(lesson=True))

    def __contains__(self, name: str) -> bool:
        """Whether this is a setting, or what a teacher sets."""
        return name in self._names or name in self._lesson

    # -- what a kind of panel knows -----------------------------------------------------------------------

    def along(self, name: str, old: Any) -> Mapping[str, object]:
        """Return the settings that must change along with one that was set alone, to suit it."""
        return {}

    def resolve(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that a choice or a state stands for; another example, say, changes the view too."""
        return dict(chosen)

    def at_present(self, settings: Mapping[str, object]) -> dict[str, object]:
        """Return settings without those that are impossible now but possible later."""
        return dict(settings)

    def arguments(self) -> dict[str, str]:
        """Return the arguments, as text, that define what the panel shows, by the setting that they stand for."""
        return {}

    def usual(self) -> dict[str, object]:
        """Return the constructor's default settings."""
        return {name: self.panel.trait_defaults(name) for name in self._names}

    # -- all of them --------------------------------------------------------------------------------------

    def values(self) -> dict[str, object]:
        """Return all settings."""
        return {name: getattr(self.panel, name) for name in self._names}

    def plain(self) -> dict[str, object]:
        """Return all settings in a form that JSON can hold."""
        return {name: _plain(value) for name, value in self.values().items()}

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Set several settings as one change; all or none take effect."""
        with self._changes.as_one():
            yield
        if not self._changes.applying:
            self._update()

    def put(self, values: Mapping[str, object]) -> None:
        """Set several settings as one change."""
        with self.together():
            for name, value in values.items():
                setattr(self.panel, name, value)

    def put_alone(self, name: str, value: object) -> None:
        """Set one setting, and along with it what must suit it."""
        with self._changes.held():
            old = getattr(self.panel, name)
            self.panel.set_trait(name, value)
            if not self._changes.applying and getattr(self.panel, name) != old:
                for other, suited in self.along(name, old).items():
                    self.panel.set_trait(other, suited)

    def take(self, state: object) -> None:
        """Restore the settings of a state; if one is refused, or it is no state, nothing changes."""
        if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
            raise TypeError(f"state must be a dict that `state()` returned; got {shown(state)}")
        wanted, own = dict(state), type(self.panel).__name__
        kind = wanted.pop("widget", own)
        if kind != own:
            raise ValueError(f"state is of {shown(kind)}, this is {own}")
        unknown = sorted(set(wanted) - set(self._names))
        if unknown:
            raise ValueError(f"state holds {', '.join(unknown)}; the settings are {', '.join(self._names)}")
        with self.together():  # including `resolve`, which depends on settings that another thread might change
            meant = self._allowed(self.resolve({name: _held(value) for name, value in wanted.items()}))
            for name, value in meant.items():
                setattr(self.panel, name, value)

    def reset(self) -> None:
        """Restore the initial settings."""
        with self.together():
            for name, value in self.at_present(self.initial).items():
                setattr(self.panel, name, value)

    def call(self, maker: str) -> str:
        """Return a call that recreates the panel.

        Args:
            maker: The function that makes it.
        """
        arguments, panel = self.arguments(), self.panel
        usual = self.usual() | {name: panel.traits()[name].default_value for name in self._lesson}
        values = self.values() | {name: getattr(panel, name) for name in self._lesson}
        changed = [f"{k}={v!r}" for k, v in values.items() if v != usual[k] and k not in arguments]
        return f"{maker}({', '.join([*arguments.values(), *changed])})"


class Choices:
    """What the user chooses in a panel's controls.

    Args:
        settings: The panel's settings.
        changes: Its changes.
        turns: The turns of the threads that work on it.
        errors: Where errors are shown.
        controls: Returns the controls, by name.
        takes_more: Returns whether the page has shown earlier pictures.
        free: Returns those settings that the user may choose.
        refresh: Updates everything after a change from the page.
        show: Updates the control of this name to its setting.
    """

    def __init__(
        self,
        settings: OwnSettings[Any],
        changes: Changes,
        turns: Turns,
        errors: Errors,
        *,
        controls: Callable[[], Mapping[str, Control]],
        takes_more: Callable[[], bool],
        free: Callable[[dict[str, object]], dict[str, object]],
        refresh: Callable[[], None],
        show: Callable[[str], None],
    ) -> None:
        self._settings, self._changes, self._turns, self._errors = settings, changes, turns, errors
        self._controls, self._takes_more, self._free = controls, takes_more, free
        self._refresh, self._show = refresh, show

    def connect(self) -> None:
        """Connect the controls once they exist."""
        for control in self._controls().values():
            control.connect(self._turns.request, self._errors.complain)

    def waiting(self) -> bool:
        """Whether the user moved something that is not applied yet."""
        return any(control.moved for control in self._controls().values())

    def read(self) -> None:
        """Apply what the user moved since the last time, and do what other threads requested.

        It waits while pictures are still in flight.
        """
        if not self._takes_more():
            return
        controls = self._controls()
        moved = [control for control in controls.values() if control.moved]
        try:
            self._turns.pay()
            if moved:
                chosen = {control.name: control.take() for control in moved}
                self._apply({name: value for name, value in chosen.items() if not controls[name].locked})
                for name in chosen:
                    if controls[name].locked:
                        self._show(name)
        except Exception as failure:
            self._errors.fail(failure)

    def _apply(self, chosen: Mapping[str, object]) -> None:
        """Set what the user chose; if it is refused, the error is shown and the controls are reset."""
        refusal = None
        try:
            with self._changes.as_one():
                for name, value in self._free(self._settings.resolve(chosen)).items():
                    setattr(self._settings.panel, name, value)
        except TraitError as error:
            refusal = str(error)
        self._refresh()
        if refusal:
            for name in chosen:
                self._show(name)
            self._errors.complain(refusal)

    def distrust(self) -> None:
        """Reset the controls to a clean state: an interrupt may have come while they were changed."""
        for control in self._controls().values():
            control.distrust()

    def discard(self) -> None:
        """Discard what has not been read yet."""
        for control in self._controls().values():
            control.discard()


def split_keywords(
    kind: type[HasTraits], keywords: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """Split the box's own keywords, and a teacher's, from the settings; a TypeError names unknown ones.

    Args:
        kind: The panel's class.
        keywords: The keywords of its constructor.
    """
    names, taught = kind.class_trait_names(setting=True), kind.class_trait_names(lesson=True)
    apart = ("layout", "box_style", *taught)
    own = {name: value for name, value in keywords.items() if name in apart}
    settings = {name: value for name, value in keywords.items() if name not in apart}
    unknown = sorted(set(settings) - set(names))
    if unknown:
        raise TypeError(f"{kind.__name__} has no setting {', '.join(unknown)}; it has {', '.join((*names, *taught))}")
    return own, settings


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _held(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
