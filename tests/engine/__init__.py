"""The engine under test."""
