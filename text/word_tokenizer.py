"""One id per word between spaces: for alphabets whose symbols are words, such as phonemes."""

import collections
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import tensorflow as tf
from pydantic_core import from_json

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, read_file
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.tokenizer_options import WordOptions
from attention_zoo.text.vocabulary import (
    NUM_SPECIAL_IDS,
    SPECIAL_TOKENS,
    UNKNOWN_ID,
    most_frequent,
)

_FILE = "words.json"


class WordTokenizer(Tokenizer):
    """A tokenizer whose tokens are words separated by ASCII white space.

    Args:
        words: the words of the vocabulary, in any order; they are sorted and get ids from 4.

    Example:
        >>> tokenizer = WordTokenizer(["AH", "K", "T"])
        >>> tokenizer.encode(tf.constant(["K AH T", "X"]), max_length=8).numpy().tolist()
        [[5, 4, 6, 3], [1, 3, 0, 0]]
        >>> tokenizer.decode(tf.constant([[5, 4, 6, 3]])).numpy()[0].decode()
        'K AH T'
    """

    kind = "words"
    options = WordOptions
    separator = " "

    def __init__(self, words: Iterable[str]):
        super().__init__()
        self.words = sorted(set(words))
        self.vocab_size = NUM_SPECIAL_IDS + len(self.words)
        ids = tf.range(NUM_SPECIAL_IDS, self.vocab_size, dtype=tf.int32)
        # An attribute, so that a SavedModel keeps the table.
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(self.words, tf.string), ids), UNKNOWN_ID
        )

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int | None = None) -> Self:
        """Collects the words of texts.

        Args:
            texts: any number of strings.
            vocab_size: largest vocabulary; the rarest words are left out. None keeps all.

        Raises:
            UserError: if the texts are empty, or the vocabulary has no room for a word.
        """
        # Bytes split where TensorFlow splits: at ASCII white space only.
        counts = collections.Counter(word for text in texts for word in text.encode().split())
        if not counts:
            raise UserError("the training texts contain no words")
        words = {word.decode(): count for word, count in counts.items()}
        return cls(most_frequent(words, vocab_size))

    def _split(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return tf.strings.split(strings)

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return tf.ragged.map_flat_values(self._table.lookup, self._split(strings))

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        table = tf.constant(["\N{REPLACEMENT CHARACTER}"] * NUM_SPECIAL_IDS + self.words)
        words = tf.ragged.map_flat_values(lambda values: tf.gather(table, values), ids)
        return tf.strings.reduce_join(words, axis=1, separator=" ")

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The words of ids, for display."""
        names = [*SPECIAL_TOKENS, *self.words]
        return [names[int(i)] for i in ids]

    def _save(self, directory: Path) -> None:
        with atomic_file(directory / _FILE) as temporary:
            temporary.write_text(json.dumps(self.words, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def _load(cls, directory: Path) -> Self:
        path = directory / _FILE
        words = from_json(read_file(path))
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"{path} must contain a list of strings")
        return cls(words)
