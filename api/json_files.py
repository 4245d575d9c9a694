"""Reads JSON files, which may be untrusted and are validated, and writes strict JSON."""

import json
import math

import pydantic
from pydantic_core import from_json

from attention_zoo.errors import UserError, shown
from attention_zoo.files import read_file


class Content(pydantic.BaseModel):
    """The schema of a JSON file, as typed fields; other keys are ignored.

    Types are strict: strings are not converted to numbers, nor numbers to booleans. Infinite
    numbers and NaN are rejected.
    """

    model_config = pydantic.ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


def parse_json(path):
    """Reads the content of a JSON file.

    Raises:
        UserError: if it is missing or not JSON.
    """
    content = read_file(path)
    try:
        # This parser requires UTF-8, limits nesting, and rejects NaN.
        return from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise UserError(f"{path} is damaged, or not JSON: {error}") from error


def read_json(path, schema=None):
    """Reads a JSON file that contains an object.

    Args:
        path: the file.
        schema: a `Content` to validate it with.

    Returns:
        The object as a dict, unchanged.

    Raises:
        UserError: if the file is missing, not JSON, or has other content.
    """
    content = parse_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: a JSON object is needed, received {shown(content)}")
    if schema is not None:
        check_content(content, schema, path)
    return content


def check_content(content, schema, origin):
    """Checks an object against a schema.

    Args:
        content: a dict.
        schema: a `Content`.
        origin: where the object comes from, for error messages.

    Returns:
        The content as an instance of the schema, defaults filled in.

    Raises:
        UserError: naming the first field that is missing or invalid.

    Example:
        >>> class Size(Content):
        ...     width: int
        >>> check_content({"width": "8"}, Size, "size.json")
        Traceback (most recent call last):
        attention_zoo.errors.UserError: size.json: width: Input should be a valid integer, \
received '8'
    """
    try:
        return schema.model_validate(content)
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "missing":
            raise UserError(f"{origin} lacks {field}") from error
        message = problem["msg"].removeprefix("Value error, ")
        raise UserError(
            f"{origin}: {field}: {message}, received {shown(problem['input'])}"
        ) from error


def json_text(content, **options):
    """Content as JSON. NaN and infinite numbers, which JSON does not support, become null.

    Args:
        content: dicts, lists, strings, numbers.
        **options: options of `json.dumps`.

    Example:
        >>> json_text({"spearman": float("nan"), "accuracy": 1.0})
        '{"spearman": null, "accuracy": 1.0}'
    """
    try:
        return json.dumps(content, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(content), allow_nan=False, **options)


def _finite(content):
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
