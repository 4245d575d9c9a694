"""What every tokenizer offers. All of it runs in the graph, so artefacts take strings."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from attention_zoo.errors import UserError, suggest
from attention_zoo.files import atomic_file
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.text.rows import to_dense
from attention_zoo.text.vocabulary import END_ID, NUM_SPECIAL_IDS, PAD_ID, UNKNOWN_ID

CONFIG_FILE = "tokenizer.json"
# So many strings are cut at a time where there are very many.
CHUNK = 1024


class Tokenizer(tf.Module):
    """Strings to ids and back, in-graph.

    Subclasses give `kind`, `vocab_size`, `train`, `pieces`, `_tokenize` and
    `_detokenize`, and `_save` and `_load` for their files. Those whose tokens are parts
    of the text as it stands also give `separator`, which stands between tokens, and
    `_split`, the tokens as strings. A tokenizer is a `tf.Module` because some hold a
    resource, which a SavedModel keeps only if tracked.
    """

    separator = None
    unknown_id = UNKNOWN_ID

    def tokenize(self, strings):
        """Cuts strings into ids, without start and end.

        Args:
            strings: string tensor `(B,)`, UTF-8. Bytes that are not UTF-8 become
                U+FFFD, which is an unknown character.

        Returns:
            int32 ragged tensor `(B, None)`.
        """
        strings = replace_invalid(strings)
        return tf.cast(self._tokenize(strings), tf.int32)

    def rows(self, strings):
        """Cuts many strings into ids, some at a time.

        TensorFlow's ragged operators take the room of as many strings as there are, all as
        long as the longest.

        Args:
            strings: list of strings.

        Returns:
            A list of int32 arrays, as long as the strings are in ids.
        """
        found = []
        for start in range(0, len(strings), CHUNK):
            ids = self.tokenize(tf.constant(strings[start : start + CHUNK]))
            found += np.split(ids.flat_values.numpy(), ids.row_splits.numpy()[1:-1])
        return found

    def encode(self, strings, max_length):
        """Cuts strings into dense ids that end in the end id.

        Args:
            strings: string tensor `(B,)`.
            max_length: longest row in ids, the end included; longer ones are truncated.

        Returns:
            int32 tensor `(B, S)`, padded with 0.
        """
        ids = self.tokenize(strings)[:, : max_length - 1]
        end = tf.fill([ids.nrows(), 1], END_ID)
        return to_dense(tf.concat([ids, end], axis=1), PAD_ID)

    def tokens(self, strings, max_length):
        """The tokens as strings, each where `encode` has its id.

        Args:
            strings: string tensor `(B,)`.
            max_length: as of `encode`.

        Returns:
            String tensor `(B, S)`; empty at the end id and beyond.
        """
        strings = replace_invalid(strings)
        tokens = self._split(strings)[:, : max_length - 1]
        end = tf.fill([tokens.nrows(), 1], "")
        return to_dense(tf.concat([tokens, end], axis=1), "")

    def unknown_tokens(self, text):
        """What of a string is unknown, for people to read: a list of strings."""
        strings = replace_invalid(tf.constant([text]))
        tokens, ids = self._split(strings).values, self._tokenize(strings).values
        unknown = tf.boolean_mask(tokens, tf.equal(tf.cast(ids, tf.int32), UNKNOWN_ID))
        return [token.decode() for token in unknown.numpy()]

    def decode(self, ids, unknown=None):
        """Turns ids into strings.

        Args:
            ids: int32 tensor `(B, L)`. A row ends before its first end id; padding,
                start and ids outside the vocabulary are passed over.
            unknown: string tensor `(B, L)`, what to write for the unknown id; for
                tokenizers with a `separator`.

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

    def _settings(self):
        """What else `tokenizer.json` is to hold."""
        return {}

    def save(self, directory):
        """Writes the tokenizer's files into a directory."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self._save(directory)
        config = {"kind": self.kind, "vocab_size": self.vocab_size, **self._settings()}
        with atomic_file(directory / CONFIG_FILE) as temporary:
            temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


# What `str.strip` takes off.
_WHITE_SPACE = r"[\s\x0b\x1c-\x1f\x{85}\p{Z}]*"


def is_blank(strings):
    r"""Which strings are empty or white space alone, as `not text.strip()` says of each.

    Args:
        strings: string tensor of any shape.

    Returns:
        Boolean tensor of that shape.

    Example:
        >>> is_blank(tf.constant(["", " \t", "\u3000", "a "])).numpy().tolist()
        [True, True, True, False]
    """
    return tf.strings.regex_full_match(strings, _WHITE_SPACE)


def replace_invalid(strings):
    """Strings with U+FFFD for every byte that is not UTF-8."""
    return tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="replace")


def tokenizer_classes():
    """The kinds of tokenizers there are, by name."""
    from attention_zoo.text.character_tokenizer import CharacterTokenizer
    from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
    from attention_zoo.text.word_tokenizer import WordTokenizer
    from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer

    classes = (CharacterTokenizer, SentencePieceTokenizer, WordPieceTokenizer, WordTokenizer)
    return {cls.kind: cls for cls in classes}


class _Config(Content):
    """What every `tokenizer.json` of ours holds."""

    kind: str
    vocab_size: int | None = None


def load_tokenizer(directory):
    """Reads a tokenizer that `save` wrote.

    Raises:
        UserError: if a file is missing or cannot be understood.
    """
    directory = Path(directory)
    path = directory / CONFIG_FILE
    try:
        config = check_content(read_json(path), _Config, path)
    except UserError as error:
        raise UserError(f"{path} is no tokenizer: {error}") from error
    classes = tokenizer_classes()
    if config.kind not in classes:
        raise UserError(f"{path}: unknown kind {config.kind!r}; {suggest(config.kind, classes)}")
    try:
        tokenizer = classes[config.kind]._load(directory)
    # SentencePiece's and TensorFlow's own, and what protocol buffers raise.
    except (ValueError, RuntimeError, DecodeError, tf.errors.OpError) as error:
        raise UserError(f"{directory} holds a damaged tokenizer: {error}") from error
    if config.vocab_size not in (None, tokenizer.vocab_size):
        raise UserError(
            f"{directory} holds a damaged tokenizer: vocab_size is {config.vocab_size}, "
            f"the vocabulary has {tokenizer.vocab_size} ids"
        )
    return tokenizer
