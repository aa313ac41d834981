"""What N3.Health says on the wire."""
