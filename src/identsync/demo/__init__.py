"""A whole network of clinics and the street outside it, on one computer: ``identsync demo``."""
