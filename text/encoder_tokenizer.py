"""The base class of encoders' tokenizers: rows with special ids, and where each piece is."""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import tensorflow as tf
import tensorflow_text
from pydantic import Field

from attention_zoo.errors import UserError
from attention_zoo.json_files import Content
from attention_zoo.text.rows import ragged_rows, to_dense
from attention_zoo.text.tokenizer import Tokenizer, replace_invalid
from attention_zoo.text.vocabulary import PAD_ID

# The characters with Unicode's property White_Space.
_NOT_A_CHARACTER = "\ufdd0"
_SPACE = r"[\t\n\x0b\x0c\r \x{85}\p{Z}]"


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


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A string that is one token wherever it stands in a text, before the text is split.

    Attributes:
        content: the string.
        id: its id.
        lstrip: whether white space before it belongs to it.
        rstrip: whether white space after it belongs to it.
    """

    content: str
    id: int
    lstrip: bool = False
    rstrip: bool = False

    @property
    def pattern(self) -> str:
        """What it matches, as a regular expression of RE2."""
        before, after = (f"{_SPACE}*" if on else "" for on in (self.lstrip, self.rstrip))
        return before + re.escape(self.content) + after


class AddedTokenContent(Content):
    """An added token in a `tokenizer.json` of ours."""

    content: Annotated[str, Field(min_length=1)]
    id: Annotated[int, Field(ge=0)]
    lstrip: bool
    rstrip: bool

    def token(self, vocab_size: int) -> AddedToken:
        """The token.

        Raises:
            UserError: if the vocabulary lacks its id.
        """
        if self.id >= vocab_size:
            raise UserError(
                f"the added token {self.content!r} has the id {self.id} of {vocab_size}"
            )
        return AddedToken(self.content, self.id, self.lstrip, self.rstrip)


class EncoderTokenizer(Tokenizer):
    """A tokenizer for encoders: a text, or a pair of them, becomes one row of ids.

    Subclasses set the ids below, and define `_locate`, `_word_indices` and `continues` besides what
    every tokenizer but for `_tokenize` defines. Id 0 is padding.

    Args:
        added: tokens that are found in a text before it is split.

    Attributes:
        mask_token: the string that stands for a masked token in texts with gaps, and its id.
        cls_id: id in front of every row.
        sep_id: id after each text.
        mask_id: id that stands for a masked token.
        separators: how many `sep_id` are between the texts of a pair.
        marks_segments: whether the second text of a pair has segment id 1, as in BERT; otherwise
            all segment ids are 0.
    """

    cls_id: int
    sep_id: int
    mask_id: int
    mask_token: AddedToken
    separators: ClassVar[int] = 1
    marks_segments: ClassVar[bool] = True

    def __init__(self, added: Iterable[AddedToken] = ()):
        super().__init__()
        self.added = tuple(added)

    def _mask_token(self, default: AddedToken) -> AddedToken:
        """The mask among the added tokens, or the default."""
        return next((token for token in self.added if token.id == default.id), default)

    def _locate(self, strings: tf.Tensor) -> tuple[Any, Any, Any]:
        """Ids of valid UTF-8 `(B,)`, and the offsets of their first and last characters.

        Returns:
            Three ragged int32 tensors `(B, None)`; see `Pieces`.
        """
        raise NotImplementedError

    def _word_indices(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """For each character of valid UTF-8 the index of its word, separated by white space.

        Returns:
            Ragged int32 tensor `(B, None)`; for white space the index of the word before it, or
            -1 before the first word.
        """
        raise NotImplementedError

    def tokenize_with_offsets(self, strings: tf.Tensor) -> Pieces:
        """Tokenizes strings and says where in the text each piece is.

        Args:
            strings: string tensor `(B,)`, UTF-8.
        """
        strings = replace_invalid(strings)
        ids, starts, ends = self._locate_all(strings, self.added)
        word_indices = self._word_indices(strings)
        row_start = tf.gather(word_indices.row_splits, starts.value_rowids())
        character = row_start + tf.cast(starts.values, tf.int64)
        return Pieces(
            ids=ids,
            words=starts.with_values(tf.gather(word_indices.values, character)),
            starts=starts,
            ends=ends,
            word_counts=tf.maximum(tf.reduce_max(word_indices, axis=1), -1) + 1,
        )

    def tokenize_with_masks(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """Like `tokenize`; the string of `mask_token` is one token in any case."""
        others = [token for token in self.added if token.id != self.mask_id]
        return self._locate_all(replace_invalid(strings), (*others, self.mask_token))[0]

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return self._locate_all(strings, self.added)[0]

    def _locate_all(
        self, strings: tf.Tensor, added: tuple[AddedToken, ...]
    ) -> tuple[Any, Any, Any]:
        """`_locate` for what is between the added tokens, and these."""
        if not added:
            return self._locate(strings)
        # Of tokens that begin at the same place, the longest counts.
        added = tuple(sorted(added, key=lambda token: len(token.content), reverse=True))
        pattern = "|".join(token.pattern for token in added)
        # The operator takes a null character for the end of a string.
        strings = tf.strings.regex_replace(strings, r"\x00", _NOT_A_CHARACTER)
        parts: Any = tensorflow_text.regex_split(strings, pattern, pattern)
        part = tf.strings.regex_replace(parts.values, _NOT_A_CHARACTER, "\x00")
        splits = parts.row_splits
        is_added = tf.strings.regex_full_match(part, pattern)
        text = tf.where(is_added, "", part)
        ids, starts, ends = self._locate(text)
        # The token of a part, which may have white space around it.
        content = tf.strings.regex_replace(part, f"^{_SPACE}+|{_SPACE}+$", "")
        contents = tf.constant([token.content.strip() for token in added])
        token = tf.argmax(tf.equal(content[:, tf.newaxis], contents), axis=1)
        token_id = tf.gather(tf.constant([token.id for token in added], tf.int32), token)
        length = tf.strings.length(part, "UTF8_CHAR")
        from_token = tf.strings.regex_replace(part, f"^{_SPACE}+", "")
        before = length - tf.strings.length(from_token, "UTF8_CHAR")
        offset = tf.cumsum(length, exclusive=True)
        of_row = tf.gather(tf.concat([offset, [0]], 0), splits[:-1])
        offset -= tf.repeat(of_row, parts.row_lengths())
        end = before + tf.strings.length(content, "UTF8_CHAR")

        def joined(values: Any, of_token: tf.Tensor) -> Any:
            single: Any = tf.ragged.boolean_mask(of_token[:, tf.newaxis], is_added[:, tf.newaxis])
            single = single.with_row_splits_dtype(values.row_splits.dtype)
            rows: Any = tf.concat([values, single], axis=1)
            return ragged_rows(rows.values, tf.gather(rows.row_splits, splits))

        shift = offset[:, tf.newaxis]
        return (
            joined(ids, token_id),
            joined(starts + shift, before + offset),
            joined(ends + shift, end + offset),
        )

    def continues(self) -> tf.Tensor:
        """For each id whether it continues a word: boolean tensor `(V,)`."""
        raise NotImplementedError

    @property
    def special_ids(self) -> tuple[int, ...]:
        """See `Tokenizer`."""
        return PAD_ID, self.cls_id, self.sep_id

    def continues_word(self, ids: Sequence[int]) -> list[bool]:
        """See `Tokenizer`."""
        return tf.gather(self.continues(), tf.constant(ids, tf.int32)).numpy().tolist()

    def keep(self, used: Iterable[int]) -> tuple[Self, np.ndarray]:
        """The tokenizer with some of its tokens only.

        Special and added tokens are kept in any case. Texts made of kept tokens have the same ones.

        Args:
            used: ids.

        Returns:
            The tokenizer, and the old id of each of its ids.
        """
        special = {PAD_ID, self.cls_id, self.sep_id, self.unknown_id, self.mask_id}
        wanted = special | {token.id for token in self.added} | self._needed_for(set(used))
        kept = np.array(sorted(wanted))
        new_id = {int(old): new for new, old in enumerate(kept)}
        added = [dataclasses.replace(token, id=new_id[token.id]) for token in self.added]
        return self._with_vocabulary(kept, added), kept

    def _needed_for(self, used: set[int]) -> set[int]:
        """The ids without which some ids would not be found in a text; these among them."""
        return used

    def _with_vocabulary(self, kept: np.ndarray, added: list[AddedToken]) -> Self:
        """The tokenizer with these ids only."""
        raise NotImplementedError

    def texts(self) -> list[bytes]:
        """What each id stands for, for display; a space before a word is part of it."""
        raise NotImplementedError

    def room(self, max_length: int | tf.Tensor, num_texts: int = 1) -> int | tf.Tensor:
        """How many ids of a row are left for one text, or for both of a pair together."""
        return max_length - 2 - (num_texts - 1) * self.separators

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
            return self.join(first[:, : self.room(max_length)])
        second = self.tokenize(pairs)
        return self.join(*truncate_pair(first, second, self.room(max_length, 2)))

    def join(
        self, first: tf.RaggedTensor, second: tf.RaggedTensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Adds the special ids to ragged ids `(B, None)`; returns ids and segment ids `(B, S)`."""
        cls, sep = (tf.fill([first.nrows(), 1], n) for n in (self.cls_id, self.sep_id))
        ids = tf.concat([cls, first, sep], axis=1)
        segments = tf.zeros_like(ids)
        if second is not None:
            tail = tf.concat([*[sep] * (self.separators - 1), second, sep], axis=1)
            ids = tf.concat([ids, tail], axis=1)
            segment = tf.ones_like(tail) if self.marks_segments else tf.zeros_like(tail)
            segments = tf.concat([segments, segment], axis=1)
        return to_dense(ids, PAD_ID), to_dense(segments, 0)

    def _without_special(self, ids: tf.Tensor) -> tf.RaggedTensor:
        """The ids of a row that stand for text; special ones and impossible ones are left out."""
        special = [PAD_ID, self.cls_id, self.sep_id]
        kept = tf.reduce_all(tf.not_equal(tf.expand_dims(ids, 2), special), axis=2)
        return tf.ragged.boolean_mask(ids, kept & (ids >= 0) & (ids < self.vocab_size))

    def decode(self, ids: tf.Tensor, unknown: tf.Tensor | None = None) -> tf.Tensor:
        """Converts ids to strings; special ids are skipped.

        Args:
            ids: int32 tensor `(B, L)`.
            unknown: not supported by tokenizers of encoders.

        Returns:
            String tensor `(B,)`.
        """
        return self._detokenize(self._without_special(ids))


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
