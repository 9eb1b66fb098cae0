"""The optimizers that a descent can use, one file each, as pure steps with torch's names and torch's arithmetic.

`OPTIMIZERS` is the list: `descend` runs its entries, `step_parts` takes their steps apart, `script` writes them out and
the playground offers them. `Optimizer` is their base class.
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
