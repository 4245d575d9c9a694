"""The base class of tokenizers. All of them run in the graph, so that artefacts take strings."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from attention_zoo.files import atomic_file
from attention_zoo.text.examples import FilePath
from attention_zoo.text.rows import to_dense
from attention_zoo.text.tokenizer_options import TokenizerOptions
from attention_zoo.text.vocabulary import END_ID, NUM_SPECIAL_IDS, PAD_ID, START_ID, UNKNOWN_ID

CONFIG_FILE = "tokenizer.json"
CHUNK = 1024  # strings that are tokenized at a time where there may be very many


class Tokenizer(tf.Module):
    """Strings to ids and back, in the graph.

    Subclasses set `kind` and `vocab_size` and define `train`, `pieces`, `_tokenize`, `_detokenize`,
    `_save` and `_load`. Those whose tokens are substrings of the text also set `separator`, the
    string between two tokens, and define `_split`, which gives the tokens as strings.
    `attention_zoo.text.registry.register_tokenizer` makes a kind known to recipes.

    A tokenizer is a `tf.Module` because some hold a resource, which a SavedModel keeps only if it
    is tracked.

    Attributes:
        kind: the name in recipes and in `tokenizer.json`.
        options: what a recipe can set, see `attention_zoo.text.tokenizer_options`; derived from
            the signature of `train` if omitted.
        vocab_size: number of ids.
        unknown_id: id of whatever the vocabulary lacks.
        separator: string between two tokens; None if tokens are not substrings of the text.
    """

    kind: ClassVar[str]
    options: ClassVar[type[TokenizerOptions]]
    separator: ClassVar[str | None] = None
    unknown_id: int = UNKNOWN_ID
    vocab_size: int

    @classmethod
    def train(cls, texts: Iterable[str], **options: Any) -> Self:
        """Learns a tokenizer from texts."""
        raise NotImplementedError

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The tokens of ids, for display."""
        raise NotImplementedError

    @property
    def special_ids(self) -> tuple[int, ...]:
        """Ids that stand for no part of a text."""
        return PAD_ID, START_ID, END_ID

    def continues_word(self, ids: Sequence[int]) -> list[bool]:
        """For each id whether it belongs to the word of the one before, for display."""
        return [False] * len(ids)

    def words_of(self, ids: Sequence[int]) -> list[int]:
        """For each id the index of its word, from 0; -1 for special ids.

        Args:
            ids: the ids of a text.
        """
        words, last = [], -1
        special = {int(i) for i in self.special_ids}
        for i, continues in zip(ids, self.continues_word(ids), strict=True):
            begins = not continues or not words or words[-1] < 0
            is_special = int(i) in special
            last += begins and not is_special
            words.append(-1 if is_special else last)
        return words

    def spellings(self, text: str) -> list[list[int]]:
        """The sequences of ids by which a word or phrase can occur in a longer text."""
        return [self.rows([text])[0].tolist()]

    def leading_tag(self, text: str) -> str:
        """The tag with which a text begins, that holds for all of it; most tokenizers have none."""
        return ""

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """The ids of valid UTF-8: integers `(B, None)`."""
        raise NotImplementedError

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """The strings `(B,)` of ids that are all in the vocabulary."""
        raise NotImplementedError

    def _split(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """The tokens of valid UTF-8 as strings `(B, None)`, in the order of `_tokenize`."""
        raise NotImplementedError

    def _save(self, directory: Path) -> None:
        """Writes the vocabulary."""
        raise NotImplementedError

    @classmethod
    def _load(cls, directory: Path) -> Self:
        """Reads what `_save` wrote; a `ValueError` means that it is damaged."""
        raise NotImplementedError

    def _settings(self) -> dict[str, Any]:
        """Further content of `tokenizer.json`."""
        return {}

    def tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes strings, without start and end ids.

        Args:
            strings: string tensor `(B,)`, UTF-8. Invalid bytes become U+FFFD, an unknown
                character.

        Returns:
            int32 ragged tensor `(B, None)`.
        """
        strings = replace_invalid(strings)
        return tf.cast(self._tokenize(strings), tf.int32)

    def rows(self, strings: Sequence[str]) -> list[np.ndarray]:
        """Tokenizes many strings in chunks.

        TensorFlow's ragged operators allocate memory for all strings at the length of the longest.

        Args:
            strings: any number of strings.

        Returns:
            One int32 array per string.
        """
        rows = []
        for start in range(0, len(strings), CHUNK):
            ids = self.tokenize(tf.constant(strings[start : start + CHUNK]))
            rows += np.split(ids.flat_values.numpy(), ids.row_splits.numpy()[1:-1])
        return rows

    def encode(self, strings: tf.Tensor, max_length: int | tf.Tensor) -> tf.Tensor:
        """Tokenizes strings into padded rows that end with the end id.

        Args:
            strings: string tensor `(B,)`.
            max_length: longest row in ids, including the end id; longer rows are truncated.

        Returns:
            int32 tensor `(B, S)`, padded with 0.
        """
        ids = self.tokenize(strings)[:, : max_length - 1]
        end = tf.fill([ids.nrows(), 1], END_ID)
        return to_dense(tf.concat([ids, end], axis=1), PAD_ID)

    def tokens(self, strings: tf.Tensor, max_length: int | tf.Tensor) -> tf.Tensor:
        """The tokens as strings, at the positions of their ids in `encode`.

        Args:
            strings: string tensor `(B,)`.
            max_length: see `encode`.

        Returns:
            String tensor `(B, S)`; empty at the end id and after it.
        """
        strings = replace_invalid(strings)
        tokens = self._split(strings)[:, : max_length - 1]
        end = tf.fill([tokens.nrows(), 1], "")
        return to_dense(tf.concat([tokens, end], axis=1), "")

    def unknown_tokens(self, text: str | bytes) -> list[str]:
        """The unknown tokens of a string, for display."""
        strings = replace_invalid(tf.constant([text]))
        tokens, ids = self._split(strings).values, self._tokenize(strings).values
        unknown = tf.boolean_mask(tokens, tf.equal(tf.cast(ids, tf.int32), UNKNOWN_ID))
        return [token.decode() for token in unknown.numpy()]

    def decode(self, ids: tf.Tensor, unknown: tf.Tensor | None = None) -> tf.Tensor:
        """Converts ids to strings.

        Args:
            ids: int32 tensor `(B, L)`. A row stops before its first end id; padding, start ids and
                ids outside the vocabulary are skipped.
            unknown: string tensor `(B, L)`, replacements for unknown ids; for tokenizers with a
                `separator`.

        Returns:
            String tensor `(B,)`.
        """
        ended = tf.cumsum(tf.cast(tf.equal(ids, END_ID), tf.int32), axis=1) > 0
        known = (ids == UNKNOWN_ID) | ((ids >= NUM_SPECIAL_IDS) & (ids < self.vocab_size))
        kept = known & ~ended
        if unknown is None:
            return self._detokenize(tf.ragged.boolean_mask(ids, kept))
        pieces = tf.gather(tf.constant(self.pieces(range(self.vocab_size))), tf.where(kept, ids, 0))
        pieces = tf.where(tf.equal(ids, UNKNOWN_ID), unknown, pieces)
        kept_pieces = tf.ragged.boolean_mask(pieces, kept)
        return tf.strings.reduce_join(kept_pieces, axis=1, separator=self.separator)

    def save(self, directory: FilePath) -> None:
        """Writes the tokenizer to a directory."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self._save(directory)
        config = {"kind": self.kind, "vocab_size": self.vocab_size, **self._settings()}
        with atomic_file(directory / CONFIG_FILE) as temporary:
            temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


# The characters that `str.strip` removes.
_WHITE_SPACE = r"[\s\x0b\x1c-\x1f\x{85}\p{Z}]*"


def is_blank(strings: tf.Tensor) -> tf.Tensor:
    r"""Which strings are empty or white space only: `not text.strip()` for each.

    Args:
        strings: string tensor of any shape.

    Returns:
        Boolean tensor of that shape.

    Example:
        >>> is_blank(tf.constant(["", " \t", "\u3000", "a "])).numpy().tolist()
        [True, True, True, False]
    """
    return tf.strings.regex_full_match(strings, _WHITE_SPACE)


def replace_invalid(strings: tf.Tensor) -> tf.Tensor:
    """Replaces each invalid UTF-8 byte by U+FFFD."""
    return tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="replace")
