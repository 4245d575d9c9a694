"""The kinds of tokenizers, by the names that recipes and `tokenizer.json` use."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import tensorflow as tf
from google.protobuf.message import DecodeError

from attention_zoo.errors import UserError
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.plugins import is_registered
from attention_zoo.text.byte_pair_tokenizer import BytePairTokenizer
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.examples import FilePath
from attention_zoo.text.piece_tokenizer import PieceTokenizer
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.tokenizer import CONFIG_FILE, Tokenizer
from attention_zoo.text.tokenizer_options import (
    TokenizerOptions,
    options_of,
    register_options,
    unknown_kind,
)
from attention_zoo.text.unigram_tokenizer import UnigramTokenizer
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer

_T = TypeVar("_T", bound=type[Tokenizer])
_CLASSES: dict[str, type[Tokenizer]] = {}


def register_tokenizer(cls: _T) -> _T:
    """Registers a tokenizer class under its `kind`; also a class decorator.

        @register_tokenizer
        class ByteTokenizer(Tokenizer):
            kind = "bytes"
            ...

    From then on recipes accept `tokenizer: {kind: ...}`, with the keyword arguments of the class's
    `train` as options, and `load_tokenizer` reads what the tokenizer has saved.

    Args:
        cls: a subclass of `Tokenizer`. If it has no `options`, they are derived from `train`.

    Returns:
        The class.

    Raises:
        UserError: if it has no `kind`, or another class has the same.
    """
    kind = getattr(cls, "kind", None)
    if not isinstance(kind, str) or not kind:
        raise UserError(f"{cls.__qualname__}.kind must be a name, received {kind!r}")
    other = _CLASSES.get(kind, cls)
    # A module that is imported again makes its classes anew.
    if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise UserError(
            f"the tokenizer kind {kind!r} is already registered by "
            f"{other.__module__}.{other.__qualname__}"
        )
    # Not an inherited one, which has the kind and perhaps other arguments of the parent.
    if "options" not in vars(cls):
        cls.options = options_of(kind, cls.train)
    register_options(kind, cls.options)
    _CLASSES[kind] = cls
    return cls


for _cls in (CharacterTokenizer, SentencePieceTokenizer, WordPieceTokenizer, WordTokenizer):
    register_tokenizer(_cls)
# These come with the weights of a model, so no recipe can ask for them.
_CLASSES |= {cls.kind: cls for cls in (BytePairTokenizer, PieceTokenizer, UnigramTokenizer)}


def tokenizer_kinds() -> list[str]:
    """The registered kinds, sorted."""
    return sorted(_CLASSES)


def tokenizer_class(kind: str) -> type[Tokenizer]:
    """The class of a kind of tokenizer.

    Raises:
        UserError: if the kind is not registered.
    """
    if not is_registered(kind, _CLASSES):
        raise unknown_kind(kind)
    return _CLASSES[kind]


def train_tokenizer(options: TokenizerOptions, texts: Iterable[str]) -> Tokenizer:
    """Trains a tokenizer as a recipe describes it."""
    return tokenizer_class(options.kind).train(texts, **options.train_arguments())


class _Config(Content):
    """The part of `tokenizer.json` that every kind has."""

    kind: str
    vocab_size: int | None = None


def load_tokenizer(directory: FilePath) -> Tokenizer:
    """Reads a tokenizer that `Tokenizer.save` wrote.

    Raises:
        UserError: if a file is missing or invalid, or the kind is not registered.
    """
    directory = Path(directory)
    path = directory / CONFIG_FILE
    try:
        config = check_content(read_json(path), _Config, path)
    except UserError as error:
        raise UserError(f"{path} is not a tokenizer: {error}") from error
    try:
        cls = tokenizer_class(config.kind)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    try:
        tokenizer = cls._load(directory)
    # The last three: from protocol buffers, SentencePiece and TensorFlow.
    except (ValueError, DecodeError, RuntimeError, tf.errors.OpError) as error:
        raise UserError(f"{directory} contains a damaged tokenizer: {error}") from error
    if config.vocab_size not in (None, tokenizer.vocab_size):
        raise UserError(
            f"{directory} contains a damaged tokenizer: vocab_size is {config.vocab_size}, "
            f"the vocabulary has {tokenizer.vocab_size} ids"
        )
    return tokenizer
