"""Windows only: a session's end, the service control manager, the service's process. Imported on Windows alone."""
