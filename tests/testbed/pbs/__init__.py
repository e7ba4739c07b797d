"""A stand-in for PBS, which no registry has: it really runs jobs, and answers as an OpenPBS 23.06 has been heard to answer."""
