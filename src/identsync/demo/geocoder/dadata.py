"""DaData's standardisation of addresses as it answers: arrays of at most fifty, money, connections, a day's limit."""

from typing import Any

import orjson

from identsync.demo.clinic import ground
from identsync.demo.geocoder.atlas import Hit
from identsync.demo.geocoder.desk import KEY, SECRET, Answer, Desk, Request, placed

MOST = 50
CODES = {"house": 0, "near": 1, "street": 2, "town": 4}


def clean(desk: Desk, request: Request) -> Answer:
    """Answer ``/api/v1/clean/address``."""
    if (wrong := _key(request)) is not None:
        return wrong
    if request.method != "POST":
        return 405, _wrong("Method Not Allowed", "POST is needed")
    if desk.is_busy("dadata connections", desk.options.connections, 60.0) if request.is_new else False:
        return 429, _wrong("Too Many Requests", "Too many new connections per minute")
    if not request.headers.get("content-type", "").startswith("application/json"):
        return 415, _wrong("Unsupported Media Type", "application/json is needed")
    try:
        texts = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return 400, _wrong("Bad Request", "The body is no JSON")
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str) for each in texts):
        return 400, _wrong("Bad Request", "The body must be an array of texts")
    return _cleaned(desk, request, texts)


def balance(desk: Desk, request: Request) -> Answer:
    """Answer ``/api/v2/profile/balance``."""
    return _key(request) or (200, {"balance": desk.options.balance / 100})


def _cleaned(desk: Desk, request: Request, texts: list[str]) -> Answer:
    if len(texts) > MOST:
        return 413, _wrong("Payload Too Large", "At most 50 records")
    if desk.is_used_up("dadata", len(texts)):
        return 403, _wrong("Forbidden", "Feature 'CLEANING' disabled for token: the day's limit")
    cost = desk.options.price * len(texts)
    if desk.options.balance < cost:
        return 402, _wrong("Payment Required", "Insufficient funds")
    desk.options.balance -= cost
    for each in texts:
        desk.ask("dadata", each, request)
    rows = [_row(each, desk.atlas.some(each), request) for each in texts]
    if request.misdeed == "short":
        rows.pop()
    return 200, rows[1:] + rows[:1] if request.misdeed == "turned" else rows


def _row(source: str, hit: Hit | None, request: Request) -> dict[str, Any]:
    names = ("result", "postal_code", "region", "region_with_type", "city", "city_with_type", "settlement", "street")
    row: dict[str, Any] = {"source": source} | dict.fromkeys((*names, "house", "block_type", "block", "flat"))
    row |= {"geo_lat": None, "geo_lon": None, "qc_geo": 5, "qc": 1 if source else 2, "unparsed_parts": None}
    if hit is None:
        return row
    latitude, longitude = placed(request, hit)
    number, _corps, block = hit.number.partition("к")
    row |= {"region": ground.region(hit.place).removesuffix(" область"), "city": hit.place.name}
    row |= {"city_with_type": f"г {hit.place.name}", "street": hit.street or None, "house": number.upper() or None}
    row |= {"block_type": "к" if block else None, "block": block or None, "qc_geo": CODES[hit.level], "qc": 0}
    return row | {"geo_lat": str(latitude), "geo_lon": str(longitude), "result": source}


def _key(request: Request) -> Answer | None:
    token, secret = request.headers.get("authorization", ""), request.headers.get("x-secret", "")
    if not token or not secret:
        return 401, _wrong("Unauthorized", "The request has no key")
    if (token, secret) != (f"Token {KEY}", SECRET):
        return 403, _wrong("Forbidden", f"Unknown {token}")  # the real ones may well repeat what they were told
    return None


def _wrong(reason: str, words: str) -> dict[str, str]:
    return {"family": "CLIENT_ERROR", "reason": reason, "message": words}
