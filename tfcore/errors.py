"""Mistakes that a user can mend."""


class UserError(Exception):
    """One sentence that names the file or setting at fault and says what to do.

    Command lines print it and exit with 2; CellProfiler modules show it as it is.
    """
