"""BERT's word pieces, in-graph, with the place of every piece in the text."""

import collections
import dataclasses

import tensorflow as tf
import tensorflow_text
from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, read_file
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.text.basic_tokenizer import BasicTokenizer
from attention_zoo.text.rows import to_dense
from attention_zoo.text.tokenizer import CONFIG_FILE, Tokenizer, replace_invalid
from attention_zoo.text.vocabulary import PAD_ID

SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY_FILE = "vocab.txt"
_JOINED = "##"  # before a piece that goes on with the word
LONGEST_WORD = 100  # in characters; longer ones are unknown, as in google-research/bert
_UNKNOWN_WORD = "\uffff"  # no character, so in no vocabulary


@dataclasses.dataclass(frozen=True)
class Pieces:
    """The pieces of some texts; all but the last ragged, int32, `(B, None)`.

    Attributes:
        ids: of the pieces.
        words: number of the word of each piece, from 0 in its text; words are what stands
            between white space.
        starts: place of its first character in the text, in characters from 0.
        ends: place after its last character.
        word_counts: number of words of each text, int32 `(B,)`.
    """

    ids: tf.RaggedTensor
    words: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor
    word_counts: tf.Tensor


class WordPieceTokenizer(Tokenizer):
    """A tokenizer whose tokens are pieces of words, each the longest that fits.

    Words come from `BasicTokenizer`; a word is cut from its beginning, greedily, into
    the longest pieces of the vocabulary, and is unknown if that does not work out
    (Wu et al. 2016, section 4.1; Devlin et al. 2019, section 3).

    Args:
        vocabulary: list of the pieces, in the order of their ids; those that go on with a
            word begin with `##`. The first is `[PAD]`; `[UNK]`, `[CLS]`, `[SEP]` and
            `[MASK]` are among them.
        lower_case: see `BasicTokenizer`.
        strip_accents: see `BasicTokenizer`.

    Raises:
        UserError: if one of the special pieces is missing, or `[PAD]` is not the first.

    Example:
        >>> tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "play", "##ing", "!"])
        >>> tokenizer.encode(tf.constant(["Playing!"]), max_length=8).numpy().tolist()
        [[2, 5, 6, 7, 3]]
        >>> tokenizer.decode(tf.constant([[2, 5, 6, 7, 3]])).numpy()[0].decode()
        'playing !'
    """

    kind = "wordpiece"

    def __init__(self, vocabulary, lower_case=True, strip_accents=None):
        super().__init__()
        self.vocabulary = list(vocabulary)
        self.vocab_size = len(self.vocabulary)
        self.lower_case = lower_case
        self.strip_accents = strip_accents
        missing = [piece for piece in SPECIAL_PIECES if piece not in self.vocabulary]
        if missing or self.vocabulary[PAD_ID] != "[PAD]":
            raise UserError(
                f"a WordPiece vocabulary begins with [PAD] and has "
                f"{', '.join(SPECIAL_PIECES[1:])}; "
                f"{'it lacks ' + ', '.join(missing) if missing else 'the first piece is '}"
                f"{'' if missing else self.vocabulary[PAD_ID]}"
            )
        self.unknown_id, self.cls_id, self.sep_id, self.mask_id = (
            self.vocabulary.index(piece) for piece in SPECIAL_PIECES[1:]
        )
        self._basic = BasicTokenizer(lower_case, strip_accents)
        self._pieces_of_words = tensorflow_text.FastWordpieceTokenizer(
            self.vocabulary,
            suffix_indicator=_JOINED,
            max_bytes_per_word=4 * LONGEST_WORD,
            unknown_token="[UNK]",
            no_pretokenization=True,
        )
        self._piece_lengths = [len(piece.removeprefix(_JOINED)) for piece in self.vocabulary]

    @classmethod
    def train(cls, texts, vocab_size=None, lower_case=True, strip_accents=None):
        """Learns pieces from texts, by tensorflow-text's learner.

        Args:
            texts: iterable of strings.
            vocab_size: largest vocabulary, the special pieces included; 8,000 when None.
            lower_case: see `BasicTokenizer`.
            strip_accents: see `BasicTokenizer`.

        Raises:
            UserError: if there is no word in the texts, or no room for the special pieces.
        """
        basic = BasicTokenizer(lower_case, strip_accents)
        counts = collections.Counter()
        for chunk in tf.data.Dataset.from_tensor_slices(list(texts)).batch(1024):
            counts.update(basic.split(chunk).words.numpy().tolist())
        if not counts:
            raise UserError("there is no text to take word pieces from")
        words = sorted((word.decode(), count) for word, count in counts.items())
        vocab_size = 8000 if vocab_size is None else vocab_size
        if vocab_size <= len(SPECIAL_PIECES):
            raise UserError(
                f"tokenizer.vocab_size must be above {len(SPECIAL_PIECES)} (the special pieces), "
                f"received {vocab_size}"
            )
        pieces = learner.learn(words, vocab_size, list(SPECIAL_PIECES))
        return cls(pieces, lower_case, strip_accents)

    def cut(self, strings):
        """Cuts strings into pieces, and says where in the text they are.

        Args:
            strings: string tensor `(B,)`, UTF-8.

        Returns:
            The `Pieces`.
        """
        strings = replace_invalid(strings)
        found = self._basic.split(strings)
        word_lengths = found.char_splits[1:] - found.char_splits[:-1]
        words = tf.where(word_lengths > LONGEST_WORD, _UNKNOWN_WORD, found.words)
        ids = tf.cast(self._pieces_of_words.tokenize(words), tf.int32)
        word = tf.cast(ids.value_rowids(), tf.int32)
        # How many characters a piece has; an unknown word is one piece, as long as it is.
        length = tf.gather(tf.constant(self._piece_lengths), ids.values)
        of_word = tf.gather(tf.cast(word_lengths, tf.int32), word)
        length = tf.where(tf.equal(ids.values, self.unknown_id), of_word, length)
        first = tf.cumsum(length, exclusive=True)
        row_splits = tf.gather(ids.row_splits, found.row_splits)

        def ragged(values):
            return tf.RaggedTensor.from_row_splits(values, row_splits, validate=False)

        starts = ragged(tf.gather(found.sources, first))
        numbers = self._basic.number_words(strings)
        place = tf.gather(numbers.row_splits, starts.value_rowids())
        return Pieces(
            ids=ragged(ids.values),
            words=ragged(tf.gather(numbers.values, place + tf.cast(starts.values, tf.int64))),
            starts=starts,
            ends=ragged(tf.gather(found.sources, first + length - 1) + 1),
            word_counts=tf.maximum(tf.reduce_max(numbers, axis=1), -1) + 1,
        )

    def encode(self, strings, max_length, pairs=None):
        """Cuts strings or pairs into dense ids: `[CLS] a [SEP]`, `[CLS] a [SEP] b [SEP]`.

        Args:
            strings: string tensor `(B,)`.
            max_length: longest row in ids, the special ones included; of longer ones the end
                is truncated, of pairs the end of whichever is longer.
            pairs: string tensor `(B,)`, the second of each pair.

        Returns:
            int32 tensor `(B, S)`, padded with 0.
        """
        return self.encode_with_segments(strings, max_length, pairs)[0]

    def encode_with_segments(self, strings, max_length, pairs=None):
        """As `encode`, with segment ids: 0 for the first text and its `[SEP]`, then 1.

        Returns:
            Two int32 tensors `(B, S)`.
        """
        first = self.tokenize(strings)
        if pairs is None:
            return self.join(first[:, : max_length - 2])
        second = self.tokenize(pairs)
        return self.join(*truncate_pair(first, second, max_length - 3))

    def join(self, first, second=None):
        """Puts the special ids around ragged ids `(B, None)`; returns ids and segments `(B, S)`."""
        cls, sep = (tf.fill([first.nrows(), 1], n) for n in (self.cls_id, self.sep_id))
        ids = tf.concat([cls, first, sep], axis=1)
        segments = tf.zeros_like(ids)
        if second is not None:
            tail = tf.concat([second, sep], axis=1)
            ids = tf.concat([ids, tail], axis=1)
            segments = tf.concat([segments, tf.ones_like(tail)], axis=1)
        return to_dense(ids, PAD_ID), to_dense(segments, 0)

    def decode(self, ids, unknown=None):
        """Turns ids into strings, the words between spaces; special ids are passed over.

        Args:
            ids: int32 tensor `(B, L)`.
            unknown: not for this tokenizer.

        Returns:
            String tensor `(B,)`.
        """
        special = [PAD_ID, self.cls_id, self.sep_id]
        kept = tf.reduce_all(tf.not_equal(tf.expand_dims(ids, 2), special), axis=2)
        kept = kept & (ids >= 0) & (ids < self.vocab_size)
        return self._detokenize(tf.ragged.boolean_mask(ids, kept))

    def unknown_tokens(self, text):
        """The words of a string that are unknown."""
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        pieces = self.cut(tf.constant([text]))
        found = zip(
            *(v.values.numpy() for v in (pieces.ids, pieces.starts, pieces.ends)), strict=True
        )
        return [text[start:end] for piece, start, end in found if piece == self.unknown_id]

    def continues(self):
        """For each id whether it goes on with a word: boolean tensor `(V,)`."""
        return tf.constant([piece.startswith(_JOINED) for piece in self.vocabulary])

    def _tokenize(self, strings):
        return self.cut(strings).ids

    def _detokenize(self, ids):
        pieces = tf.ragged.map_flat_values(
            lambda values: tf.gather(tf.constant(self.vocabulary), values), ids
        )
        return tf.strings.regex_replace(
            tf.strings.reduce_join(pieces, axis=1, separator=" "), f" {_JOINED}", ""
        )

    def pieces(self, ids):
        """The pieces of some ids, for people to read."""
        return [self.vocabulary[int(i)] for i in ids]

    def _settings(self):
        return {"lower_case": self.lower_case, "strip_accents": self.strip_accents}

    def _save(self, directory):
        with atomic_file(directory / VOCABULARY_FILE) as temporary:
            temporary.write_text("".join(f"{piece}\n" for piece in self.vocabulary), "utf-8")

    @classmethod
    def _load(cls, directory):
        path = directory / CONFIG_FILE
        settings = check_content(read_json(path), _Settings, path)
        return cls(read_vocabulary(directory / VOCABULARY_FILE), **settings.model_dump())


class _Settings(Content):
    lower_case: bool
    strip_accents: bool | None


def read_vocabulary(path):
    """Reads a `vocab.txt`: a piece a line, in the order of the ids.

    Raises:
        UserError: if the file is missing or not UTF-8.
    """
    try:
        text = read_file(path).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}") from error
    # Not splitlines: a piece may be any character, such as U+2028, which that takes for an end.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def truncate_pair(first, second, room):
    """Cuts the longer of two texts, one id at a time, until both fit together.

    As `_truncate_seq_pair` of google-research/bert: of equally long ones the second is cut.

    Args:
        first: ragged ids `(B, None)`.
        second: ragged ids `(B, None)`.
        room: how many ids both may have together.

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


def truncate_rows(ragged, lengths):
    """The first ids of each row: `lengths (B,)` of them, or as many as there are."""
    place = tf.ragged.range(ragged.row_lengths())
    kept = tf.ragged.map_flat_values(
        tf.less, place, tf.gather(tf.cast(lengths, place.dtype), ragged.value_rowids())
    )
    return tf.ragged.boolean_mask(ragged, kept)
