"""The web page for people: served by the client itself, on its own computer, in Russian and English."""
