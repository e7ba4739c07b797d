"""Jobs on this machine: real processes, counted cores and memory, limits that hold."""
