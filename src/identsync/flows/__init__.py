"""The ways data crosses the clinic's border: mirror (out, to look alike), intake (in, row by row), http (the door)."""
