"""One id per character: lossless, and a good choice for short texts."""

import collections
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import tensorflow as tf
from pydantic_core import from_json

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, read_file
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.tokenizer_options import CharacterOptions
from attention_zoo.text.vocabulary import (
    NUM_SPECIAL_IDS,
    SPECIAL_TOKENS,
    UNKNOWN_ID,
    most_frequent,
)

_REPLACEMENT = 0xFFFD  # how an unknown character is displayed
_FILE = "characters.json"


class CharacterTokenizer(Tokenizer):
    """A tokenizer whose tokens are Unicode characters.

    Args:
        characters: the characters of the vocabulary, in any order; they are sorted and get ids
            from 4.

    Example:
        >>> tokenizer = CharacterTokenizer("abc")
        >>> tokenizer.encode(tf.constant(["cab", "x"]), max_length=8).numpy().tolist()
        [[6, 4, 5, 3], [1, 3, 0, 0]]
        >>> tokenizer.decode(tf.constant([[6, 4, 5, 3]])).numpy()[0].decode()
        'cab'
    """

    kind = "characters"
    options = CharacterOptions
    separator = ""

    def __init__(self, characters: Iterable[str]):
        super().__init__()
        self.characters = "".join(sorted(set(characters)))
        self.vocab_size = NUM_SPECIAL_IDS + len(self.characters)
        # Sorted, so that binary search finds an id in a plain constant: there is no lookup
        # table that an export could lose.
        self._code_points = [ord(character) for character in self.characters]

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int | None = None) -> Self:
        """Collects the characters of texts.

        Args:
            texts: any number of strings.
            vocab_size: largest vocabulary; the rarest characters are left out. None keeps all.

        Raises:
            UserError: if the texts are empty, or the vocabulary has no room for a character.
        """
        counts: collections.Counter[str] = collections.Counter()
        for text in texts:
            counts.update(text)
        if not counts:
            raise UserError("the training texts contain no characters")
        return cls("".join(most_frequent(counts, vocab_size)))

    def _split(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return tf.strings.unicode_split(strings, "UTF-8")

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        code_points = tf.strings.unicode_decode(strings, "UTF-8")
        table = tf.constant(self._code_points)

        def to_ids(values: tf.Tensor) -> tf.Tensor:
            index = tf.minimum(tf.searchsorted(table, values), len(self._code_points) - 1)
            is_known = tf.equal(tf.gather(table, index), values)
            return tf.where(is_known, index + NUM_SPECIAL_IDS, UNKNOWN_ID)

        return tf.ragged.map_flat_values(to_ids, code_points)

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        table = tf.constant([_REPLACEMENT] * NUM_SPECIAL_IDS + self._code_points)
        code_points = tf.ragged.map_flat_values(lambda values: tf.gather(table, values), ids)
        return tf.strings.unicode_encode(code_points, "UTF-8")

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The characters of ids, for display."""
        names = [*SPECIAL_TOKENS, *self.characters]
        return [names[int(i)] for i in ids]

    def continues_word(self, ids: Sequence[int]) -> list[bool]:
        """See `Tokenizer`: white space separates words, and is a word of its own."""
        blank = [character.isspace() for character in self.pieces(ids)]
        return [i > 0 and blank[i] == blank[i - 1] for i in range(len(blank))]

    def _save(self, directory: Path) -> None:
        with atomic_file(directory / _FILE) as temporary:
            temporary.write_text(json.dumps(self.characters, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def _load(cls, directory: Path) -> Self:
        path = directory / _FILE
        characters = from_json(read_file(path))
        if not isinstance(characters, str):
            raise ValueError(f"{path} must contain one string")
        return cls(characters)
