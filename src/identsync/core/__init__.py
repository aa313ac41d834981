"""What Python sees of the compiled core in ``cext/``: ``board``, ``columns``, ``events``, ``payload``, ``limiter``, ``texts``."""
