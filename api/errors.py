"""The one exception for mistakes of the user, so that the command line can tell them from bugs."""

import difflib


class UserError(ValueError):
    """A mistake of the user: says what is wrong, what was received, what is accepted, and where.

    The command line prints the message alone and exits with status 2.
    """


class ResultError(Exception):
    """A result that fails: an artefact that differs from its model, a loss that is not a number.

    The command line prints the message alone and exits with status 1.
    """


def suggest(name, accepted):
    """Ends a message about an unknown name: the nearest accepted one, then all of them.

    Example:
        >>> suggest("steps_", ["steps", "seed"])
        'did you mean "steps"? Accepted: seed, steps'
    """
    accepted = sorted(accepted)
    nearest = difflib.get_close_matches(name, accepted, n=1)
    hint = f'did you mean "{nearest[0]}"? ' if nearest else ""
    return f"{hint}Accepted: {', '.join(accepted)}"
