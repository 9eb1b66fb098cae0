"""The rules that a descent can follow, one file each, as pure steps with torch's names and torch's arithmetic.

`OPTIMIZERS` is the list: what is in it can be followed by `descend`, taken apart by `step_parts`, written by `script`
and chosen in the playground. `Optimizer` says what a rule has to be.
"""

from gradwidgets.core.optimizers.adam import Adam
from gradwidgets.core.optimizers.optimizer import Optimizer, State
from gradwidgets.core.optimizers.setting import Setting, settings_of
from gradwidgets.core.optimizers.sgd import SGD

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "SGD": SGD,
    "Adam": Adam,
}

__all__ = ["OPTIMIZERS", "SGD", "Adam", "Optimizer", "Setting", "State", "settings_of"]
