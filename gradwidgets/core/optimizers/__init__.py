"""The optimizers that a descent can use, one file each, as pure steps with torch's names and torch's arithmetic.

`OPTIMIZERS` is the list: `descend` runs its entries, `step_parts` takes their steps apart, `script` writes them out and
the playground offers them. `Optimizer` is their base class.
"""

from gradwidgets.core.optimizers.adadelta import Adadelta
from gradwidgets.core.optimizers.adagrad import Adagrad
from gradwidgets.core.optimizers.adam import Adam
from gradwidgets.core.optimizers.adamax import Adamax
from gradwidgets.core.optimizers.adamw import AdamW
from gradwidgets.core.optimizers.asgd import ASGD
from gradwidgets.core.optimizers.nadam import NAdam
from gradwidgets.core.optimizers.optimizer import Optimizer, State
from gradwidgets.core.optimizers.radam import RAdam
from gradwidgets.core.optimizers.rmsprop import RMSprop
from gradwidgets.core.optimizers.rprop import Rprop
from gradwidgets.core.optimizers.setting import Setting, settings_of
from gradwidgets.core.optimizers.sgd import SGD

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "SGD": SGD,
    "Adam": Adam,
    "AdamW": AdamW,
    "NAdam": NAdam,
    "RAdam": RAdam,
    "Adamax": Adamax,
    "Adagrad": Adagrad,
    "Adadelta": Adadelta,
    "RMSprop": RMSprop,
    "Rprop": Rprop,
    "ASGD": ASGD,
}

__all__ = [
    "ASGD",
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Setting",
    "State",
    "settings_of",
]
