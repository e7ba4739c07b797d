"""How fast clustrix is, each figure beside its rival's from the same run: ``hatch run bench [NAME ...] [--json]``."""
