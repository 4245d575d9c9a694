"""JSON and Parquet values as the strings of examples."""

import json
import math
from decimal import Decimal
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.text.examples import ANSWERS, LABEL, LABELS, SEPARATOR, WORDS, as_word

_SCALAR = "text, a number, true or false"
_ACCEPTED = {
    LABEL: _SCALAR,
    LABELS: f"{_SCALAR}, or a list of these",
    WORDS: "words separated by spaces, or a list of words",
    ANSWERS: 'a list of {"text": ..., "answer_start": ...}',
    None: f"{_SCALAR}, a list of these, or a list of answers",
}
_OF_ANSWERS = {"text", "answer_start"}
_NAMES = {dict: "an object", list: "a list", type(None): "null"}


def load_json(text: str) -> Any:
    """Parses JSON.

    Raises:
        UserError: if it is invalid or too deeply nested.

    Example:
        >>> load_json('{"a": 1}')
        {'a': 1}
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UserError("the JSON is nested too deeply") from error
    except ValueError as error:
        raise UserError(f"not JSON: {error}") from error


def as_text(value: Any, holds: str | None = None) -> str:
    """A JSON value as the string of a field.

    Args:
        value: the value.
        holds: what the field contains, see `attention_zoo.text.readers.read_examples`.

    Raises:
        UserError: beginning with "is", if the field cannot contain the value.

    Example:
        >>> as_text(["B-PER", "O"], "words"), as_text(["net", "web"], "labels"), as_text(True)
        ('B-PER O', 'net,web', 'true')
    """
    try:
        if holds == ANSWERS or (holds is None and is_answers(value)):
            return _answers(value)
        return _list(value, holds) if isinstance(value, list) else _scalar(value)
    except UserError as error:
        raise UserError(f"{error}; accepted: {_ACCEPTED[holds]}") from error


def is_answers(value: object) -> bool:
    """Whether a value is a list of objects, or the same transposed: an object of lists."""
    if isinstance(value, dict):
        columns = value.values()
        return value.keys() >= _OF_ANSWERS and all(isinstance(c, list) for c in columns)
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        if not math.isfinite(value):
            raise UserError(f"is {value}, which is not finite")
        return str(value)
    raise UserError(f"is {_name(value)}")


def _name(value: object) -> str:
    return _NAMES.get(type(value), f"of the type {type(value).__name__}")


def _list(values: list[Any], holds: str | None) -> str:
    try:
        items = [_scalar(value) for value in values]
    except UserError as error:
        raise UserError(f"is a list with an item that {error}") from error
    if holds == LABEL:
        if len(items) != 1:
            raise UserError(f"is a list of {len(items)}, but must be one label")
        return items[0]
    if holds == LABELS:
        invalid = [item for item in items if SEPARATOR in item or not item.strip()]
        if invalid:
            raise UserError(
                f"is a list with the label {invalid[0]!r}: a label must not be empty or contain "
                f"commas, which separate labels"
            )
        return SEPARATOR.join(items)
    return " ".join(map(as_word, items) if holds == WORDS else items)


def _answers(value: Any) -> str:
    """Answers as JSON, from a list of objects or, as in Hugging Face's data, an object of lists."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and is_answers(value):
        if len({len(column) for column in value.values()}) > 1:
            raise UserError("is an object of lists of different lengths")
        rows = zip(*value.values(), strict=True)
        value = [dict(zip(value, row, strict=True)) for row in rows]
    if not is_answers(value):
        raise UserError(f"is {_name(value)}" + " of other values" * isinstance(value, list))
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"is not a list of answers: {error}") from error
