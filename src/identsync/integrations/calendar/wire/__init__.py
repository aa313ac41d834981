"""The room's wires: iCalendar bytes, CalDAV, Google Calendar."""
