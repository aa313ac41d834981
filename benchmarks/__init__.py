"""Benchmarks: our path, the best alternative a user could pick, and the physical floor, side by side in one run."""
