"""Places that run jobs.  This release has one: this machine."""
