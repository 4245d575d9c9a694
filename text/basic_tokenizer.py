"""BERT's basic tokenizer in the graph: text to words, with the origin of every character."""

import dataclasses
import functools
import unicodedata

import numpy as np
import tensorflow as tf

from attention_zoo.text.rows import ragged_rows

# What becomes of a character: one of the first four, or _REPLACED + the index of a replacement.
_KEPT, _ISOLATED, _SPACE, _DROPPED, _REPLACED = range(5)
_LENGTHS = (1, 3, 1, 0)  # of the result of each of the first four, in characters
_BLOCK = 256
# Ideographs, each of which is a word: the ranges of google-research/bert.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_PRIVATE = ((0xE000, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


@dataclasses.dataclass(frozen=True)
class Words:
    """The words of a batch of texts, concatenated.

    Attributes:
        words: string tensor `(W,)`.
        row_splits: int64 tensor `(B + 1,)`, where in `words` each text begins and ends.
        char_splits: int64 tensor `(W + 1,)`, where in `sources` each word begins and ends.
        sources: int32 tensor, for each character of each word the offset in its text, in
            characters from 0, of the character it comes from.
    """

    words: tf.Tensor
    row_splits: tf.Tensor
    char_splits: tf.Tensor
    sources: tf.Tensor


class BasicTokenizer:
    """Normalizes text and splits it into words, as BERT does before WordPiece.

    Removes control characters, splits at white space, makes every ideograph and every punctuation
    character a word, and optionally lowercases and strips accents. Follows `BasicTokenizer` of
    google-research/bert (Devlin et al. 2019), `tokenization.py`.

    All of this depends on one character at a time, so that one table from characters to their
    replacements does it, and the origin of every character is known. (Python's `str.lower` looks at
    the context of one letter, the final sigma; other implementations do not.)

    Args:
        lower_case: lowercase the text.
        strip_accents: decompose characters and drop combining marks; None: if `lower_case`.

    Example:
        >>> split = BasicTokenizer().split(tf.constant(["Él  paga 5€!", "你好"]))
        >>> " ".join(word.decode() for word in split.words.numpy())
        'el paga 5€ ! 你 好'
        >>> split.row_splits.numpy().tolist()
        [0, 4, 6]
    """

    def __init__(self, lower_case: bool = True, strip_accents: bool | None = None):
        self.lower_case = lower_case
        self.strip_accents = lower_case if strip_accents is None else strip_accents
        self._table = _make_table(self.lower_case, self.strip_accents)

    def split(self, strings: tf.Tensor) -> Words:
        """Splits texts into words.

        Args:
            strings: string tensor `(B,)`, UTF-8; invalid bytes are dropped.
        """
        characters = tf.strings.unicode_decode(strings, "UTF-8", errors="replace")
        code, origin, offset = self._replace(characters.values)
        row_splits = tf.gather(offset, characters.row_splits)
        row = tf.repeat(tf.range(tf.size(row_splits) - 1), tf.cast(_lengths(row_splits), tf.int32))
        in_word = tf.not_equal(code, ord(" "))
        continues = tf.concat([[False], in_word[:-1] & tf.equal(row[1:], row[:-1])], 0)
        begins = in_word & tf.logical_not(continues[: tf.size(code)])
        kept = tf.where(in_word)[:, 0]
        first = tf.where(tf.gather(begins, kept))[:, 0]
        char_splits = tf.concat([first, [tf.size(kept, tf.int64)]], 0)
        words = ragged_rows(tf.gather(code, kept), char_splits)
        start_of_row = tf.gather(tf.cast(characters.row_splits, tf.int32), tf.gather(row, kept))
        return Words(
            words=tf.strings.unicode_encode(words, "UTF-8"),
            row_splits=tf.gather(_splits(tf.cast(begins, tf.int64)), row_splits),
            char_splits=char_splits,
            sources=tf.gather(origin, kept) - start_of_row,
        )

    def fates(self) -> tuple[np.ndarray, list[str]]:
        """What becomes of each code point, for programs in other languages.

        Returns:
            For each code point: 0 if it stays, 1 if it is a word, 2 if it is white space, 3 if it
            is dropped, otherwise 4 and the index of its replacement; and the replacements, in
            which spaces separate words.
        """
        table = self._table
        kinds = table.kinds.reshape(-1, _BLOCK)[table.block_of].ravel()
        spans = zip(table.starts[_REPLACED:], table.lengths[_REPLACED:], strict=True)
        texts = ["".join(map(chr, table.replacements[at : at + n])) for at, n in spans]
        return kinds, texts

    def word_indices(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """Indexes the words between white space, each of which may be several of `split`'s.

        Args:
            strings: string tensor `(B,)`, UTF-8.

        Returns:
            Ragged int32 tensor `(B, None)`: for each character the index of its word, from 0; for
            white space that of the word before it, or -1 before the first word.
        """
        characters = tf.strings.unicode_decode(strings, "UTF-8", errors="replace")
        space = characters.with_values(tf.equal(self._kinds(characters.values), _SPACE))
        row = space.value_rowids()
        first = tf.concat([[True], tf.not_equal(row[1:], row[:-1])], 0)[: tf.size(row)]
        after_space = tf.concat([[True], space.values[:-1]], 0)[: tf.size(row)]
        begins = tf.cast((first | after_space) & ~space.values, tf.int32)
        ends = _splits(begins)
        earlier = tf.gather(tf.gather(ends, characters.row_splits[:-1]), characters.value_rowids())
        return characters.with_values(ends[1:] - earlier - 1)

    def _kinds(self, code_points: tf.Tensor) -> tf.Tensor:
        table = self._table
        block = tf.gather(tf.constant(table.block_of), code_points // _BLOCK)
        return tf.gather(
            tf.constant(table.kinds), block * _BLOCK + tf.math.floormod(code_points, _BLOCK)
        )

    def _replace(self, code: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Replaces characters.

        Returns:
            The new characters, the index of the old character each comes from, and the index of
            the first new character of each old one.
        """
        kind = self._kinds(code)
        length = tf.gather(tf.constant(self._table.lengths), kind)
        offset = _splits(length)
        origin = tf.repeat(tf.range(tf.size(code)), length)
        within = tf.range(tf.size(origin)) - tf.gather(offset, origin)
        code, kind = tf.gather(code, origin), tf.gather(kind, origin)
        start = tf.gather(tf.constant(self._table.starts), kind)
        replaced = tf.gather(tf.constant(self._table.replacements), start + within)
        stays = tf.equal(kind, _KEPT) | (tf.equal(kind, _ISOLATED) & tf.equal(within, 1))
        code = tf.where(stays, code, tf.where(kind >= _REPLACED, replaced, ord(" ")))
        return code, origin, offset


@dataclasses.dataclass(frozen=True)
class _Table:
    """What becomes of each character, in blocks of 256, most of which are identical."""

    block_of: np.ndarray
    kinds: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray
    replacements: np.ndarray


@functools.lru_cache
def _make_table(lower_case: bool, strip_accents: bool) -> _Table:
    kinds = np.full(0x110000, _KEPT, dtype="int32")
    for first, last in _PRIVATE:
        kinds[first : last + 1] = _DROPPED
    texts: dict[str, int] = {}
    for code in (*range(0xD800), *range(0xF900, 0x33480), *range(0xE0000, 0xE0200)):
        character = chr(code)
        text = _replacement(character, lower_case, strip_accents)
        simple = {character: _KEPT, f" {character} ": _ISOLATED, "": _DROPPED, " ": _SPACE}
        if text in simple:
            kinds[code] = simple[text]
        else:
            kinds[code] = _REPLACED + texts.setdefault(text, len(texts))
    lengths = np.array([*_LENGTHS, *map(len, texts)], dtype="int32")
    of_replacements = np.cumsum([0, *map(len, texts)])[:-1]
    starts = np.concatenate([[0] * _REPLACED, of_replacements]).astype("int32")
    # Three more, so that the lookup for a character that is not replaced stays in bounds.
    replacements = np.array([ord(c) for text in texts for c in text] + [0] * 3, dtype="int32")
    blocks, block_of = np.unique(kinds.reshape(-1, _BLOCK), axis=0, return_inverse=True)
    return _Table(block_of.ravel().astype("int32"), blocks.ravel(), lengths, starts, replacements)


def _replacement(character: str, lower_case: bool, strip_accents: bool) -> str:
    """The replacement of a character; spaces in it separate words."""
    category = unicodedata.category(character)
    if character in "\t\n\r" or category in ("Zs", "Zl", "Zp"):
        return " "
    # Unassigned characters (Cn) stay: a later version of Unicode may assign them.
    if category in ("Cc", "Cf", "Co") or character == "\N{REPLACEMENT CHARACTER}":
        return ""
    text = character
    if strip_accents:
        decomposed = unicodedata.normalize("NFD", character)
        text = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    if lower_case:
        text = "".join(c.lower() for c in text)
    return "".join(f" {c} " if _is_word(c) else c for c in text)


def _is_word(character: str) -> bool:
    code = ord(character)
    return (
        character in _ASCII_PUNCTUATION
        or unicodedata.category(character).startswith("P")
        or any(first <= code <= last for first, last in _IDEOGRAPHS)
    )


def _splits(lengths: tf.Tensor) -> tf.Tensor:
    """The row splits of rows of these lengths."""
    return tf.concat([tf.zeros([1], lengths.dtype), tf.cumsum(lengths)], axis=0)


def _lengths(splits: tf.Tensor) -> tf.Tensor:
    return splits[1:] - splits[:-1]
