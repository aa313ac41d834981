"""N3.Health of the street outside, strict: two SOAP services that refuse what is known to be refused."""
