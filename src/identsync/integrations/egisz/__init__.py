"""Room egisz: cases of service to ЕГИСЗ through N3.Health."""
