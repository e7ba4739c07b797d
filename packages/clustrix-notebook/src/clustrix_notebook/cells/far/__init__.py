"""What runs in the job of a cell.  Its sources travel with the job: it has the standard library, and what clustrix's runner has."""
