"""One id for each character: nothing to learn, nothing lost, right for short texts."""

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

_REPLACEMENT = 0xFFFD  # how an unknown character is printed


class CharacterTokenizer(Tokenizer):
    """A tokenizer whose tokens are Unicode characters.

    Args:
        characters: the characters of the vocabulary; id 4 is the first of them.

    Example:
        >>> tokenizer = CharacterTokenizer("abc")
        >>> tokenizer.encode(tf.constant(["cab", "x"]), max_length=8).numpy().tolist()
        [[6, 4, 5, 3], [1, 3, 0, 0]]
        >>> tokenizer.decode(tf.constant([[6, 4, 5, 3]])).numpy()[0].decode()
        'cab'
    """

    kind = "characters"
    separator = ""

    def __init__(self, characters):
        super().__init__()
        self.characters = "".join(sorted(set(characters)))
        self.vocab_size = NUM_SPECIAL_IDS + len(self.characters)
        # Sorted, so that an id is a place found by binary search: plain constants,
        # no lookup table that an export could lose.
        self._code_points = [ord(character) for character in self.characters]

    @classmethod
    def train(cls, texts, vocab_size=None):
        """Collects the characters of the texts.

        Args:
            texts: iterable of strings.
            vocab_size: largest vocabulary; the rarest characters are left out.
                None takes them all.
        """
        counts = collections.Counter()
        for text in texts:
            counts.update(text)
        if not counts:
            raise UserError("there is no text to take characters from")
        return cls("".join(most_frequent(counts, vocab_size)))

    def _split(self, strings):
        return tf.strings.unicode_split(strings, "UTF-8")

    def _tokenize(self, strings):
        code_points = tf.strings.unicode_decode(strings, "UTF-8")
        table = tf.constant(self._code_points)

        def to_ids(values):
            place = tf.minimum(tf.searchsorted(table, values), len(self._code_points) - 1)
            found = tf.equal(tf.gather(table, place), values)
            return tf.where(found, place + NUM_SPECIAL_IDS, UNKNOWN_ID)

        return tf.ragged.map_flat_values(to_ids, code_points)

    def _detokenize(self, ids):
        table = tf.constant([_REPLACEMENT] * NUM_SPECIAL_IDS + self._code_points)
        code_points = tf.ragged.map_flat_values(lambda values: tf.gather(table, values), ids)
        return tf.strings.unicode_encode(code_points, "UTF-8")

    def pieces(self, ids):
        """The characters of some ids, for people to read."""
        names = [*SPECIAL_TOKENS, *self.characters]
        return [names[int(i)] for i in ids]

    def _save(self, directory):
        with atomic_file(directory / "characters.json") as temporary:
            temporary.write_text(json.dumps(self.characters, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def _load(cls, directory):
        path = directory / "characters.json"
        characters = from_json(read_file(path))
        if not isinstance(characters, str):
            raise ValueError(f"{path} must hold one string")
        return cls(characters)
