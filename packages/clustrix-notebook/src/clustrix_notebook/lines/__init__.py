"""``%clustrix``: what is set, what runs, and the commands of the shell."""
