"""The texts that users pass to a task: lists, tuples, arrays and tensors of strings or bytes."""

from collections.abc import Iterable, Mapping

import numpy as np

from attention_zoo.errors import UserError


def strings_of(texts):
    """Texts as a list of strings.

    Args:
        texts: an iterable of strings or of UTF-8 bytes: a list, a tuple, a NumPy array, an
            eager tensor.

    Raises:
        TypeError: if it is a single string, or not an iterable.
        UserError: if one of the texts is not a string.

    Example:
        >>> strings_of(np.array([b"a", "é".encode()]))
        ['a', 'é']
    """
    texts = [_text(text, index) for index, text in enumerate(_listed(texts), start=1)]
    return [t if isinstance(t, str) else t.decode(errors="replace") for t in texts]


def rows_of(texts):
    """Texts, or pairs of them, as a list of tuples of UTF-8 bytes.

    Args:
        texts: as for `strings_of`; for inputs of several texts, an iterable of iterables,
            or an array or a tensor `(N, 2)`.

    Raises:
        TypeError: as for `strings_of`.
        UserError: as for `strings_of`.

    Example:
        >>> rows_of(["a", "b"]), rows_of(np.array([["a", "b"]]))
        ([(b'a',), (b'b',)], [(b'a', b'b')])
    """
    rows = []
    for index, row in enumerate(_listed(texts), start=1):
        is_several = isinstance(row, Iterable) and not isinstance(row, (str, bytes, Mapping))
        row = [_text(_plain(text), index) for text in (row if is_several else [row])]
        rows.append(tuple(t if isinstance(t, bytes) else t.encode() for t in row))
    return rows


def columns_of(texts, names):
    """Texts, or tuples of them, as columns of UTF-8 bytes.

    Args:
        texts: as for `rows_of`.
        names: of the columns.

    Raises:
        TypeError: as `strings_of`.
        UserError: as `strings_of`, or if an input has another number of texts.

    Example:
        >>> columns_of([("a", "b"), ("c", "d")], ("text", "pair"))
        [[b'a', b'c'], [b'b', b'd']]
    """
    rows, expected = rows_of(texts), len(names)
    for number, row in enumerate(rows, start=1):
        if len(row) != expected:
            raise UserError(
                f"each input must have {expected} text{'s' * (expected > 1)} "
                f"({', '.join(names)}), number {number} has {len(row)}: "
                f"{[text.decode(errors='replace') for text in row]}"
            )
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]


def _listed(texts):
    texts = _plain(texts)
    if isinstance(texts, (str, bytes)):
        raise TypeError("a task takes a list of strings, received a string; write task([text])")
    if isinstance(texts, Mapping) or not isinstance(texts, Iterable):
        raise TypeError(f"a task takes a list of strings, received a {type(texts).__name__}")
    return [_plain(text) for text in texts]


def _plain(value):
    """Converts tensors and arrays to Python objects; other values are returned unchanged."""
    if hasattr(value, "numpy"):
        value = value.numpy()
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _text(value, index):
    if not isinstance(value, (str, bytes)):
        raise UserError(
            f"each text must be a string, number {index} is {value!r}, a {type(value).__name__}"
        )
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"text number {index} is not valid Unicode: {error}") from error
    return value
