"""``%%cluster``: a cell that runs as a job."""
