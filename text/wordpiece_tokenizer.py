"""BERT's WordPiece tokenizer in the graph, with the position of every piece in the text."""

import collections
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import tensorflow as tf
import tensorflow_text
from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, read_file
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.text.basic_tokenizer import BasicTokenizer
from attention_zoo.text.examples import FilePath
from attention_zoo.text.rows import ragged_rows, to_dense
from attention_zoo.text.tokenizer import CONFIG_FILE, Tokenizer, replace_invalid
from attention_zoo.text.tokenizer_options import WordPieceOptions
from attention_zoo.text.vocabulary import PAD_ID

SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY_FILE = "vocab.txt"
_CONTINUATION = "##"  # prefix of pieces that continue a word
_VOCAB_SIZE = 8000
LONGEST_WORD = 100  # in characters; longer words are unknown, as in google-research/bert
_UNKNOWN_WORD = "\uffff"  # not a character, so in no vocabulary


@dataclasses.dataclass(frozen=True)
class Pieces:
    """The pieces of a batch of texts: ragged int32 tensors `(B, None)`, except `word_counts`.

    Attributes:
        ids: ids of the pieces.
        words: for each piece the index in its text, from 0, of the word it belongs to; words are
            separated by white space.
        starts: offset of its first character in the text, in characters from 0.
        ends: offset after its last character.
        word_counts: number of words in each text, int32 `(B,)`.
    """

    ids: tf.RaggedTensor
    words: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor
    word_counts: tf.Tensor


class WordPieceTokenizer(Tokenizer):
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
    ):
        super().__init__()
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
        self._basic = BasicTokenizer(lower_case, strip_accents)
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

    def tokenize_with_offsets(self, strings: tf.Tensor) -> Pieces:
        """Tokenizes strings and says where in the text each piece is.

        Args:
            strings: string tensor `(B,)`, UTF-8.
        """
        strings = replace_invalid(strings)
        split = self._basic.split(strings)
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

        def ragged(values: tf.Tensor) -> tf.RaggedTensor:
            return ragged_rows(values, row_splits)

        starts = ragged(tf.gather(split.sources, first))
        word_indices = self._basic.word_indices(strings)
        row_start = tf.gather(word_indices.row_splits, starts.value_rowids())
        character = row_start + tf.cast(starts.values, tf.int64)
        return Pieces(
            ids=ragged(ids.values),
            words=ragged(tf.gather(word_indices.values, character)),
            starts=starts,
            ends=ragged(tf.gather(split.sources, first + length - 1) + 1),
            word_counts=tf.maximum(tf.reduce_max(word_indices, axis=1), -1) + 1,
        )

    def encode(
        self,
        strings: tf.Tensor,
        max_length: int | tf.Tensor,
        pairs: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Tokenizes texts or pairs into padded rows: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`.

        Args:
            strings: string tensor `(B,)`.
            max_length: longest row in ids, including the special ones. Longer texts are truncated
                at their end, of a pair whichever is longer.
            pairs: string tensor `(B,)`, the second text of each pair.

        Returns:
            int32 tensor `(B, S)`, padded with 0.
        """
        return self.encode_with_segments(strings, max_length, pairs)[0]

    def encode_with_segments(
        self,
        strings: tf.Tensor,
        max_length: int | tf.Tensor,
        pairs: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Like `encode`, with segment ids: 0 up to the first `[SEP]`, then 1.

        Returns:
            Two int32 tensors `(B, S)`.
        """
        first = self.tokenize(strings)
        if pairs is None:
            return self.join(first[:, : max_length - 2])
        second = self.tokenize(pairs)
        return self.join(*truncate_pair(first, second, max_length - 3))

    def join(
        self, first: tf.RaggedTensor, second: tf.RaggedTensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Adds the special ids to ragged ids `(B, None)`; returns ids and segment ids `(B, S)`."""
        cls, sep = (tf.fill([first.nrows(), 1], n) for n in (self.cls_id, self.sep_id))
        ids = tf.concat([cls, first, sep], axis=1)
        segments = tf.zeros_like(ids)
        if second is not None:
            tail = tf.concat([second, sep], axis=1)
            ids = tf.concat([ids, tail], axis=1)
            segments = tf.concat([segments, tf.ones_like(tail)], axis=1)
        return to_dense(ids, PAD_ID), to_dense(segments, 0)

    def decode(self, ids: tf.Tensor, unknown: tf.Tensor | None = None) -> tf.Tensor:
        """Converts ids to strings with spaces between words; special ids are skipped.

        Args:
            ids: int32 tensor `(B, L)`.
            unknown: not supported by this tokenizer.

        Returns:
            String tensor `(B,)`.
        """
        special = [PAD_ID, self.cls_id, self.sep_id]
        kept = tf.reduce_all(tf.not_equal(tf.expand_dims(ids, 2), special), axis=2)
        kept = kept & (ids >= 0) & (ids < self.vocab_size)
        return self._detokenize(tf.ragged.boolean_mask(ids, kept))

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
        """For each id whether it continues a word: boolean tensor `(V,)`."""
        return tf.constant([piece.startswith(_CONTINUATION) for piece in self.vocabulary])

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return self.tokenize_with_offsets(strings).ids

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        pieces = tf.ragged.map_flat_values(
            lambda values: tf.gather(tf.constant(self.vocabulary), values), ids
        )
        return tf.strings.regex_replace(
            tf.strings.reduce_join(pieces, axis=1, separator=" "), f" {_CONTINUATION}", ""
        )

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The pieces of ids, for display."""
        return [self.vocabulary[int(i)] for i in ids]

    def _settings(self) -> dict[str, Any]:
        return {"lower_case": self.lower_case, "strip_accents": self.strip_accents}

    def _save(self, directory: Path) -> None:
        with atomic_file(directory / VOCABULARY_FILE) as temporary:
            temporary.write_text("".join(f"{piece}\n" for piece in self.vocabulary), "utf-8")

    @classmethod
    def _load(cls, directory: Path) -> Self:
        path = directory / CONFIG_FILE
        settings = check_content(read_json(path), _Settings, path)
        return cls(read_vocabulary(directory / VOCABULARY_FILE), **settings.model_dump())


class _Settings(Content):
    lower_case: bool
    strip_accents: bool | None


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


def truncate_pair(
    first: tf.RaggedTensor, second: tf.RaggedTensor, room: int | tf.Tensor
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Truncates the longer of two texts, one id at a time, until both fit together.

    Like `_truncate_seq_pair` of google-research/bert: the second one if they are equally long.

    Args:
        first: ragged ids `(B, None)`.
        second: ragged ids `(B, None)`.
        room: the largest number of ids in both together.

    Returns:
        Both, truncated.

    Example:
        >>> pair = tf.ragged.constant([[1, 2, 3, 4]]), tf.ragged.constant([[5, 6, 7]])
        >>> [part.to_list() for part in truncate_pair(*pair, room=5)]
        [[[1, 2, 3]], [[5, 6]]]
    """
    second_length = second.row_lengths()
    first_length = tf.minimum(first.row_lengths(), room - tf.minimum(second_length, room // 2))
    return (
        truncate_rows(first, first_length),
        truncate_rows(second, tf.minimum(second_length, room - first_length)),
    )


def truncate_rows(ragged: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """Truncates row i to `lengths[i]` ids."""
    index = tf.ragged.range(ragged.row_lengths())
    kept = tf.ragged.map_flat_values(
        tf.less, index, tf.gather(tf.cast(lengths, index.dtype), ragged.value_rowids())
    )
    return tf.ragged.boolean_mask(ragged, kept)
