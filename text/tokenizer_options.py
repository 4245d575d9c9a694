"""What a recipe can set for each kind of tokenizer. Imports no TensorFlow.

The classes of our own tokenizers stand here, so that a recipe is checked before TensorFlow
loads; `tests/text/test_registry.py` compares them with the signatures of `train`. A class of a
user's tokenizer is derived from that signature when the tokenizer is registered.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

import pydantic
from pydantic import Field

from attention_zoo.errors import UserError, suggest
from attention_zoo.fields import VocabularySize
from attention_zoo.plugins import PLUGIN_HINT, is_registered


class TokenizerOptions(pydantic.BaseModel):
    """The options of a kind of tokenizer: its name, and the keyword arguments of its `train`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: str

    def train_arguments(self) -> dict[str, Any]:
        """The keyword arguments for the tokenizer's `train`; options that are None are left out.

        Example:
            >>> CharacterOptions(vocab_size=100).train_arguments()
            {'vocab_size': 100}
        """
        return self.model_dump(exclude={"kind"}, exclude_none=True)


class CharacterOptions(TokenizerOptions):
    """One token per character."""

    kind: Literal["characters"] = "characters"
    vocab_size: VocabularySize | None = Field(
        None, description="Largest vocabulary; rarer characters are unknown. null keeps them all."
    )


class WordOptions(TokenizerOptions):
    """One token per word between spaces."""

    kind: Literal["words"] = "words"
    vocab_size: VocabularySize | None = Field(
        None, description="Largest vocabulary; rarer words are unknown. null keeps them all."
    )


class SentencePieceOptions(TokenizerOptions):
    """Subwords learned by SentencePiece."""

    kind: Literal["sentencepiece"] = "sentencepiece"
    vocab_size: VocabularySize | None = Field(
        None, description="Number of pieces, including the four special ids; null means 8,000."
    )
    algorithm: Literal["unigram", "bpe"] = Field(
        "unigram", description="How pieces are learned: a unigram model or byte-pair merges."
    )


class WordPieceOptions(TokenizerOptions):
    """BERT's subwords."""

    kind: Literal["wordpiece"] = "wordpiece"
    vocab_size: VocabularySize | None = Field(
        None, description="Largest vocabulary, including the special pieces; null means 8,000."
    )
    lower_case: bool = Field(True, description="Lowercase the text.")
    strip_accents: bool | None = Field(
        None, description="Strip accents; null: strip them if the text is lowercased."
    )


_OPTIONS: dict[str, type[TokenizerOptions]] = {
    "characters": CharacterOptions,
    "sentencepiece": SentencePieceOptions,
    "wordpiece": WordPieceOptions,
    "words": WordOptions,
}


def register_options(kind: str, options: type[TokenizerOptions]) -> None:
    """Registers the options of a kind; `register_tokenizer` calls this."""
    _OPTIONS[kind] = options


def option_kinds() -> list[str]:
    """The kinds that have options, in the order of their registration."""
    return [*_OPTIONS]


def options_class(kind: str) -> type[TokenizerOptions]:
    """The options of a kind of tokenizer.

    Raises:
        UserError: if the kind is not registered.
    """
    if not is_registered(kind, _OPTIONS):
        raise unknown_kind(kind)
    return _OPTIONS[kind]


def options_union() -> Any:
    """The options of all registered kinds as one pydantic type, distinguished by `kind`.

    Example:
        >>> adapter = pydantic.TypeAdapter(options_union())
        >>> adapter.validate_python({"kind": "words", "vocab_size": 50})
        WordOptions(kind='words', vocab_size=50)
    """
    return Annotated[Union[tuple(_OPTIONS.values())], Field(discriminator="kind")]  # noqa: UP007


def unknown_kind(kind: object) -> UserError:
    """The error for a kind that is not registered."""
    return UserError(f"unknown tokenizer kind {kind!r}; {suggest(kind, _OPTIONS)}. {PLUGIN_HINT}")


def options_of(kind: str, train: Callable[..., Any]) -> type[TokenizerOptions]:
    """Derives the options of a kind from the signature of its `train`.

    Args:
        kind: the registered name.
        train: a function of the texts and of keyword arguments. Each of these becomes an option,
            with its annotation and its default.

    Example:
        >>> def train(texts, vocab_size: int, lower_case: bool = True): ...
        >>> options_of("mine", train)(vocab_size=10)
        MineOptions(kind='mine', vocab_size=10, lower_case=True)
    """
    _, *parameters = inspect.signature(train, eval_str=True).parameters.values()
    fields: dict[str, Any] = {"kind": (Literal[kind], kind)}
    fields |= {
        parameter.name: (
            Any if parameter.annotation is parameter.empty else parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in parameters
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    name = "".join(part.title() for part in kind.split("_"))
    return pydantic.create_model(f"{name}Options", __base__=TokenizerOptions, **fields)
