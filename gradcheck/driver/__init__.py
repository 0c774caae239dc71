"""The options of a check, its course, and several checks as one."""
