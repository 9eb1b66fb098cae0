"""Numbers as torch's optimizers keep them beside their tensors: in float32, whatever the parameters are."""

import ctypes
import math


def float32(value: float) -> float:
    """Round a number as a float32 tensor does; too large ones become infinite."""
    return ctypes.c_float(value).value


def over(numerator: float, denominator: float) -> float:
    """Divide as tensors do: by 0, the quotient is infinite or NaN."""
    if denominator != 0:
        return numerator / denominator
    return math.copysign(math.inf, numerator) if numerator else math.nan


def over_power(numerator: float, base: float, exponent: float) -> float:
    """Divide by a power; 0 where Python raises an error, and of a complex quotient the real part, as torch has it."""
    try:
        return complex(numerator / base**exponent).real
    except (ZeroDivisionError, OverflowError):
        return 0.0
