"""Losses that went wrong in somebody's project, each cut down to one or two numbers.

The facts come from public reports; the code is our own. A case may deserve more findings than it asks for.
"""

from tests.core.surfaces.field.gone_wrong.by_item import BY_ITEM
from tests.core.surfaces.field.gone_wrong.cut_gradients import CUT
from tests.core.surfaces.field.gone_wrong.eighth_look import EIGHTH_LOOK
from tests.core.surfaces.field.gone_wrong.fifth_look import FIFTH_LOOK
from tests.core.surfaces.field.gone_wrong.fitting_cures import FITTING_CURES
from tests.core.surfaces.field.gone_wrong.formulas import FORMULAS
from tests.core.surfaces.field.gone_wrong.fourth_look import FOURTH_LOOK
from tests.core.surfaces.field.gone_wrong.half_precision import HALF_PRECISION
from tests.core.surfaces.field.gone_wrong.jumps import JUMPS
from tests.core.surfaces.field.gone_wrong.masked import MASKED
from tests.core.surfaces.field.gone_wrong.minima import MINIMA
from tests.core.surfaces.field.gone_wrong.no_gradient import DEAD
from tests.core.surfaces.field.gone_wrong.remedied import REMEDIED
from tests.core.surfaces.field.gone_wrong.rounding import ROUNDING
from tests.core.surfaces.field.gone_wrong.seams import SEAMS
from tests.core.surfaces.field.gone_wrong.second_look import SECOND_LOOK
from tests.core.surfaces.field.gone_wrong.seventh_look import SEVENTH_LOOK
from tests.core.surfaces.field.gone_wrong.single_precision import SINGLE_PRECISION
from tests.core.surfaces.field.gone_wrong.sixth_look import SIXTH_LOOK
from tests.core.surfaces.field.gone_wrong.spikes import SPIKES
from tests.core.surfaces.field.gone_wrong.third_look import THIRD_LOOK
from tests.core.surfaces.field.gone_wrong.tips import TIPS
from tests.core.surfaces.field.gone_wrong.told_by_cause import TOLD_BY_CAUSE
from tests.core.surfaces.field.gone_wrong.told_truly import TOLD_TRULY
from tests.core.surfaces.field.gone_wrong.undefined import UNDEFINED
from tests.core.surfaces.field.gone_wrong.unmeant_pairs import UNMEANT_PAIRS
from tests.core.surfaces.field.gone_wrong.wrong_inputs import WRONG_INPUTS

GONE_WRONG = (
    *FORMULAS, *MINIMA, *DEAD, *CUT, *JUMPS, *UNDEFINED, *TIPS, *SINGLE_PRECISION, *HALF_PRECISION, *ROUNDING, *SPIKES,
    *REMEDIED, *MASKED, *FITTING_CURES, *TOLD_TRULY, *UNMEANT_PAIRS, *SEAMS, *WRONG_INPUTS,
    *SECOND_LOOK, *BY_ITEM, *TOLD_BY_CAUSE, *THIRD_LOOK, *FOURTH_LOOK, *FIFTH_LOOK, *SIXTH_LOOK,
    *SEVENTH_LOOK, *EIGHTH_LOOK,
)  # fmt: skip
