"""Exceptions for user errors and failed results, which the command line tells from bugs."""

import difflib
import reprlib
from typing import Any

_SHOWN = 200  # characters of a value in a message


class UserError(ValueError):
    """A user error: says what is wrong, what was received, what is accepted, and where.

    The command line prints only the message and exits with status 2.
    """


class ResultError(Exception):
    """A failed result: an artefact that differs from its model, a loss that is not finite.

    The command line prints only the message and exits with status 1.
    """


def shown(value):
    """A received value for a message: its `repr`, shortened if necessary.

    Example:
        >>> shown("abc"), len(shown("a" * 10_000)) < 210
        ("'abc'", True)
    """
    short = reprlib.Repr()
    short.maxstring = short.maxother = _SHOWN
    try:
        text = short.repr(value)
    except ValueError:  # Python refuses to print integers with thousands of digits
        text = f"a number of the type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def suggest(name, accepted):
    """The end of a message about an unknown name: the nearest accepted name, then all of them.

    Example:
        >>> suggest("steps_", ["steps", "seed"])
        'did you mean "steps"? Accepted: seed, steps'
    """
    accepted = sorted(map(str, accepted))
    nearest = difflib.get_close_matches(str(name)[:_SHOWN], accepted, n=1)
    hint = f'did you mean "{nearest[0]}"? ' if nearest else ""
    return f"{hint}Accepted: {', '.join(accepted)}"


def explain(error, section, parent=""):
    """Messages for a `pydantic.ValidationError`.

    Args:
        error: the exception.
        section: the class that was validated.
        parent: the path of the section in a recipe, such as `"model"`.

    Returns:
        A list of lines, one for each field.
    """
    problems = {}
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"] if not _is_union_branch(part))
        field = ".".join(part for part in (parent, field) if part)
        problems.setdefault(field, []).append(problem)
    return [_explain_field(field, section, errors) for field, errors in problems.items()]


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
    # Each member of a union has its own message.
    wanted = " or ".join(dict.fromkeys(p["msg"].removeprefix("Input should be ") for p in problems))
    hint = ""
    if isinstance(problems[0]["input"], bool):
        hint = "; in YAML yes, no, on and off are booleans: write names in quotes"
    return f"{field}: Input should be {wanted}, received {received}{hint}"


def section_of(field: Any) -> Any:
    """The pydantic model in the type of a field, such as `Section | None`; None for values."""
    return next((m for m in _members(field.annotation) if hasattr(m, "model_fields")), None)


def _members(annotation):
    """A type, and the types that it is composed of."""
    yield annotation
    for member in getattr(annotation, "__args__", ()):
        yield from _members(member)


def _section_at(section, path):
    for name in path:
        if not (isinstance(name, int) or _is_union_branch(name)):
            section = section_of(section.model_fields[name])
    return section


def _explain_section(field, section, problem):
    names = list(section.model_fields)
    value = problem["input"]
    hint = ""
    if "peak" in names and not isinstance(value, (str, list)):
        hint = f"; to set only the rate, use {field}.peak={shown(value)}"
    return (
        f"{field}: must be a section with the keys {', '.join(names)}; "
        f"received {shown(value)}{hint}"
    )
