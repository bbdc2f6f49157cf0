"""The errors that reach a person: what happened, to which thing, what to do next."""


class HooklineError(Exception):
    """An error that a person can fix; its text is for them, and the command ends with `exit_code`."""

    exit_code = 1


class ConfigurationError(HooklineError):
    """The environment, a file or an argument is wrong; the text names the place."""

    exit_code = 2
