"""BERT's WordPiece tokenizer in the graph, with the position of every piece in the text."""

import collections
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf
import tensorflow_text
from pydantic import Field
from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, read_file
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.text.basic_tokenizer import BasicTokenizer
from attention_zoo.text.encoder_tokenizer import AddedToken, AddedTokenContent, EncoderTokenizer
from attention_zoo.text.examples import FilePath
from attention_zoo.text.rows import ragged_rows
from attention_zoo.text.tokenizer import CONFIG_FILE
from attention_zoo.text.tokenizer_options import WordPieceOptions
from attention_zoo.text.vocabulary import PAD_ID

SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY_FILE = "vocab.txt"
_CONTINUATION = "##"  # prefix of pieces that continue a word
_VOCAB_SIZE = 8000
LONGEST_WORD = 100  # in characters; longer words are unknown, as in google-research/bert
_UNKNOWN_WORD = "\uffff"  # not a character, so in no vocabulary


class WordPieceTokenizer(EncoderTokenizer):
    """A tokenizer whose tokens are subwords, matched longest first.

    `BasicTokenizer` splits the text into words. A word is split greedily from its beginning into
    the longest pieces of the vocabulary, and is unknown if some part of it matches none
    (Wu et al. 2016, section 4.1; Devlin et al. 2019, section 3).

    Args:
        vocabulary: the pieces in the order of their ids; those that continue a word begin with
            `##`. The first must be `[PAD]`; `[UNK]`, `[CLS]`, `[SEP]` and `[MASK]` must be
            among them.
        lower_case: see `BasicTokenizer`.
        strip_accents: see `BasicTokenizer`.
        added: tokens that are found in a text before it is split, such as `[SEP]` in a model of
            Hugging Face; none of them in google-research/bert.

    Raises:
        UserError: if a special piece is missing, or `[PAD]` is not the first.

    Example:
        >>> tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "play", "##ing", "!"])
        >>> tokenizer.encode(tf.constant(["Playing!"]), max_length=8).numpy().tolist()
        [[2, 5, 6, 7, 3]]
        >>> tokenizer.decode(tf.constant([[2, 5, 6, 7, 3]])).numpy()[0].decode()
        'playing !'
    """

    kind = "wordpiece"
    options = WordPieceOptions

    def __init__(
        self,
        vocabulary: Iterable[str],
        lower_case: bool = True,
        strip_accents: bool | None = None,
        added: Iterable[AddedToken] = (),
    ):
        super().__init__(added)
        self.vocabulary = list(vocabulary)
        self.vocab_size = len(self.vocabulary)
        self.lower_case = lower_case
        self.strip_accents = strip_accents
        missing = [piece for piece in SPECIAL_PIECES if piece not in self.vocabulary]
        if missing or self.vocabulary[PAD_ID] != "[PAD]":
            first = self.vocabulary[PAD_ID] if self.vocabulary else None
            problem = f"it lacks {', '.join(missing)}" if missing else f"it begins with {first}"
            raise UserError(
                f"a WordPiece vocabulary must begin with [PAD] and contain "
                f"{', '.join(SPECIAL_PIECES[1:])}; {problem}"
            )
        self.unknown_id, self.cls_id, self.sep_id, self.mask_id = (
            self.vocabulary.index(piece) for piece in SPECIAL_PIECES[1:]
        )
        self.mask_token = self._mask_token(AddedToken("[MASK]", self.mask_id))
        self.basic = BasicTokenizer(lower_case, strip_accents)
        self._wordpiece: Any = tensorflow_text.FastWordpieceTokenizer(
            self.vocabulary,
            suffix_indicator=_CONTINUATION,
            max_bytes_per_word=4 * LONGEST_WORD,
            unknown_token="[UNK]",
            no_pretokenization=True,
        )
        self._piece_lengths = [len(piece.removeprefix(_CONTINUATION)) for piece in self.vocabulary]

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int | None = None,
        lower_case: bool = True,
        strip_accents: bool | None = None,
    ) -> Self:
        """Learns pieces from texts by tensorflow-text's learner.

        Args:
            texts: any number of strings.
            vocab_size: largest vocabulary, including the special pieces; None means 8,000.
            lower_case: see `BasicTokenizer`.
            strip_accents: see `BasicTokenizer`.

        Raises:
            UserError: if the texts contain no words, or the vocabulary has no room for a piece.
        """
        basic = BasicTokenizer(lower_case, strip_accents)
        counts: collections.Counter[bytes] = collections.Counter()
        for chunk in tf.data.Dataset.from_tensor_slices(list(texts)).batch(1024):
            counts.update(basic.split(chunk).words.numpy().tolist())
        if not counts:
            raise UserError("the training texts contain no words")
        words = sorted((word.decode(), count) for word, count in counts.items())
        vocab_size = _VOCAB_SIZE if vocab_size is None else vocab_size
        if vocab_size <= len(SPECIAL_PIECES):
            raise UserError(
                f"tokenizer.vocab_size must be above {len(SPECIAL_PIECES)} (the special pieces), "
                f"received {vocab_size}"
            )
        pieces = learner.learn(words, vocab_size, list(SPECIAL_PIECES))
        return cls(pieces, lower_case, strip_accents)

    def _locate(self, strings: tf.Tensor) -> tuple[Any, Any, Any]:
        split = self.basic.split(strings)
        word_lengths = split.char_splits[1:] - split.char_splits[:-1]
        words = tf.where(word_lengths > LONGEST_WORD, _UNKNOWN_WORD, split.words)
        ids: tf.RaggedTensor = tf.cast(self._wordpiece.tokenize(words), tf.int32)
        # The length of each piece in characters; an unknown word is one piece of the word's length.
        length = tf.gather(tf.constant(self._piece_lengths), ids.values)
        word = tf.cast(ids.value_rowids(), tf.int32)
        word_length = tf.gather(tf.cast(word_lengths, tf.int32), word)
        length = tf.where(tf.equal(ids.values, self.unknown_id), word_length, length)
        first = tf.cumsum(length, exclusive=True)
        row_splits = tf.gather(ids.row_splits, split.row_splits)
        starts = tf.gather(split.sources, first)
        ends = tf.gather(split.sources, first + length - 1) + 1
        ids_, starts_, ends_ = (ragged_rows(v, row_splits) for v in (ids.values, starts, ends))
        return ids_, starts_, ends_

    def _word_indices(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return self.basic.word_indices(strings)

    def unknown_tokens(self, text: str | bytes) -> list[str]:
        """The unknown words of a string."""
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        pieces = self.tokenize_with_offsets(tf.constant([text]))
        ids, starts, ends = (
            ragged.values.numpy() for ragged in (pieces.ids, pieces.starts, pieces.ends)
        )
        unknown = ids == self.unknown_id
        return [text[a:b] for a, b in zip(starts[unknown], ends[unknown], strict=True)]

    def continues(self) -> tf.Tensor:
        """See `EncoderTokenizer`."""
        return tf.constant([piece.startswith(_CONTINUATION) for piece in self.vocabulary])

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        pieces = tf.ragged.map_flat_values(
            lambda values: tf.gather(tf.constant(self.vocabulary), values), ids
        )
        return tf.strings.regex_replace(
            tf.strings.reduce_join(pieces, axis=1, separator=" "), f" {_CONTINUATION}", ""
        )

    def _with_vocabulary(self, kept: np.ndarray, added: list[AddedToken]) -> Self:
        pieces = [self.vocabulary[i] for i in kept]
        return type(self)(pieces, self.lower_case, self.strip_accents, added)

    def texts(self) -> list[bytes]:
        """See `EncoderTokenizer`: the pieces."""
        return [piece.encode() for piece in self.vocabulary]

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The pieces of ids, for display."""
        return [self.vocabulary[int(i)] for i in ids]

    def _settings(self) -> dict[str, Any]:
        return {
            "lower_case": self.lower_case,
            "strip_accents": self.strip_accents,
            "added": [dataclasses.asdict(token) for token in self.added],
        }

    def _save(self, directory: Path) -> None:
        with atomic_file(directory / VOCABULARY_FILE) as temporary:
            temporary.write_text("".join(f"{piece}\n" for piece in self.vocabulary), "utf-8")

    @classmethod
    def _load(cls, directory: Path) -> Self:
        path = directory / CONFIG_FILE
        settings = check_content(read_json(path), _Settings, path)
        vocabulary = read_vocabulary(directory / VOCABULARY_FILE)
        added = [token.token(len(vocabulary)) for token in settings.added]
        return cls(vocabulary, settings.lower_case, settings.strip_accents, added)


class _Settings(Content):
    lower_case: bool
    strip_accents: bool | None
    added: list[AddedTokenContent] = Field(default=[])


def unused_piece(id_: int) -> str:
    """Stands for an id that no text gets: words contain no spaces."""
    return f"[no piece {id_}]"


def read_vocabulary(path: FilePath) -> list[str]:
    """Reads a `vocab.txt`: one piece per line, in the order of their ids.

    As in the reference implementation, each line has an id, even if it is empty; a piece on
    several lines has the last one's. A byte order mark is ignored.

    Raises:
        UserError: if the file is missing or not UTF-8.
    """
    try:
        text = read_file(path).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}") from error
    # Not splitlines: a piece may contain U+2028, which splitlines takes for a line end.
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    lines = lines[:-1] if lines[-1] == "" else lines
    last = {piece: i for i, piece in enumerate(lines)}
    return [
        piece if piece and last[piece] == i else unused_piece(i) for i, piece in enumerate(lines)
    ]
