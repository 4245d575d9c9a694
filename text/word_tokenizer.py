"""One id for each word between spaces: for alphabets that are written as words, like phonemes."""

import collections
import json

import tensorflow as tf
from pydantic_core import from_json

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, read_file
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.vocabulary import (
    NUM_SPECIAL_IDS,
    SPECIAL_TOKENS,
    UNKNOWN_ID,
    most_frequent,
)


class WordTokenizer(Tokenizer):
    """A tokenizer whose tokens are what stands between white space.

    Args:
        words: the words of the vocabulary; id 4 is the first of them in their order.

    Example:
        >>> tokenizer = WordTokenizer(["AH", "K", "T"])
        >>> tokenizer.encode(tf.constant(["K AH T", "X"]), max_length=8).numpy().tolist()
        [[5, 4, 6, 3], [1, 3, 0, 0]]
        >>> tokenizer.decode(tf.constant([[5, 4, 6, 3]])).numpy()[0].decode()
        'K AH T'
    """

    kind = "words"
    separator = " "

    def __init__(self, words):
        super().__init__()
        self.words = sorted(set(words))
        self.vocab_size = NUM_SPECIAL_IDS + len(self.words)
        ids = tf.range(NUM_SPECIAL_IDS, self.vocab_size, dtype=tf.int32)
        # An attribute, so that a SavedModel keeps the table.
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(self.words, tf.string), ids), UNKNOWN_ID
        )

    @classmethod
    def train(cls, texts, vocab_size=None):
        """Collects the words of the texts.

        Args:
            texts: iterable of strings.
            vocab_size: largest vocabulary; the rarest words are left out. None takes
                them all.
        """
        # Bytes, which are split where TensorFlow splits: at white space of ASCII alone.
        counts = collections.Counter(word for text in texts for word in text.encode().split())
        if not counts:
            raise UserError("there is no text to take words from")
        words = {word.decode(): count for word, count in counts.items()}
        return cls(most_frequent(words, vocab_size))

    def _split(self, strings):
        return tf.strings.split(strings)

    def _tokenize(self, strings):
        return tf.ragged.map_flat_values(self._table.lookup, self._split(strings))

    def _detokenize(self, ids):
        table = tf.constant(["\N{REPLACEMENT CHARACTER}"] * NUM_SPECIAL_IDS + self.words)
        words = tf.ragged.map_flat_values(lambda values: tf.gather(table, values), ids)
        return tf.strings.reduce_join(words, axis=1, separator=" ")

    def pieces(self, ids):
        """The words of some ids, for people to read."""
        names = [*SPECIAL_TOKENS, *self.words]
        return [names[int(i)] for i in ids]

    def _save(self, directory):
        with atomic_file(directory / "words.json") as temporary:
            temporary.write_text(json.dumps(self.words, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def _load(cls, directory):
        path = directory / "words.json"
        words = from_json(read_file(path))
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"{path} must hold a list of strings")
        return cls(words)
