"""The tokenizer of XLM-R and its relatives: SentencePiece's pieces for encoders."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf
from pydantic import Field

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, read_file
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.text.characters import WHITE_SPACE, begins_after, characters_of, word_indices
from attention_zoo.text.encoder_tokenizer import AddedToken, AddedTokenContent, EncoderTokenizer
from attention_zoo.text.rows import ragged_rows
from attention_zoo.text.sentencepiece_tokenizer import SentencePieces, with_pieces
from attention_zoo.text.tokenizer import CONFIG_FILE
from attention_zoo.text.vocabulary import SPACE_MARK

SPECIAL_PIECES = ("<pad>", "<s>", "</s>", "<unk>", "<mask>")
_FILE = "sentencepiece.model"


class UnigramTokenizer(EncoderTokenizer):
    """A tokenizer whose tokens are the likeliest pieces of each word (Kudo 2018).

    Words are what is between white space after the model's normalization, as in Hugging Face's
    libraries. (SentencePiece alone takes U+0085 for a character of a word.) Of a word that the
    normalization changes, such as one with full-width letters, every piece has the place of the
    whole word.

    Args:
        model: the bytes of a SentencePiece model, the ids of which are the tokenizer's. The first
            piece must be `<pad>`; the others of `SPECIAL_PIECES` must be among them.
        added: tokens that are found in a text before it is split.

    Raises:
        UserError: if this is no such model.
    """

    kind = "unigram"
    separators = 2  # as in fairseq: <s> a </s></s> b </s>
    marks_segments = False

    def __init__(self, model: bytes, added: Iterable[AddedToken] = ()):
        super().__init__(added)
        self.model = model
        self._pieces = SentencePieces(model)
        self.vocabulary = self._pieces.names
        self.vocab_size = len(self.vocabulary)
        missing = [piece for piece in SPECIAL_PIECES if piece not in self.vocabulary]
        if missing or self.vocabulary[0] != SPECIAL_PIECES[0]:
            problem = f"it lacks {', '.join(missing)}" if missing else "it begins with another"
            raise UserError(
                f"the pieces must begin with {SPECIAL_PIECES[0]} and contain "
                f"{', '.join(SPECIAL_PIECES[1:])}; {problem}"
            )
        self.cls_id, self.sep_id, self.unknown_id, self.mask_id = (
            self.vocabulary.index(piece) for piece in SPECIAL_PIECES[1:]
        )
        self.mask_token = self._mask_token(AddedToken("<mask>", self.mask_id, lstrip=True))
        texts = (piece.removeprefix(SPACE_MARK) for piece in self.vocabulary)
        self._lengths = tuple(map(len, texts))
        self._spaces = tuple(ord(c) for c in WHITE_SPACE if self._separates(c))

    def _separates(self, character: str) -> bool:
        """Whether a white-space character remains one after the model's normalization."""
        return self._pieces.split(f"a{character}a") != self._pieces.split("aa")

    def _locate(self, strings: tf.Tensor) -> tuple[Any, Any, Any]:
        text = characters_of(strings)
        is_space = tf.reduce_any(tf.equal(text.codes[:, tf.newaxis], self._spaces), axis=1)
        inside = ~is_space
        first = tf.where(begins_after(is_space, text.is_first))[:, 0]
        kept = tf.where(inside)[:, 0]
        # Where in the kept characters each word begins.
        order = tf.cumsum(tf.cast(inside, tf.int64), exclusive=True)
        splits = tf.concat([tf.gather(order, first), [tf.size(kept, tf.int64)]], 0)
        codes = ragged_rows(tf.gather(text.codes, kept), splits)
        words = tf.strings.unicode_encode(codes, "UTF-8")
        ids = self._pieces.tokenize(words)
        starts, ends = self._places(ids, words, tf.cast(codes.row_lengths(), tf.int32))
        row = tf.searchsorted(text.row_splits, first, side="right") - 1
        offset = tf.cast(first - tf.gather(text.row_splits, row), tf.int32)
        of_row = tf.searchsorted(row, tf.range(tf.size(text.row_splits)), side="left")
        row_splits = tf.cast(tf.gather(ids.row_splits, of_row), tf.int64)
        shift = tf.gather(offset, ids.value_rowids())
        rows = (tf.cast(ids.values, tf.int32), starts + shift, ends + shift)
        ids_, starts_, ends_ = (ragged_rows(values, row_splits) for values in rows)
        return ids_, starts_, ends_

    def _places(self, ids: Any, words: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where in its word each piece begins and ends, in characters."""
        word = tf.cast(ids.value_rowids(), tf.int32)
        whole = self._pieces.detokenize(ids)
        is_unknown = tf.equal(tf.cast(ids, tf.int32), self.unknown_id)
        changed = tf.not_equal(whole, words) | tf.reduce_any(is_unknown, axis=1)
        piece_length = tf.gather(tf.constant(self._lengths), ids.values)
        before = tf.cumsum(piece_length, exclusive=True)
        of_word = tf.gather(tf.concat([before, [0]], 0), ids.row_splits[:-1])
        start = before - tf.gather(of_word, word)
        is_whole = tf.gather(changed, word)
        word_length = tf.gather(length, word)
        # The mark of a word's beginning may be a piece of its own.
        end = start + tf.maximum(piece_length, 1)
        return tf.where(is_whole, 0, start), tf.where(is_whole, word_length, end)

    def _word_indices(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return word_indices(characters_of(strings))

    def continues(self) -> tf.Tensor:
        """See `EncoderTokenizer`."""
        return tf.constant([not piece.startswith(SPACE_MARK) for piece in self.vocabulary])

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        return self._pieces.detokenize(ids)

    def unknown_tokens(self, text: str | bytes) -> list[str]:
        """The unknown parts of a string; adjacent unknown characters are one part."""
        ids, pieces = self._pieces.ids(text), self._pieces.split(text)
        return [piece for i, piece in zip(ids, pieces, strict=True) if i == self.unknown_id]

    def _needed_for(self, used: set[int]) -> set[int]:
        """The pieces, and the mark of a word's beginning: SentencePiece needs a piece at least."""
        return used | {i for i, piece in enumerate(self.vocabulary) if piece == SPACE_MARK}

    def _with_vocabulary(self, kept: np.ndarray, added: list[AddedToken]) -> Self:
        return type(self)(with_pieces(self.model, kept), added)

    def texts(self) -> list[bytes]:
        """See `EncoderTokenizer`."""
        return [piece.replace(SPACE_MARK, " ").encode() for piece in self.vocabulary]

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The pieces of ids, for display."""
        return [self.vocabulary[int(i)] for i in ids]

    def _settings(self) -> dict[str, Any]:
        return {"added": [dataclasses.asdict(token) for token in self.added]}

    def _save(self, directory: Path) -> None:
        with atomic_file(directory / _FILE) as temporary:
            temporary.write_bytes(self.model)

    @classmethod
    def _load(cls, directory: Path) -> Self:
        path = directory / CONFIG_FILE
        settings = check_content(read_json(path), _Settings, path)
        tokenizer = cls(read_file(directory / _FILE))
        added = [token.token(tokenizer.vocab_size) for token in settings.added]
        return cls(tokenizer.model, added)


class _Settings(Content):
    added: list[AddedTokenContent] = Field(default=[])
