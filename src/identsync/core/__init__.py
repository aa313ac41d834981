"""What Python sees of the compiled core in ``cext/``: ``board``, ``columns``, ``payload``, ``limiter``."""
