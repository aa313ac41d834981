"""Cloud PBXs of the street outside, strict, on one port: one file each, what the real ones refuse is refused here.

A provider is a module of this package with ``ROUTES``: "POST /mango/commands/callback" -> a function of the desk and
the request; the path is a regular expression, its groups are ``Asked.parts``. Nothing else has to know of it.
"""
