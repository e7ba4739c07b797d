"""What runs inside a job, and the warm parent that it is forked from.

Standard library only (cloudpickle is used where the job's Python has it), and no import from the
rest of clustrix: this package is what later backends copy to machines where clustrix is not
installed.  The rest of clustrix may import from here, never the other way round.
"""
