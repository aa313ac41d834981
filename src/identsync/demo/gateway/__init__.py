"""Five SMS gateways of the street outside, strict, on one port: what the real ones refuse is refused here."""
