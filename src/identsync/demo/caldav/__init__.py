"""A calendar server outside the clinic, as a process of its own: strict CalDAV, its own books, spite by request.

``python -m identsync.demo.caldav`` starts one; :class:`identsync.demo.caldav.process.CalDavProcess` does it for tests
and the demo.
"""
