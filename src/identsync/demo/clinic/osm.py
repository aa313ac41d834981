"""The generated towns as OpenStreetMap data, for a real geocoder."""

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from identsync.demo.clinic import ground
from identsync.demo.clinic.town import Street, Town


def osm(place: Town) -> bytes:
    """Give a town as OSM XML: region, town, three districts, river, streets, houses with ``addr:*``."""
    return "".join(_Osm(place).lines()).encode()


class _Osm:
    def __init__(self, place: Town) -> None:
        self.place = place
        self.town = ground.plan(place)
        self.nodes: list[str] = []
        self.ways: list[str] = []
        self.relations: list[str] = []

    def lines(self) -> Iterator[str]:
        name, town = self.place.name, self.town
        self._area(ground.region(self.place), 4, (-60_000, -60_000, 60_000, 60_000), place="state")
        self._area(name, 6, (-9_000, -9_000, 9_000, 9_000), place="city")
        for title, box in zip(ground.DISTRICTS, self._districts(), strict=True):
            self._area(title, 9, box, place="suburb")
        self._node(town.centre, {"place": "city", "name": name, "population": "300000"})
        self._way(ground.river(self.place), {"waterway": "river", "name": "Светлая"})
        for street, points in ground.streets(self.place):
            self._way(points, {"highway": "residential", "name": ground.full(street)})
            for number in ground.numbers(self.place, street):
                self._house(street, number)
        yield '<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6" generator="identsync demo">\n'
        yield from (*self.nodes, *self.ways, *self.relations)
        yield "</osm>\n"

    def _districts(self) -> list[tuple[float, float, float, float]]:
        south = self.town.river
        return [
            (-9_000, south, ground.EAST_M, 9_000),
            (-9_000, -9_000, 9_000, south),
            (ground.EAST_M, south, 9_000, 9_000),
        ]

    def _house(self, street: Street, number: str) -> None:
        address = {
            "addr:street": ground.full(street),
            "addr:housenumber": _spelled(number),
            "addr:city": self.place.name,
        }
        self._node(ground.house(self.place, street, number), {"building": "yes"} | address)

    def _area(self, name: str, level: int, box: tuple[float, float, float, float], place: str) -> None:
        west, south, east, north = box
        corners = [(west, south), (east, south), (east, north), (west, north)]
        way = self._way([ground.degrees(self.town, corner) for corner in corners], {}, closed=True)
        tags = {
            "type": "boundary",
            "boundary": "administrative",
            "admin_level": str(level),
            "name": name,
            "place": place,
        }
        member = f'<member type="way" ref="{way}" role="outer"/>'
        self.relations.append(
            f'<relation id="{len(self.relations) + 1}" version="1">{member}{_tags(tags)}</relation>\n'
        )

    def _way(self, points: list[ground.Point], tags: dict[str, str], *, closed: bool = False) -> int:
        refs = [self._node(point, {}) for point in points]
        inside = "".join(f'<nd ref="{ref}"/>' for ref in (*refs, *refs[: 1 if closed else 0]))
        number = len(self.ways) + 1
        self.ways.append(f'<way id="{number}" version="1">{inside}{_tags(tags)}</way>\n')
        return number

    def _node(self, point: ground.Point, tags: dict[str, str]) -> int:
        number = len(self.nodes) + 1
        where = f'<node id="{number}" version="1" lat="{point[0]:.6f}" lon="{point[1]:.6f}"'
        self.nodes.append(f"{where}>{_tags(tags)}</node>\n" if tags else f"{where}/>\n")
        return number


def _spelled(number: str) -> str:
    """Spell a number as maps do: ``12 к1``, ``12А``."""
    return number.replace("к", " к") if "к" in number else number.upper()


def _tags(tags: dict[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(name)} v={quoteattr(value)}/>" for name, value in tags.items())
