"""Published architectures: none may be blamed."""

from tests.core.layers.field.others import OTHERS
from tests.core.layers.field.transformers import TRANSFORMERS
from tests.core.layers.field.vision import VISION

SOUND = (*VISION, *TRANSFORMERS, *OTHERS)
