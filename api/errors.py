"""The one exception for mistakes of the user, so that the command line can tell them from bugs."""

import difflib
import reprlib
from typing import Any

_SHOWN = 200  # characters of a value in a message


class UserError(ValueError):
    """A mistake of the user: says what is wrong, what was received, what is accepted, and where.

    The command line prints the message alone and exits with status 2.
    """


class ResultError(Exception):
    """A result that fails: an artefact that differs from its model, a loss that is not a number.

    The command line prints the message alone and exits with status 1.
    """


def shown(value):
    """A value that was received, for a message: as Python writes it, but never long.

    Example:
        >>> shown("abc"), len(shown("a" * 10_000)) < 210
        ("'abc'", True)
    """
    short = reprlib.Repr()
    short.maxstring = short.maxother = _SHOWN
    try:
        text = short.repr(value)
    except ValueError:  # Python writes no integer of thousands of digits
        text = f"a number of the type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def suggest(name, accepted):
    """Ends a message about an unknown name: the nearest accepted one, then all of them.

    Example:
        >>> suggest("steps_", ["steps", "seed"])
        'did you mean "steps"? Accepted: seed, steps'
    """
    accepted = sorted(map(str, accepted))
    nearest = difflib.get_close_matches(str(name)[:_SHOWN], accepted, n=1)
    hint = f'did you mean "{nearest[0]}"? ' if nearest else ""
    return f"{hint}Accepted: {', '.join(accepted)}"


def explain(error, section, place=""):
    """What a `pydantic.ValidationError` says, in our words.

    Args:
        error: the exception.
        section: the class of which an instance was to be made.
        place: where in a recipe the section stands, such as `"model"`.

    Returns:
        A list of lines, one for each field.
    """
    problems = {}
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"] if not _is_union_branch(part))
        field = ".".join(part for part in (place, field) if part)
        problems.setdefault(field, []).append(problem)
    return [_explain_field(field, section, found) for field, found in problems.items()]


def _is_union_branch(part):
    return isinstance(part, str) and (
        part in ("str", "int") or "[" in part or "constrained" in part
    )


def _explain_field(field, section, problems):
    kind, received = problems[0]["type"], shown(problems[0]["input"])
    if kind == "extra_forbidden":
        *outer, last = problems[0]["loc"]
        accepted = _section_at(section, outer).model_fields
        hint = suggest(last, accepted) if accepted else "this section has no keys"
        return f'unknown key "{field}"; {hint}'
    if kind == "missing":
        return f'the key "{field}" is missing'
    if kind == "value_error":
        message = problems[0]["msg"].removeprefix("Value error, ")
        return f"{field}: {message}" if field else message
    if kind in ("model_type", "model_attributes_type"):
        return _explain_section(field, _section_at(section, problems[0]["loc"]), problems[0])
    # Of a union each member has something to say.
    wanted = " or ".join(dict.fromkeys(p["msg"].removeprefix("Input should be ") for p in problems))
    hint = ""
    if isinstance(problems[0]["input"], bool):
        hint = "; YAML reads yes and on, no and off as that: write a name in quotes"
    return f"{field}: Input should be {wanted}, received {received}{hint}"


def section_of(field: Any) -> Any:
    """The pydantic model that a field holds, as of `Section | None`; None if it is a value."""
    members = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return next((member for member in members if hasattr(member, "model_fields")), None)


def _section_at(section, path):
    for name in path:
        section = section_of(section.model_fields[name])
    return section


def _explain_section(field, section, problem):
    names = list(section.model_fields)
    value = problem["input"]
    hint = ""
    if "peak" in names and not isinstance(value, (str, list)):
        hint = f"; for the rate alone say {field}.peak={shown(value)}"
    return (
        f"{field}: it is a section with the keys {', '.join(names)}; received {shown(value)}{hint}"
    )
