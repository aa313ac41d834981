"""MKCALENDAR and extended MKCOL (RFC 4791, 5.3.1; RFC 5689)."""

from identsync.demo.caldav.answers import Refusal, Reply
from identsync.demo.caldav.house import House, Request, question
from identsync.integrations.calendar.wire.dav import APPLE, CALDAV, DAV


def make(house: House, request: Request) -> Reply:
    """Make a calendar in the user's home: 405 where there is one already."""
    root = question(request)
    parts = request.parts
    in_trash = house.options.trashbin and tuple(parts[1:]) in house.shelves.dropped
    if house.shelf(request) is not None or in_trash:
        raise Refusal(405, why="there is one already")
    if not house.options.creating:
        raise Refusal(403, "D:need-privileges", "calendars are not made here")
    if request.verb == "MKCALENDAR" and not house.options.mkcalendar:
        raise Refusal(501, why="MKCALENDAR is not known")
    properties = root.find(f"{DAV}set/{DAV}prop")
    kind = None if properties is None else properties.find(f"{DAV}resourcetype/{CALDAV}calendar")
    if properties is None or (request.verb == "MKCOL" and kind is None):
        raise Refusal(403, "D:valid-resourcetype", "only calendars are made here")
    if len(parts) != 3 or parts[0] != "calendars":
        raise Refusal(403, "C:calendar-collection-location-ok")
    name, colour = properties.findtext(f"{DAV}displayname") or "", properties.findtext(f"{APPLE}calendar-color") or ""
    house.shelves.make(request.user, parts[2], name, colour)
    return Reply(201)
