"""The brake: a read that failed never deletes.

What a stream would lose is weighed before anything is sent. Where it shrinks too much at once the whole stream waits
for a person (``approve``), or a part of it does that the room can let stand still alone.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from identsync import errors
from identsync.flows.mirror_book import Book, Weight, is_part, of_part, save_weights
from identsync.flows.writing import Rest, written

if TYPE_CHECKING:
    from identsync.engine.run import Run


@dataclass(frozen=True, slots=True)
class Brake:
    """Stop where a weight falls to nothing, or by more than ``share`` of the last one (if that was above ``floor``)."""

    share: float = 0.3
    floor: int = 0

    def stops(self, weight: Weight, now: int) -> bool:
        """Say whether ``now`` is a suspicious fall from what was last accepted and nobody has allowed it."""
        before = weight.accepted
        suspicious = before > 0 and (now == 0 or (before > self.floor and now < before * (1 - self.share)))
        return suspicious and not (weight.approved is not None and now >= weight.approved)


async def weigh(
    run: "Run", book: Book, weights: Mapping[str, int], brake: Brake | Mapping[str, Brake], rest: Rest
) -> None:
    """Accept the weights, or write down what waits for a person and stop."""
    stopped: list[errors.SuspiciousChange] = []
    new: dict[str, Weight] = {}
    for name, now in weights.items():
        old = book.weights.get(name, Weight(0))
        if (brake if isinstance(brake, Brake) else brake.get(name, Brake())).stops(old, now):
            stopped.append(errors.SuspiciousChange(old.accepted, now))
            new[name] = replace(old, asked=now, approved=None)
        else:
            new[name] = Weight(now)
    if stopped:  # nothing is accepted while one of them waits, and what a person allowed stays allowed
        new = {name: new[name] if new[name].asked is not None else _kept(book, name) for name in new}
    unnamed = {name for name in book.weights.keys() - new.keys() if name and not is_part(name)}
    await _put_weights(run, book, new, set() if stopped else unnamed, rest)
    if stopped:
        raise stopped[0]


async def held_back(
    run: "Run", book: Book, parts: Mapping[str, tuple[int, int]], brake: Brake, *, willed: bool = False
) -> set[str]:
    """Return which parts of a stream wait for a person: what is there of them would shrink suspiciously.

    A part comes with what is there now and what is wanted; it is the room that lets it stand still until a person has
    allowed it (``approve``) or it is whole again. ``willed``: a person has chosen less in the settings.
    """
    new: dict[str, Weight] = {}
    for name, (there, wanted) in parts.items():
        known = replace(book.weights.get(of_part(name), Weight(there)), accepted=there)
        if not brake.stops(replace(known, approved=None), wanted):
            continue
        if not brake.stops(known, wanted):
            new[name] = known  # allowed, and not done yet
        else:
            new[name] = Weight(there, wanted, wanted if willed else None)
    named = {of_part(name): weight for name, weight in new.items()}
    dropped = {name for name in book.weights if is_part(name) and name not in named}
    await _put_weights(run, book, named, dropped)
    return {name for name, weight in new.items() if weight.approved is None}


async def _put_weights(
    run: "Run", book: Book, new: Mapping[str, Weight], dropped: set[str], rest: Rest = asyncio.sleep
) -> None:
    """Write down the weights that are others than before, and forget those that are dropped."""
    changed = {name: weight for name, weight in new.items() if book.weights.get(name) != weight}
    if changed or dropped:
        await written(run, lambda connection: save_weights(connection, book, changed, dropped, run.now_ms()), rest=rest)


def _kept(book: Book, name: str) -> Weight:
    return replace(book.weights.get(name, Weight(0)), asked=None)
