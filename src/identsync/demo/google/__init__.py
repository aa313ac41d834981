"""Google beside the clinic, as a process of its own: Calendar v3 and OAuth, strict, with books of its own.

``python -m identsync.demo.google`` starts one; :class:`identsync.demo.google.process.GoogleProcess` does it for tests
and the demo. What is real about it stands in facts/calendar.md (A8) and in Google's reference; where Google's own
behaviour is not documented, the stricter reading is taken. All its texts are English: they are another company's.
"""
