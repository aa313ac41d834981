"""A PBX of the demo: the manager interface of an Asterisk 20, with phones, people who call, and a back door."""
