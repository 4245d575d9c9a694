"""Examples that know where they were read, and what their fields may contain."""

import contextlib
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from attention_zoo.errors import UserError

_BEYOND_FLOAT32 = 2.0**128
SEPARATOR = ","  # between the labels of one example

# What fields contain, if not plain text.
LABEL = "label"  # one value: a list is an error
LABELS = "labels"  # any number of labels, separated by `SEPARATOR`
WORDS = "words"  # words or tags, each of which corresponds to one in another field
ANSWERS = "answers"  # JSON: a list of objects that say where in another field they begin

FilePath = str | os.PathLike[str]
Field = str | int  # the name of a column, or its number from 1
Files = FilePath | Sequence[FilePath] | Mapping[Any, FilePath]  # see `read_examples`
Holds = Mapping[Field, str]  # what fields contain: one of the four above


class Example(tuple[str, ...]):
    """A tuple of strings, and where it was read.

    Args:
        values: the strings.
        path: the file; None if the example was not read from one.
        position: the line number, or a description such as `"row 3"`.

    Example:
        >>> example = Example(["a", "b"], "pairs.tsv", 3)
        >>> example == ("a", "b"), example.location
        (True, 'pairs.tsv, line 3')
    """

    path: FilePath | None
    position: int | str | None

    def __new__(
        cls,
        values: Iterable[str],
        path: FilePath | None = None,
        position: int | str | None = None,
    ) -> Self:
        """See the class."""
        example = super().__new__(cls, values)
        example.path, example.position = path, position
        return example

    @property
    def location(self) -> str | None:
        """File and line, for messages; None if the example was not read from a file."""
        return None if self.path is None else location(self.path, self.position)


def location(path: FilePath, position: int | str | None) -> str:
    """A location for messages: file and line, or file and description."""
    return f"{path}, line {position}" if isinstance(position, int) else f"{path}, {position}"


@contextlib.contextmanager
def located(example: Sequence[str]) -> Iterator[None]:
    """Prefixes errors with the location of an example, if it has one."""
    try:
        yield
    except UserError as error:
        where = getattr(example, "location", None)
        if where is None:
            raise
        raise UserError(f"{where}: {error}") from error


def read_number(example: Sequence[str], name: str) -> float:
    """The number in the last field of an example.

    Args:
        example: a tuple of strings.
        name: what the number is, for the message.

    Raises:
        UserError: naming the location, if it is not a number, or not finite in float32.

    Example:
        >>> read_number(("a text", "0.5"), "score")
        0.5
    """
    try:
        number = float(example[-1])
    except ValueError:
        number = math.nan
    if not abs(number) < _BEYOND_FLOAT32:
        with located(example):
            raise UserError(f"{name} must be a number, received {example[-1]!r}")
    return number


def make_example(
    values: Sequence[str],
    fields: Sequence[Field],
    holds: Holds,
    path: FilePath,
    position: int | str,
) -> list[Example]:
    """A list of one example, or an empty list if all fields are empty.

    Args:
        values: one string per field.
        fields: the names of the fields.
        holds: see `attention_zoo.text.readers.read_examples`.
        path: the file.
        position: see `Example`.

    Raises:
        UserError: naming the location, if a required field is empty, or is not valid text.
    """
    # Answers are offsets into a text, which must not be stripped then.
    if ANSWERS not in holds.values():
        values = [value.strip() for value in values]
    if not any(value.strip() for value in values):
        return []
    for field, value in zip(fields, values, strict=True):
        if not value.strip() and holds.get(field) != LABELS:
            raise UserError(
                f'{location(path, position)}: "{field}" is empty but other fields are not'
            )
    try:
        "".join(values).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{location(path, position)}: not valid text: it contains an unpaired surrogate"
        ) from error
    return [Example(values, path, position)]


def as_word(text: str) -> str:
    """A word without spaces: underscores replace them, as in CoNLL-X.

    Example:
        >>> as_word("New York")
        'New_York'
    """
    return re.sub(r"\s+", "_", text) or "_"


def split_labels(text: str) -> list[str]:
    """The labels in a field that may contain several.

    Example:
        >>> split_labels("net, web")
        ['net', 'web']
    """
    return [name.strip() for name in text.split(SEPARATOR) if name.strip()]
