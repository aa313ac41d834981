"""Nominatim 5 as it answers: ``/search`` by a line or by parts, never both; every word must be known."""

from typing import Any

from identsync.demo.clinic import ground
from identsync.demo.geocoder.atlas import Hit
from identsync.demo.geocoder.desk import Answer, Desk, Request, placed

PARTS = {"street", "city", "state", "county", "country", "postalcode"}
KNOWN = PARTS | {"q", "format", "addressdetails", "limit", "countrycodes", "accept-language", "layer"}


def search(desk: Desk, request: Request) -> Answer:
    """Answer ``/search``."""
    query = request.query
    if "identsync" not in request.headers.get("user-agent", ""):
        return 403, _wrong(403, "Usage policy: a User-Agent of the application is needed")
    if set(query) - KNOWN or query.get("format") != "jsonv2":
        return 400, _wrong(400, "Parameter 'format' must be one of: xml, json, jsonv2, geojson, geocodejson")
    parts = PARTS & set(query)
    if ("q" in query) == bool(parts):
        return 400, _wrong(400, "Structured query parameters can't be used together with 'q' parameter.")
    words = query["q"] if "q" in query else ", ".join(query[each] for each in sorted(parts))
    desk.ask("nominatim", words, request, **query)
    hit = desk.atlas.line(query["q"]) if "q" in query else _by_parts(desk, request)
    if hit is not None and hit.level == "near":  # the map has no such house: the street is what is left
        hit = desk.atlas.parts(hit.place, hit.street)
    return 200, [] if hit is None else [_row(hit, request)]


def status(_desk: Desk, _request: Request) -> Answer:
    """Answer ``/status``."""
    return 200, {"status": 0, "message": "OK"}


def _by_parts(desk: Desk, request: Request) -> Hit | None:
    query = request.query
    place = desk.atlas.named(query.get("city", ""))
    if place is None or query.get("state", ground.region(place)) != ground.region(place):
        return None
    words = query.get("street", "").split()
    first = next((at for at, word in enumerate(words) if word[0].isdigit()), len(words))
    return desk.atlas.parts(place, " ".join(words[:first]), " ".join(words[first:]))


def _row(hit: Hit, request: Request) -> dict[str, Any]:
    latitude, longitude = placed(request, hit)
    address = {"city": hit.place.name, "state": ground.region(hit.place), "country": "Россия", "country_code": "ru"}
    if hit.level != "town":
        address |= {"road": hit.street, "suburb": hit.district}
    if hit.number:
        address["house_number"] = hit.number.upper() if hit.number[-1].isalpha() else hit.number
    rank, kind = {"house": (30, "place"), "street": (26, "road"), "town": (16, "city")}[hit.level]
    return {
        "place_id": 1, "licence": "Data © OpenStreetMap contributors, ODbL 1.0", "osm_type": "node", "osm_id": 1,
        "lat": str(latitude), "lon": str(longitude), "category": "place", "type": "house", "place_rank": rank,
        "importance": 0.0000001, "addresstype": kind, "name": "", "display_name": ", ".join(address.values()),
        "address": address,
    }  # fmt: skip


def _wrong(code: int, words: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": words}}
