"""The classes of a map's colours: few, by shares of the cells, with bounds that can be read aloud."""

from collections.abc import Sequence
from math import floor, log10

SHARES = (0.3, 0.55, 0.75, 0.9, 0.97)
STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def breaks(values: Sequence[float], classes: int = 6) -> list[float]:
    """Give the lower bounds of all classes but the lowest, ascending, fewer where the values are few or alike."""
    known = sorted(value for value in values if value > 0)
    if not known:
        return []
    shares = SHARES[-(classes - 1) :] if classes > 1 else ()
    bounds = {_round(known[min(int(share * len(known)), len(known) - 1)]) for share in shares}
    return sorted(bound for bound in bounds if known[0] < bound <= known[-1])


def _round(value: float) -> float:
    """Round to the nearest number of few digits."""
    scale = 10.0 ** floor(log10(value))
    step = min(STEPS, key=lambda each: abs(each - value / scale))
    rounded = round(step * scale, 6)
    return int(rounded) if rounded == int(rounded) else rounded
