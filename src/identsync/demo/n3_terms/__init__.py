"""A stand-in of N3's terminology service with small books of its own: ``python -m identsync.demo.n3_terms``."""
