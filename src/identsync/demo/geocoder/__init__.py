"""Four geocoders of the street outside, strict, on one port: they know the generated towns, in proper spelling only."""
