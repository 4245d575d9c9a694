"""Examples that know where they were read, and what their fields may hold."""

import contextlib
import math
import re

from attention_zoo.errors import UserError

_BEYOND_FLOAT32 = 2.0**128
SEPARATOR = ","  # between the labels of one example

# What fields hold, where it is not text.
LABEL = "label"  # one value: a list is an error
LABELS = "labels"  # any number of them, with `SEPARATOR` between
WORDS = "words"  # words or tags of which each has its counterpart in another field
ANSWERS = "answers"  # JSON: a list of objects that say where in another field they begin


class Example(tuple):
    """A tuple of strings, and where it was read.

    Args:
        values: the strings.
        path: of the file; None if it was read nowhere.
        spot: the number of the line, or what else says where in the file.

    Example:
        >>> example = Example(["a", "b"], "pairs.tsv", 3)
        >>> example == ("a", "b"), example.place
        (True, 'pairs.tsv, line 3')
    """

    def __new__(cls, values, path=None, spot=None):
        """See the class."""
        example = super().__new__(cls, values)
        example.path, example.spot = path, spot
        return example

    @property
    def place(self):
        """File and line, for messages; None if it was read nowhere."""
        return None if self.path is None else place(self.path, self.spot)


def place(path, spot):
    """File and line, or file and what else says where."""
    return f"{path}, line {spot}" if isinstance(spot, int) else f"{path}, {spot}"


@contextlib.contextmanager
def located(example):
    """Puts the place of an example, if it has one, before what is wrong with it."""
    try:
        yield
    except UserError as error:
        where = getattr(example, "place", None)
        if where is None:
            raise
        raise UserError(f"{where}: {error}") from error


def read_number(example, name):
    """The number in the last field of an example.

    Args:
        example: a tuple of strings.
        name: what it is, for the message.

    Raises:
        UserError: naming the place, if it is none, or one that is not finite in float32.

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
            raise UserError(f"a number is needed as {name}, received {example[-1]!r}")
    return number


def make_example(values, fields, holds, path, spot):
    """One example in a list, or none where all fields are empty.

    Args:
        values: strings, one a field.
        fields: their names.
        holds: see `attention_zoo.text.readers.read_examples`.
        path: of the file.
        spot: see `Example`.

    Raises:
        UserError: naming the place, if a field is empty that must not be, or is no text.
    """
    # Answers say where in a text they begin, so it stays as it is.
    if ANSWERS not in holds.values():
        values = [value.strip() for value in values]
    if not any(value.strip() for value in values):
        return []
    for field, value in zip(fields, values, strict=True):
        if not value.strip() and holds.get(field) != LABELS:
            raise UserError(f'{place(path, spot)}: "{field}" is empty while another field is not')
    try:
        "".join(values).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{place(path, spot)}: half a surrogate pair, which no text can hold"
        ) from error
    return [Example(values, path, spot)]


def as_word(text):
    """A word that may have spaces in it, as one between spaces.

    As in CoNLL-X, underscores stand for them.

    Example:
        >>> as_word("New York")
        'New_York'
    """
    return re.sub(r"\s+", "_", text) or "_"


def split_labels(text):
    """The labels of an example that may have several.

    Example:
        >>> split_labels("net, web")
        ['net', 'web']
    """
    return [name.strip() for name in text.split(SEPARATOR) if name.strip()]
