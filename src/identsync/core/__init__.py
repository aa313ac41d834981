"""What Python sees of the compiled core in ``cext/``: one stub a module."""
