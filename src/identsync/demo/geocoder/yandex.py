"""Yandex Geocoder v1 as it answers: one address a request, the key in the query, a day's limit."""

from typing import Any

from identsync.demo.geocoder.atlas import Hit, components
from identsync.demo.geocoder.desk import KEY, Answer, Desk, Request, placed

KNOWN = {"apikey", "geocode", "lang", "format", "results", "kind", "rspn", "ll", "spn", "bbox"}
PRECISIONS = {"house": "exact", "near": "number", "street": "street", "town": "other"}
KINDS = {"house": "house", "near": "house", "street": "street", "town": "locality"}


def geocode(desk: Desk, request: Request) -> Answer:
    """Answer ``/v1``."""
    query = request.query
    if query.get("apikey") != KEY:
        return 403, _wrong(403, "Forbidden", f"Invalid api key {query.get('apikey', '')}".strip())
    if not query.get("geocode") or set(query) - KNOWN or query.get("format") != "json":
        return 400, _wrong(400, "Bad Request", "One of the parameters is missing or unknown")
    if desk.is_used_up("yandex"):
        return 429, _wrong(429, "Too Many Requests", "Limit is exceeded")
    desk.ask("yandex", query["geocode"], request, **{name: value for name, value in query.items() if name != "apikey"})
    hit = desk.atlas.some(query["geocode"])
    found = [] if hit is None else [{"GeoObject": _object(hit, request)}]
    meta = {"request": query["geocode"], "found": str(len(found)), "results": query.get("results", "10")}
    collection = {"metaDataProperty": {"GeocoderResponseMetaData": meta}, "featureMember": found}
    return 200, {"response": {"GeoObjectCollection": collection}}


def _object(hit: Hit, request: Request) -> dict[str, Any]:
    latitude, longitude = placed(request, hit)
    parts = list(components(hit))
    text = ", ".join(name for _kind, name in parts)
    address = {
        "country_code": "RU", "formatted": text, "Components": [{"kind": kind, "name": name} for kind, name in parts],
    }  # fmt: skip
    meta = {"precision": PRECISIONS[hit.level], "kind": KINDS[hit.level], "text": text, "Address": address}
    return {
        "metaDataProperty": {"GeocoderMetaData": meta}, "name": hit.street, "description": hit.place.name,
        "Point": {"pos": f"{longitude} {latitude}"},
    }  # fmt: skip


def _wrong(code: int, error: str, words: str) -> dict[str, Any]:
    return {"statusCode": code, "error": error, "message": words}
