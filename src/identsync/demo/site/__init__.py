"""A site outside the clinic, as a process of its own: it speaks IDENT's protocol strictly and keeps its own books.

``python -m identsync.demo.site`` starts one; :class:`identsync.demo.site.process.SiteProcess` does it for tests and
the demo.
"""
