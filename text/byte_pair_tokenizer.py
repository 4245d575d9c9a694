"""Byte-level byte-pair encoding in the graph, as GPT-2 and RoBERTa have it."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import tensorflow as tf
from pydantic import Field

from attention_zoo.errors import UserError, shown
from attention_zoo.files import atomic_file
from attention_zoo.json_files import Content, check_content, parse_json, read_json
from attention_zoo.text.byte_pairs import Merges, begins_word, byte_lengths
from attention_zoo.text.characters import characters_of, word_indices
from attention_zoo.text.encoder_tokenizer import AddedToken, AddedTokenContent, EncoderTokenizer
from attention_zoo.text.rows import ragged_rows
from attention_zoo.text.tokenizer import CONFIG_FILE
from attention_zoo.text.vocabulary import PAD_ID

SPECIAL_PIECES = ("<pad>", "<s>", "</s>", "<unk>", "<mask>")
_PIECES_FILE, _MERGES_FILE = "pieces.json", "merges.json"


def byte_characters() -> list[str]:
    """The character that stands for each byte in vocabularies: printable ones for themselves.

    As `bytes_to_unicode` in the code of GPT-2 (Radford et al. 2019).

    Example:
        >>> "".join(byte_characters()[byte] for byte in " é".encode())
        'ĠÃ©'
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


