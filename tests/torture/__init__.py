"""Attacks that can go on for as long as one likes; each has a share in the tests: ``hatch run torture``, ``hatch run cuts``."""
