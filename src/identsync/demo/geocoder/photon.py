"""Photon 1 as it answers: GeoJSON, ``/structured`` where it is built in; an unknown street is taken for another one."""

from typing import Any

from identsync.demo.clinic import ground
from identsync.demo.geocoder.atlas import Hit
from identsync.demo.geocoder.desk import Answer, Desk, Request, placed

PARTS = {"countrycode", "state", "county", "city", "postcode", "district", "housenumber", "street"}
USUAL = {"limit", "layer", "lang", "lat", "lon", "bbox", "countrycode"}


def search(desk: Desk, request: Request) -> Answer:
    """Answer ``/api``."""
    query = request.query
    if unknown := set(query) - USUAL - {"q"}:
        return 400, {"message": f"unknown query parameter '{min(unknown)}'"}
    if not query.get("q"):
        return 400, {"message": "missing search term 'q'"}
    desk.ask("photon", query["q"], request, **query)
    return _told(desk.atlas.line(query["q"]), request)


def structured(desk: Desk, request: Request) -> Answer:
    """Answer ``/structured``."""
    query = request.query
    if not desk.options.structured:
        return 404, {"message": "Endpoint GET /structured not found"}
    if unknown := set(query) - USUAL - PARTS:
        return 400, {"message": f"unknown query parameter '{min(unknown)}'"}
    desk.ask("photon", ", ".join(query.get(each, "") for each in ("city", "street", "housenumber")), request, **query)
    place = desk.atlas.named(query.get("city", ""))
    street, number = query.get("street", ""), query.get("housenumber", "")
    hit = desk.atlas.parts(place, street, number)
    if hit is None and place is not None and desk.options.guessing:
        hit = desk.atlas.other(place, street, number)
    return _told(hit, request)


def _told(hit: Hit | None, request: Request) -> Answer:
    return 200, {"type": "FeatureCollection", "features": [] if hit is None else [_feature(hit, request)]}


def _feature(hit: Hit, request: Request) -> dict[str, Any]:
    latitude, longitude = placed(request, hit)
    place = {"state": ground.region(hit.place), "country": "Россия", "countrycode": "RU", "osm_type": "N", "osm_id": 1}
    kind = {"near": "house", "town": "city"}.get(hit.level, hit.level)
    place |= {"type": kind, "osm_key": "place", "osm_value": kind}
    if hit.level == "town":
        place["name"] = hit.place.name
    else:
        place |= {"city": hit.place.name, "district": hit.district}
        place |= {"street": hit.street, "housenumber": _spelled(hit.number)} if hit.number else {"name": hit.street}
    point = {"type": "Point", "coordinates": [longitude, latitude]}
    return {"type": "Feature", "geometry": point, "properties": place}


def _spelled(number: str) -> str:
    return number.replace("к", " к") if "к" in number else number.upper()
