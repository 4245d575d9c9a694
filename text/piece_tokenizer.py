"""SentencePiece whose ids are those of another vocabulary, as in Marian's translators."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import tensorflow as tf
from pydantic import Field
from pydantic_core import from_json

from attention_zoo.errors import UserError, suggest
from attention_zoo.files import atomic_file, read_file
from attention_zoo.json_files import Content, check_content
from attention_zoo.text.sentencepiece_tokenizer import SentencePieces, spellings
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.vocabulary import NUM_SPECIAL_IDS, SPACE_MARK, SPECIAL_TOKENS, UNKNOWN_ID

_MODEL_FILE, _PIECES_FILE = "sentencepiece.model", "pieces.json"
_TAG = r">>.+<<"


class _Pieces(Content):
    pieces: list[str] = Field(min_length=1)
    prefix: str | None = None


class PieceTokenizer(Tokenizer):
    """SentencePiece's pieces, with ids of their own.

    A text may begin with a tag in angle brackets, such as `>>cmn_Hans<<`, which is one token: the
    language that a translator into several translates into.

    Args:
        model: the bytes of a SentencePiece model, by which texts are split.
        pieces: the pieces of the vocabulary, which have the ids from 4 in this order. Those that
            the model lacks never come out of a text, but can be decoded.
        prefix: a tag to put before every text that does not begin with one.

    Raises:
        UserError: if a piece is there twice, or the prefix is not among them.
    """

    kind = "pieces"

    def __init__(self, model: bytes, pieces: Sequence[str], prefix: str | None = None):
        super().__init__()
        self.model, self.vocabulary, self.prefix = model, tuple(pieces), prefix
        if len(set(pieces)) != len(pieces):
            raise UserError("a piece is in the vocabulary twice")
        ids = {piece: i for i, piece in enumerate(pieces, start=NUM_SPECIAL_IDS)}
        self.vocab_size = NUM_SPECIAL_IDS + len(pieces)
        self._pieces = SentencePieces(model)
        self._ids = tf.constant([ids.get(p, UNKNOWN_ID) for p in self._pieces.names], tf.int32)
        tags = tuple(p for p in pieces if p.startswith(">>") and p.endswith("<<"))
        if prefix is not None and prefix not in tags:
            raise UserError(f"the vocabulary has no tag {prefix!r}; {suggest(prefix, tags)}")
        self.tags = tags
        if tags:
            keys, values = tf.constant(tags), tf.constant([ids[tag] for tag in tags], tf.int32)
            # An attribute, so that a SavedModel keeps the table.
            self._tags = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(keys, values), UNKNOWN_ID
            )

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        if not self.tags:
            return self._map(strings)
        has_tag = tf.strings.regex_full_match(strings, f"(?s){_TAG}.*")
        tag = tf.strings.regex_replace(strings, f"(?s)^({_TAG}).*", r"\1")
        ids = self._map(tf.strings.regex_replace(strings, f"^{_TAG}", ""))
        first = self._tags.lookup(tag)
        if self.prefix is not None:
            first = tf.where(has_tag, first, self._tags.lookup(tf.constant(self.prefix)))
            has_tag = tf.ones_like(has_tag)
        first: Any = tf.ragged.boolean_mask(first[:, tf.newaxis], has_tag[:, tf.newaxis])
        joined: Any = tf.concat([first, ids.with_row_splits_dtype(first.row_splits.dtype)], axis=1)
        return joined

    def _map(self, strings: tf.Tensor) -> tf.RaggedTensor:
        ids = self._pieces.tokenize(strings)
        return tf.ragged.map_flat_values(lambda values: tf.gather(self._ids, values), ids)

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        special = [token.encode() for token in SPECIAL_TOKENS]
        table = tf.constant([*special, *map(self._pieces.text_of, self.vocabulary)])
        pieces = tf.ragged.map_flat_values(lambda values: tf.gather(table, values), ids)
        text = tf.strings.reduce_join(pieces, axis=1)
        return tf.strings.regex_replace(
            tf.strings.regex_replace(text, SPACE_MARK, " "), r"^ | $", ""
        )

    def unknown_tokens(self, text: str | bytes) -> list[str]:
        """The pieces of a string that the vocabulary lacks."""
        return [p for p in self._pieces.split(text) if p not in set(self.vocabulary)]

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The pieces of ids, for display."""
        names = [*SPECIAL_TOKENS, *self.vocabulary]
        return [names[int(i)] for i in ids]

    def spellings(self, text: str) -> list[list[int]]:
        """See `Tokenizer`: in any pieces, after a space or not."""
        return spellings(text, {p: i for i, p in enumerate(self.vocabulary, NUM_SPECIAL_IDS)})

    def leading_tag(self, text: str) -> str:
        """See `Tokenizer`."""
        match = re.match(_TAG, text) if self.tags else None
        return match[0] if match else ""

    def continues_word(self, ids: Sequence[int]) -> list[bool]:
        """See `Tokenizer`: words begin with a space."""
        return [not piece.startswith(SPACE_MARK) for piece in self.pieces(ids)]

    def _save(self, directory: Path) -> None:
        with atomic_file(directory / _MODEL_FILE) as temporary:
            temporary.write_bytes(self.model)
        content = {"pieces": self.vocabulary, "prefix": self.prefix}
        with atomic_file(directory / _PIECES_FILE) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def _load(cls, directory: Path) -> Self:
        path = directory / _PIECES_FILE
        content: Any = from_json(read_file(path))
        check_content(content, _Pieces, path)
        return cls(read_file(directory / _MODEL_FILE), content["pieces"], content.get("prefix"))
