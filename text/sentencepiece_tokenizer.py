"""SentencePiece, trained by its own library and run in the graph by tensorflow-text."""

import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import sentencepiece
import tensorflow as tf
import tensorflow_text
from sentencepiece import sentencepiece_model_pb2
from tensorflow_text.python.ops.sentencepiece_tokenizer import (
    gen_sentencepiece_tokenizer as sentencepiece_operators,
)

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, read_file
from attention_zoo.text.scripts import UNSPACED
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.tokenizer_options import SentencePieceOptions
from attention_zoo.text.vocabulary import END_ID, PAD_ID, SPACE_MARK, START_ID, UNKNOWN_ID

_FILE = "sentencepiece.model"
_UNSPACED = re.compile(f"[{UNSPACED}]")
_protocol: Any = sentencepiece_model_pb2  # its classes are created at run time
_VOCAB_SIZE = 8000


class SentencePieces(tf.Module):
    """A SentencePiece model, in the graph and beside it.

    Args:
        model: the bytes of the model.

    Raises:
        UserError: if they are no SentencePiece model.

    Attributes:
        names: its pieces, by its own ids.
        special_ids: its ids of padding, unknown, start and end; -1 for those it lacks.
    """

    def __init__(self, model: bytes):
        super().__init__()
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise UserError(f"not a SentencePiece model: {error}") from error
        pieces = self._pieces
        if not pieces.get_piece_size():
            raise UserError("not a SentencePiece model: it has no pieces")
        # Tuples, because a tf.Module wraps lists.
        self.names = tuple(pieces.id_to_piece(i) for i in range(pieces.get_piece_size()))
        self.special_ids = (pieces.pad_id(), pieces.unk_id(), pieces.bos_id(), pieces.eos_id())
        self._bytes = frozenset(name for i, name in enumerate(self.names) if pieces.is_byte(i))
        self._processor = _make_processor(model)

    def text_of(self, piece: str) -> bytes:
        """What a piece stands for: its UTF-8, or one byte, if the model falls back on bytes."""
        return bytes([int(piece[3:5], 16)]) if piece in self._bytes else piece.encode()

    @property
    def is_unigram(self) -> bool:
        """Whether this is a unigram model that does not fall back on bytes."""
        return isinstance(self._processor, tensorflow_text.FastSentencepieceTokenizer)

    def tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """Valid UTF-8 `(B,)` to the model's ids, by a single operator."""
        return self._processor.tokenize(strings)

    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """The model's ids to strings `(B,)`."""
        return self._processor.detokenize(ids)

    def ids(self, text: str | bytes) -> list[int]:
        """The model's ids of a string, by the sentencepiece package."""
        return self._pieces.encode(text)

    def split(self, text: str | bytes) -> list[str]:
        """The pieces of a string, by the sentencepiece package; unknown parts as they are."""
        return self._pieces.encode(text, out_type=str)


