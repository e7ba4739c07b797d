"""Jobs that show themselves.  Nothing of it is imported before one is displayed."""
