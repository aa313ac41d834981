"""The judge of rates: looks at every window of recorded uses, whoever recorded them."""

from collections.abc import Iterable


def excess(stamps_ms: Iterable[float], rate: float, burst: int) -> float:
    """Tell by how many uses the worst window, of whatever length, exceeds ``burst + rate * window``; <= 0 = none does.

    A window that matters begins with a use and ends with one, so all of them are judged in one pass.
    """
    worst, least = float("-inf"), float("inf")
    for i, at in enumerate(sorted(stamps_ms)):
        ahead = i - rate * at / 1000  # uses so far beyond the steady rate
        least = min(least, ahead)
        worst = max(worst, ahead + 1 - least)
    return worst - burst


def share(stamps_ms: Iterable[float], rate: float, burst: int) -> float:
    """Tell which part of the ceiling of the whole span was used."""
    stamps = list(stamps_ms)
    return len(stamps) / (burst + rate * (max(stamps) - min(stamps)) / 1000)
