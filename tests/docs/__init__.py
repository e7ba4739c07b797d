"""What the documentation shows: every block of code runs, every name is there, and no table lacks a row."""
