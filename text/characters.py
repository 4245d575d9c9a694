"""The characters of texts in the graph, their classes, and the words between white space."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.text.rows import ragged_rows

_CLASSES_FILE = Path(__file__).with_name("character_classes.tsv")
LETTER, NUMBER, SPACE, OTHER = range(4)
_CLASSES = "LNSO"  # in the file
# The characters with Unicode's property White_Space.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


@dataclasses.dataclass(frozen=True)
class Characters:
    """The characters of a batch of texts, one after the other.

    Attributes:
        codes: code points, int32 `(C,)`.
        classes: of each an index into letters, numbers, white space and others, int32 `(C,)`.
        row_splits: int64 `(B + 1,)`, where each text begins and ends.
        is_first: whether it is the first of its text, `(C,)`.
        is_last: whether it is the last of its text, `(C,)`.
    """

    codes: tf.Tensor
    classes: tf.Tensor
    row_splits: tf.Tensor
    is_first: tf.Tensor
    is_last: tf.Tensor

    @property
    def is_space(self) -> tf.Tensor:
        """Whether each is white space."""
        return tf.equal(self.classes, SPACE)


def characters_of(strings: tf.Tensor) -> Characters:
    """The characters of valid UTF-8 strings `(B,)`."""
    decoded: Any = tf.strings.unicode_decode(strings, "UTF-8")
    starts, classes = _class_ranges()
    index = tf.searchsorted(tf.constant(starts), decoded.values, side="right") - 1
    row = decoded.value_rowids()
    changes = tf.not_equal(row[1:], row[:-1])
    size = tf.size(row)
    return Characters(
        codes=decoded.values,
        classes=tf.gather(tf.constant(classes), index),
        row_splits=decoded.row_splits,
        is_first=tf.concat([[True], changes], 0)[:size],
        is_last=tf.concat([changes, [True]], 0)[:size],
    )


@functools.cache
def _class_ranges() -> tuple[np.ndarray, np.ndarray]:
    """Where ranges of characters of one class begin, and their classes."""
    lines = _CLASSES_FILE.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    starts = np.array([int(start, 16) for start, _ in rows], "int32")
    return starts, np.array([_CLASSES.index(name) for _, name in rows], "int32")


def word_indices(text: Characters) -> tf.RaggedTensor:
    """The index, in its text, of the word of each character; words are between white space.

    Returns:
        Ragged int32 tensor `(B, None)`; for white space the index of the word before it, or -1.

    Example:
        >>> word_indices(characters_of(tf.constant([" a bc"]))).to_list()
        [[-1, 0, 0, 1, 1]]
    """
    begins = begins_after(text.is_space, text.is_first)
    number = tf.cumsum(tf.cast(begins, tf.int32))
    lengths = text.row_splits[1:] - text.row_splits[:-1]
    before = tf.gather(tf.concat([[0], number], 0), text.row_splits[:-1])
    return ragged_rows(number - tf.repeat(before, lengths) - 1, text.row_splits)


def begins_after(is_space: tf.Tensor, is_first: tf.Tensor) -> tf.Tensor:
    """Whether each character is the first of a word.

    Args:
        is_space: whether it is between words, boolean `(C,)`.
        is_first: whether it is the first of its text, boolean `(C,)`.
    """
    after_space = tf.concat([[True], is_space[:-1]], 0)[: tf.size(is_space)]
    return (is_first | after_space) & tf.logical_not(is_space)