class BytePairTokenizer(EncoderTokenizer):
    """A tokenizer whose tokens are runs of bytes, merged from single ones.

    A text is split into words with the space before them, numbers, and runs of other characters
    (`begins_word`). In each of these, of the pairs of neighbours the one that was learned first is
    merged, and so on, until none is left (Sennrich et al. 2016; Radford et al. 2019, section 2.2).
    There are no unknown characters.

    Args:
        vocabulary: the pieces in the order of their ids, in which a character stands for each
            byte (`byte_characters`). The first must be `<pad>`; the others of `SPECIAL_PIECES`
            must be among them.
        merges: pairs of pieces, in the order in which they were learned.
        add_prefix_space: whether a text that does not begin with a space gets one.
        added: tokens that are found in a text before it is split.

    Raises:
        UserError: if a special piece is missing, `<pad>` is not the first, or a pair or what it
            becomes is not in the vocabulary.

    Example:
        >>> pieces = [*SPECIAL_PIECES, *byte_characters(), "in", "ing"]
        >>> tokenizer = BytePairTokenizer(pieces, [("i", "n"), ("in", "g")])
        >>> ids = tokenizer.encode(tf.constant(["sing"]), max_length=8)
        >>> tokenizer.pieces(ids.numpy()[0])
        ['<s>', 's', 'ing', '</s>']
    """

    kind = "byte_pair"
    separators = 2  # as in fairseq: <s> a </s></s> b </s>
    marks_segments = False

    def __init__(
        self,
        vocabulary: Iterable[str],
        merges: Iterable[tuple[str, str]],
        add_prefix_space: bool = False,
        added: Iterable[AddedToken] = (),
    ):
        super().__init__(added)
        # Tuples, because a tf.Module wraps lists.
        self.vocabulary, self.merges = tuple(vocabulary), tuple(merges)
        self.vocab_size = len(self.vocabulary)
        self.add_prefix_space = add_prefix_space
        ids = {piece: i for i, piece in enumerate(self.vocabulary)}
        missing = [piece for piece in SPECIAL_PIECES if piece not in ids]
        if missing or self.vocabulary[PAD_ID] != SPECIAL_PIECES[0]:
            problem = f"it lacks {', '.join(missing)}" if missing else "it begins with another"
            raise UserError(
                f"a byte-pair vocabulary must begin with {SPECIAL_PIECES[0]} and contain "
                f"{', '.join(SPECIAL_PIECES[1:])}; {problem}"
            )
        self.cls_id, self.sep_id, self.unknown_id, self.mask_id = (
            ids[piece] for piece in SPECIAL_PIECES[1:]
        )
        # A word in a gap has its space with it.
        self.mask_token = self._mask_token(AddedToken("<mask>", self.mask_id, lstrip=True))
        characters = byte_characters()
        self._byte_ids = np.array([ids.get(c, self.unknown_id) for c in characters], "int32")
        for left, right in self.merges:
            if not {left, right, left + right} <= ids.keys():
                raise UserError(f"the pair {shown(left)} {shown(right)} is not in the vocabulary")
        self._merges = Merges(
            [(ids[left], ids[right]) for left, right in self.merges],
            [ids[left + right] for left, right in self.merges],
            self.vocab_size,
        )
        byte_of = {character: byte for byte, character in enumerate(characters)}
        self._texts = np.array(
            [
                b"" if piece in SPECIAL_PIECES else bytes(byte_of.get(c, 0x3F) for c in piece)
                for piece in self.vocabulary
            ],
            dtype=object,
        )

    def _locate(self, strings: tf.Tensor) -> tuple[Any, Any, Any]:
        if self.add_prefix_space:
            lacks = ~tf.strings.regex_full_match(strings, "(?s)( .*)?")
            strings = tf.where(lacks, tf.strings.join([" ", strings]), strings)
        text = characters_of(strings)
        lengths = byte_lengths(text.codes)
        character = tf.repeat(tf.range(tf.size(lengths)), lengths)
        word = tf.gather(tf.cumsum(tf.cast(begins_word(text), tf.int32)) - 1, character)
        raw = tf.io.decode_raw(tf.strings.reduce_join(strings), tf.uint8)
        byte_ids = tf.gather(tf.constant(self._byte_ids), tf.cast(raw, tf.int32))
        ids, _, first = self._merges.apply(byte_ids, word)
        after = tf.concat([first[1:], [tf.size(raw)]], 0)[: tf.size(first)]
        start, last = (tf.gather(character, index) for index in (first, after - 1))
        # The space before a word is not part of it.
        start += tf.cast(tf.gather(text.is_space, start) & (start < last), tf.int32)
        row = tf.searchsorted(text.row_splits, tf.cast(start, tf.int64), side="right") - 1
        offset = tf.cast(tf.gather(text.row_splits, row), tf.int32)
        splits = tf.searchsorted(row, tf.range(tf.size(text.row_splits)), side="left")
        starts, ends = start - offset, last + 1 - offset
        if self.add_prefix_space:
            inserted = tf.gather(tf.cast(lacks, tf.int32), row)
            starts, ends = tf.maximum(starts - inserted, 0), ends - inserted
        splits = tf.cast(splits, tf.int64)
        ids_, starts_, ends_ = (ragged_rows(values, splits) for values in (ids, starts, ends))
        return ids_, starts_, ends_

    def _word_indices(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return word_indices(characters_of(strings))

    def continues(self) -> tf.Tensor:
        """See `EncoderTokenizer`: pieces that begin with no space, but for the first of a text."""
        return tf.constant([not text.startswith(b" ") for text in self._texts])

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        pieces = tf.ragged.map_flat_values(
            lambda values: tf.gather(tf.constant(self._texts), values), ids
        )
        text = tf.strings.reduce_join(pieces, axis=1)
        valid = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        return tf.strings.regex_replace(valid, "^ ", "")

    def unknown_tokens(self, text: str | bytes) -> list[str]:
        """The characters of a string some byte of which the vocabulary lacks."""
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        known = self._byte_ids != self.unknown_id
        return [character for character in text if not known[list(character.encode())].all()]

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The pieces of ids, for display."""
        return [self.vocabulary[int(i)] for i in ids]

    def _needed_for(self, used: set[int]) -> set[int]:
        """The pieces, and those that are merged on the way to them."""
        ids = {piece: i for i, piece in enumerate(self.vocabulary)}
        parts = {}
        for left, right in self.merges:
            parts.setdefault(ids[left + right], []).append((ids[left], ids[right]))
        needed, waiting = set(), list(used)
        while waiting:
            if (i := waiting.pop()) not in needed:
                needed.add(i)
                waiting += [part for pair in parts.get(i, ()) for part in pair]
        return needed

    def _with_vocabulary(self, kept: np.ndarray, added: list[AddedToken]) -> Self:
        pieces = [self.vocabulary[i] for i in kept]
        known = set(pieces)
        merges = [m for m in self.merges if {*m, m[0] + m[1]} <= known]
        return type(self)(pieces, merges, self.add_prefix_space, added)

    def texts(self) -> list[bytes]:
        """See `EncoderTokenizer`; bytes that are no whole character become U+FFFD."""
        return [
            piece.encode() if piece in SPECIAL_PIECES else text.decode(errors="replace").encode()
            for piece, text in zip(self.vocabulary, self._texts, strict=True)
        ]

    def _settings(self) -> dict[str, Any]:
        return {
            "add_prefix_space": self.add_prefix_space,
            "added": [dataclasses.asdict(token) for token in self.added],
        }

    def _save(self, directory: Path) -> None:
        for name, content in ((_PIECES_FILE, self.vocabulary), (_MERGES_FILE, self.merges)):
            with atomic_file(directory / name) as temporary:
                temporary.write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def _load(cls, directory: Path) -> Self:
        path = directory / CONFIG_FILE
        settings = check_content(read_json(path), _Settings, path)
        files = {
            name: parse_json(directory / file)
            for name, file in (("pieces", _PIECES_FILE), ("merges", _MERGES_FILE))
        }
        content = check_content(files, _Files, directory)
        added = [token.token(len(content.pieces)) for token in settings.added]
        merges = [(left, right) for left, right in content.merges]
        return cls(content.pieces, merges, settings.add_prefix_space, added)


class _Settings(Content):
    add_prefix_space: bool
    added: list[AddedTokenContent] = Field(default=[])


class _Files(Content):
    pieces: list[str] = Field(min_length=1)
    merges: list[Annotated[list[str], Field(min_length=2, max_length=2)]]
