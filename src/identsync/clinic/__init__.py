"""What the clinic is: the contract its database must keep, and the source that reads it."""
