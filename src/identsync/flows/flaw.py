"""What is wrong with a row from outside: a sentence and its values, apart, so that each reader has their language."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong: a Russian sentence with ``{name}`` places, which is translated, and what fills them."""

    sentence: str
    values: Mapping[str, str | int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the Russian sentence, filled."""
        return self.sentence.format(**self.values) if self.values else self.sentence


def dumped(flaws: Iterable[Flaw]) -> str:
    """Return flaws as the JSON that ``intake_reject.problems`` keeps: pairs of sentence and values."""
    return json.dumps([[flaw.sentence, dict(flaw.values)] for flaw in flaws], ensure_ascii=False)


def loaded(text: str) -> list[Flaw]:
    """Return the flaws of such a JSON."""
    return [Flaw(sentence, values) for sentence, values in json.loads(text)]
