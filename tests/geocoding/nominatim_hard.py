"""A small town whose streets and house numbers are spelled as real maps of Russia spell them, as OSM data.

Every street has a house of every number; two villages have a street of the town's name; a quarter has no streets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from identsync.demo.clinic.ground import Point
from identsync.integrations.geocoding.place import Question

CITY, REGION, QUARTER = "Тестоград", "Тестовская область", "микрорайон Северный"
STREETS = {  # as the map has it: as the parser spells it
    "улица 8 Марта": "улица 8 Марта",
    "улица 60 лет Октября": "улица 60 лет Октября",
    "1-я Парковая улица": "улица 1-я Парковая",
    "2-я Парковая улица": "улица 2-я Парковая",
    "5-я линия В.О.": "линия 5-я В.О.",
    "набережная реки Фонтанки": "набережная реки Фонтанки",
    "Большая Садовая улица": "улица Большая Садовая",
    "Садовая улица": "улица Садовая",
    "улица Академика Павлова": "улица Академика Павлова",
    "улица 1905 года": "улица 1905 года",
    "проспект Карла Маркса": "проспект Карла Маркса",
    "улица 40-летия Победы": "улица 40-летия Победы",
    "улица Героев-Панфиловцев": "улица Героев-Панфиловцев",
    "улица 3 Интернационала": "улица 3 Интернационала",
    "проезд Энтузиастов": "проезд Энтузиастов",
    "Северный переулок": "переулок Северный",
    "Берёзовая улица": "улица Березовая",
    "улица Ленина": "улица Ленина",
    "Московское шоссе": "шоссе Московское",
    "площадь Труда": "площадь Труда",
}
HOUSES = {
    "1": "1",
    "5": "5",
    "8": "8",
    "60": "60",
    "12": "12",
    "12А": "12А",
    "5а": "5А",
    "12/3": "12/3",
    "12 к1": "12 к1",
    "12к2": "12 к2",
    "12 корпус 5": "12 к5",
    "12 к3 с1": "12 к3 с1",
    "12 с2": "12 с2",
    "14 стр. 2": "14 с2",
    "12 лит А": "12 лит А",
    "12литБ": "12 лит Б",
}
VILLAGES = {"Ивановка": (54.42, 81.25), "Красный Яр": (54.35, 81.70)}
TOWN = (54.38, 81.40, 54.62, 81.60)


@dataclass(frozen=True, slots=True)
class House:
    """A house: where it is, its tags on the map, how it is asked for."""

    point: Point
    tags: Mapping[str, str]
    question: Question


def houses() -> Iterator[House]:
    """Yield every house."""
    for at, (street, spelled) in enumerate(STREETS.items()):
        for place, (number, asked) in enumerate(HOUSES.items()):
            tags = {"addr:street": street, "addr:housenumber": number, "addr:city": CITY}
            question = Question(1, f"{CITY}, {spelled}, {asked}", "", CITY, spelled, asked)
            yield House((_latitude(at) + 0.0002, 81.452 + place * 0.004), tags, question)
    for village, (latitude, longitude) in VILLAGES.items():
        for place, number in enumerate(("1", "5", "8")):
            tags = {"addr:street": "улица Ленина", "addr:housenumber": number}
            question = Question(1, f"{village}, улица Ленина, {number}", "", village, "улица Ленина", number)
            yield House((latitude + 0.0012, longitude - 0.005 + place * 0.004), tags, question)
    for place, number in enumerate(("1", "8", "12")):
        tags = {"addr:place": QUARTER, "addr:housenumber": number, "addr:city": CITY}
        question = Question(1, f"{CITY}, {QUARTER}, {number}", "", CITY, QUARTER, number)
        yield House((54.45 + place * 0.001, 81.581), tags, question)


def osm() -> bytes:
    """Give the town as OSM XML."""
    return "".join(_Data().lines()).encode()


def _latitude(street: int) -> float:
    return 54.41 + street * 0.006


class _Data:
    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.ways: list[str] = []
        self.relations: list[str] = []

    def lines(self) -> Iterator[str]:
        self._area(REGION, 4, (53.5, 80.0, 55.5, 83.0))
        self._area(f"городской округ {CITY}", 6, (54.3, 81.2, 54.7, 81.8))
        self._area(CITY, 8, TOWN)
        self._node((54.5, 81.5), {"place": "city", "name": CITY, "population": "300000"})
        self._node((54.45, 81.58), {"place": "neighbourhood", "name": QUARTER})
        for at, street in enumerate(STREETS):
            self._street(street, (_latitude(at), 81.45), (_latitude(at), 81.56))
        for village, (latitude, longitude) in VILLAGES.items():
            self._node((latitude, longitude), {"place": "village", "name": village})
            self._street("улица Ленина", (latitude + 0.001, longitude - 0.01), (latitude + 0.001, longitude + 0.01))
        for house in houses():
            self._node(house.point, {"building": "yes", **house.tags})
        yield '<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6">\n'
        yield from (*self.nodes, *self.ways, *self.relations)
        yield "</osm>\n"

    def _street(self, name: str, *points: Point) -> None:
        self._way([self._node(point, {}) for point in points], {"highway": "residential", "name": name})

    def _area(self, name: str, level: int, box: tuple[float, float, float, float]) -> None:
        south, west, north, east = box
        corners = [self._node(p, {}) for p in ((south, west), (south, east), (north, east), (north, west))]
        way = self._way([*corners, corners[0]], {})
        kind = {"type": "boundary", "boundary": "administrative", "admin_level": str(level), "name": name}
        inside = f'<member type="way" ref="{way}" role="outer"/>{_tags(kind)}'
        self.relations.append(f'<relation id="{len(self.relations) + 1}" version="1">{inside}</relation>\n')

    def _way(self, refs: list[int], tags: Mapping[str, str]) -> int:
        number = len(self.ways) + 1
        inside = "".join(f'<nd ref="{ref}"/>' for ref in refs) + _tags(tags)
        self.ways.append(f'<way id="{number}" version="1">{inside}</way>\n')
        return number

    def _node(self, point: Point, tags: Mapping[str, str]) -> int:
        number = len(self.nodes) + 1
        where = f'id="{number}" version="1" lat="{point[0]:.6f}" lon="{point[1]:.6f}"'
        self.nodes.append(f"<node {where}>{_tags(tags)}</node>\n")
        return number


def _tags(tags: Mapping[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(name)} v={quoteattr(value)}/>" for name, value in tags.items())
