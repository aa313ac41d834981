"""Russian addresses as registrars type them: their parts, and one spelling and key of the building."""

from typing import Final, final

VERSION: Final[int]
"""Of the parser: raised whenever an address may be read otherwise than before; belongs into digests."""

LONGEST: Final[int]
"""Characters of an address that are read; what is behind them is not."""

@final
class Address:
    """The parts of an address, each as it is written in full; what the text has not is an empty string.

    Made by parse() and Register.address(). Equal where all parts are. Its repr tells only key and confidence.
    """

    def __new__(
        cls,
        *,
        index: str = "",
        region: str = "",
        district: str = "",
        city: str = "",
        place: str = "",
        street_kind: str = "",
        street: str = "",
        house: str = "",
        flat: str = "",
        confidence: int = 0,
        key: int = 0,
        text: str = "",
    ) -> Address: ...
    @property
    def index(self) -> str:
        """The postal index: six digits."""
    @property
    def region(self) -> str:
        """Новосибирская область, Республика Татарстан."""
    @property
    def district(self) -> str:
        """Ленинский район, Одинцовский округ."""
    @property
    def city(self) -> str:
        """The town without its word: the one named, else the default one."""
    @property
    def place(self) -> str:
        """A village or a part of a town, with its word: село Завьялово, микрорайон Северный, СНТ Ромашка."""
    @property
    def street_kind(self) -> str:
        """The street's word in full: улица, проспект; улица where none is told and the name allows it."""
    @property
    def street(self) -> str:
        """The street's name: Садовая, 1-я Парковая, 60 лет Октября."""
    @property
    def house(self) -> str:
        """12, 12А, 12/3, 12 к1, 12 с2, 12 лит А."""
    @property
    def flat(self) -> str:
        """The flat's number."""
    @property
    def confidence(self) -> int:
        """How sure the reading is: 0 (nothing) to 100; under 50 there is no house, 20 is a town alone."""
    @property
    def key(self) -> int:
        """The upper 63 bits of XXH64 of the text in lower letters with е for ё, in UTF-8; 0 = nothing to ask for."""
    @property
    def text(self) -> str:
        """The building for a geocoder, without index and flat: "Тестоград, улица Садовая, 12 к1"."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def parse(text: str, city: str = "") -> Address:
    """Read an address of any form; ``city`` is where it is when it does not say.

    Never raises on a str; TypeError for what is none. The city of the text is put before the default one; a region is
    part of the key only where the town is named and is not the default one, a village's district where there is no
    town. The text has letters, digits and " ,-./" only.
    """