class SentencePieceTokenizer(Tokenizer):
    """A tokenizer whose tokens are subwords (Kudo & Richardson 2018).

    Args:
        model: the bytes of a SentencePiece model whose ids 0-3 are pad, unknown,
            start and end.

    Raises:
        UserError: if the special ids of the model differ.
    """

    kind = "sentencepiece"
    options = SentencePieceOptions

    def __init__(self, model: bytes):
        super().__init__()
        self.model = model
        self._pieces = SentencePieces(model)
        self.vocab_size = len(self._pieces.names)
        special = list(self._pieces.special_ids)
        if special != [PAD_ID, UNKNOWN_ID, START_ID, END_ID]:
            raise UserError(
                f"the SentencePiece model must have pad, unknown, start and end as ids 0, 1, 2, 3; "
                f"it has {special}"
            )

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int | None = None, algorithm: str = "unigram"
    ) -> Self:
        """Learns pieces from texts.

        Args:
            texts: any number of strings.
            vocab_size: number of pieces, including the four special ids; None means 8,000.
            algorithm: `"unigram"` or `"bpe"`.

        Raises:
            UserError: if the texts cannot fill the vocabulary, or it is too small for them.
        """
        vocab_size = _VOCAB_SIZE if vocab_size is None else vocab_size
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                vocab_size=vocab_size,
                model_type=algorithm,
                character_coverage=1.0,
                pad_id=PAD_ID,
                unk_id=UNKNOWN_ID,
                bos_id=START_ID,
                eos_id=END_ID,
                num_threads=1,  # more threads break ties differently from run to run
                max_sentence_length=1 << 20,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise UserError(_explain(str(error), vocab_size)) from error
        return cls(model.getvalue())

    @property
    def is_unigram(self) -> bool:
        """Whether this is a unigram model, which LiteRT can run too."""
        return self._pieces.is_unigram

    def raw_ids(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """The ids of valid UTF-8 `(B,)` as a ragged tensor, by a single operator."""
        return self._pieces.tokenize(strings)

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        return self._pieces.tokenize(strings)

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        return self._pieces.detokenize(ids)

    def unknown_tokens(self, text: str | bytes) -> list[str]:
        """The unknown parts of a string; adjacent unknown characters are one part."""
        ids, pieces = self._pieces.ids(text), self._pieces.split(text)
        return [piece for i, piece in zip(ids, pieces, strict=True) if i == UNKNOWN_ID]

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The pieces of ids, for display."""
        return [self._pieces.names[int(i)] for i in ids]

    def spellings(self, text: str) -> list[list[int]]:
        """See `Tokenizer`: in any pieces, after a space or not."""
        return spellings(text, {p: i for i, p in enumerate(self._pieces.names)})

    def continues_word(self, ids: Sequence[int]) -> list[bool]:
        """See `Tokenizer`: words begin with a space."""
        return [not piece.startswith(SPACE_MARK) for piece in self.pieces(ids)]

    def _save(self, directory: Path) -> None:
        with atomic_file(directory / _FILE) as temporary:
            temporary.write_bytes(self.model)

    @classmethod
    def _load(cls, directory: Path) -> Self:
        return cls(read_file(directory / _FILE))


def spellings(text: str, ids: Mapping[str, int], most: int = 1000) -> list[list[int]]:
    """The ways to write a text in pieces, with and without a space in front.

    In scripts without spaces also each longer piece that contains the text.

    Args:
        text: a word or phrase.
        ids: the id of each piece.
        most: the number of ways to return; those in fewer pieces come first.

    Returns:
        Lists of ids.

    Example:
        >>> spellings("ab", {"\u2581a": 4, "a": 5, "b": 6, "ab": 7})
        [[7], [4, 6], [5, 6]]
    """
    found: list[list[int]] = []
    for string in (SPACE_MARK + (word := SPACE_MARK.join(text.split())), word):
        # The ways to write the first n characters.
        ways: list[list[list[int]]] = [[[]]]
        for end in range(1, len(string) + 1):
            last = [(start, ids.get(string[start:end])) for start in range(end)]
            rows = [[*way, i] for start, i in last if i is not None for way in ways[start]]
            ways.append(sorted(rows, key=len)[:most])
        found += ways[-1]
    if _UNSPACED.search(word):
        found += [[i] for piece, i in ids.items() if word in piece.lstrip(SPACE_MARK) != word]
    return sorted(found, key=len)[:most]


def with_pieces(model: bytes, kept: Iterable[int]) -> bytes:
    """A SentencePiece model with some of its pieces only.

    Args:
        model: the bytes of a model.
        kept: their ids, in the new order; the special ones of the model must be among them.
    """
    old = _protocol.ModelProto.FromString(model)
    new = _protocol.ModelProto.FromString(model)
    del new.pieces[:]
    new.pieces.extend(old.pieces[int(i)] for i in kept)
    trainer, names = new.trainer_spec, [piece.piece for piece in new.pieces]
    for name in ("unk", "bos", "eos", "pad"):
        if getattr(trainer, f"{name}_id") >= 0:
            setattr(trainer, f"{name}_id", names.index(getattr(trainer, f"{name}_piece")))
    return new.SerializeToString()


def _make_processor(model: bytes) -> Any:
    """The in-graph tokenizer that gives the same ids as the sentencepiece package.

    tensorflow-text has two. The fast one keeps the model in a constant; it is exact for unigram
    models, but wrong for BPE and for models that fall back on bytes. The other is exact for
    these, but breaks ties of unigram models differently from sentencepiece 0.2.
    """
    description = _protocol.ModelProto.FromString(model)
    trainer = description.trainer_spec
    if trainer.model_type == _protocol.TrainerSpec.UNIGRAM and not trainer.byte_fallback:
        return tensorflow_text.FastSentencepieceTokenizer(model=model)
    processor = tensorflow_text.SentencepieceTokenizer(model=model)
    processor._model_resource = _SharedResource(model)
    return processor


class _SharedResource(tf.saved_model.experimental.TrackableResource):
    """The model of a `SentencepieceTokenizer`, under a name of its own.

    Without a name it belongs to a cached kernel, and is lost when TensorFlow clears that cache, as
    every `keras.utils.set_random_seed` does.
    """

    def __init__(self, model: bytes):
        super().__init__()
        self._model = model
        self._name = f"sentencepiece-{hashlib.sha256(model).hexdigest()}"
        _ = self.resource_handle  # creates the resource

    def _create_resource(self) -> tf.Tensor:
        return sentencepiece_operators.sentencepiece_op(model=self._model, shared_name=self._name)


def _explain(message: str, vocab_size: int) -> str:
    """Rephrases SentencePiece's errors, which name C++ source lines, in the user's terms."""
    # "Vocabulary size too high (4000). Please set it to a value <= 93."
    largest = re.search(r"value <= (\d+)", message)
    if largest:
        return (
            f"tokenizer.vocab_size: {vocab_size} is too large for the training text; "
            f"at most {largest[1]} is possible"
        )
    # "Vocabulary size is smaller than required_chars. 10 vs 23."
    smallest = re.search(r"required_chars\D*\d+ vs (\d+)", message)
    if smallest:
        return (
            f"tokenizer.vocab_size: {vocab_size} is too small for the characters of the training "
            f"text; at least {int(smallest[1])} is needed"
        )
    return f"SentencePiece cannot be trained with tokenizer.vocab_size={vocab_size}: {message}"
