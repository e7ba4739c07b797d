"""What a map has come to until now: its records, failures by kind, arguments, and all that as tables."""
