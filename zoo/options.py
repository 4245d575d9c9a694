"""The options of models in recipes: names, types, ranges, and the largest size.

Does not import Keras, so mistakes are reported at once. `tests/zoo/test_options.py` compares
names and defaults with the constructors.
"""

import inspect
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

from attention_zoo.errors import UserError, explain, suggest
from attention_zoo.fields import Real, Whole

LONGEST = 100_000  # ids in a sequence: beyond, attention's matrices alone fill any memory
MOST_WEIGHTS = 10_000_000_000  # 40 GB in float32, twice that for the optimizer


Fraction = Annotated[Real, Field(ge=0, lt=1)]
_Count = Annotated[Whole, Field(ge=1, le=1000)]
_Width = Annotated[Whole, Field(ge=1, le=1_000_000)]
_Length = Annotated[Whole, Field(gt=1, le=LONGEST)]
_Positions = Literal["sinusoidal", "sinusoidal_halves", "sinusoidal_marian", "learned"]
_Epsilon = Annotated[Real, Field(gt=0, lt=1)]


class _Options(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    is_seq2seq: ClassVar[bool] = False
    family: ClassVar[str | None] = None  # the model whose presets it takes; its own when None

    def weights(self, vocab_size):
        """About how many numbers the model has; 0 if that is not known."""
        return 0


class _Heads(_Options):
    @pydantic.model_validator(mode="after")
    def _divides(self):
        if self.width % self.num_heads:
            raise ValueError(
                f"num_heads must divide the width, received num_heads={self.num_heads}, "
                f"width={self.width}"
            )
        return self


class TransformerOptions(_Heads):
    """The options of `Transformer`."""

    is_seq2seq: ClassVar[bool] = True

    width: _Width = 512
    num_heads: _Count = 8
    feed_forward_width: _Width = 2048
    num_encoder_blocks: _Count = 6
    num_decoder_blocks: _Count = 6
    share_embeddings: bool = True
    tie_output: bool = True
    output_bias: bool = False
    scale_embeddings: bool = True
    embedding_norm: bool = False
    positions: _Positions = "sinusoidal"
    max_length: _Length = 256
    decoder_recurrence: Literal["ssru"] | None = None
    activation: str = "relu"
    norm: Literal["post", "pre"] = "post"
    dropout: Fraction = 0.1
    attention_dropout: Fraction = 0.0
    activation_dropout: Fraction = 0.0
    attention_bias: bool = False
    epsilon: _Epsilon = 1e-6

    @pydantic.model_validator(mode="after")
    def _has_positions(self):
        if self.positions != "learned" and self.width % 2:
            raise ValueError(f"sinusoidal positions need an even width, received {self.width}")
        return self

    def weights(self, vocab_size):
        """The approximate number of weights."""
        attention, feed_forward = 4 * self.width, 2 * self.feed_forward_width
        encoder = self.num_encoder_blocks * (attention + feed_forward)
        decoder = self.num_decoder_blocks * (2 * attention + feed_forward)
        return self.width * (vocab_size + self.max_length + encoder + decoder)


class RNNAttentionOptions(_Options):
    """The options of `RNNAttention`."""

    is_seq2seq: ClassVar[bool] = True

    width: _Width = 256
    embedding_width: _Width | None = None
    cell: Literal["gru", "lstm"] = "gru"
    reset_after: bool = True
    num_encoder_layers: _Count = 1
    num_decoder_layers: _Count = 1
    bidirectional: Literal["all", "first", "none"] = "all"
    residual: bool = False
    initial_state: Literal["projected", "last", "zero"] = "projected"
    attention: Literal["additive", "luong", "none"] = "additive"
    score: str = "general"
    input_feeding: bool = False
    share_embeddings: bool = False
    tie_output: bool = False
    dropout: Fraction = 0.1
    recurrent_dropout: Fraction = 0.0
    variational: bool = False
    layer_norm: bool = False
    fused: bool | None = None
    max_length: _Length = 256

    @pydantic.model_validator(mode="after")
    def _fit_together(self):
        if self.bidirectional != "none" and self.width % 2:
            raise ValueError(f"a bidirectional encoder needs an even width, received {self.width}")
        if self.input_feeding and self.attention != "luong":
            raise ValueError(f"input_feeding needs attention: luong, received {self.attention}")
        if self.layer_norm and not self.reset_after:
            raise ValueError("layer_norm needs reset_after: true, received false")
        return self

    def weights(self, vocab_size):
        """The approximate number of weights."""
        layers = self.num_encoder_layers + self.num_decoder_layers
        embedding = vocab_size * (self.embedding_width or self.width)
        return embedding + self.width * (vocab_size + 8 * layers * self.width)


class BertOptions(_Heads):
    """The options of `Bert`, with or without a head."""

    family: ClassVar[str | None] = "Bert"

    width: _Width = 768
    num_blocks: _Count = 12
    num_heads: _Count = 12
    embedding_width: _Width | None = None
    feed_forward_width: _Width | None = None
    max_length: Annotated[Whole, Field(gt=3, le=LONGEST)] = 512
    num_segments: Annotated[Whole, Field(ge=1, le=1000)] = 2
    activation: str = "gelu"
    dropout: Fraction = 0.1
    attention_dropout: Fraction = 0.1
    epsilon: _Epsilon = 1e-12
    pooler: bool = True
    pooler_activation: Literal["tanh", "relu", "gelu"] = "tanh"

    def weights(self, vocab_size):
        """The approximate number of weights."""
        inner = self.feed_forward_width or 4 * self.width
        blocks = self.num_blocks * (4 * self.width + 2 * inner)
        return self.width * (vocab_size + self.max_length + blocks)


class BertPretrainerOptions(BertOptions):
    """The options of `BertPretrainer`."""

    next_sentence: bool = True


_OPTIONS = {
    "Bert": BertOptions,
    "BertClassifier": BertOptions,
    "BertEmbedder": BertOptions,
    "BertPretrainer": BertPretrainerOptions,
    "BertTokenClassifier": BertOptions,
    "RNNAttention": RNNAttentionOptions,
    "Transformer": TransformerOptions,
}


def register_options(model, options):
    """Says what a recipe may say of a model, given by its name; `register_model` calls this."""
    _OPTIONS[model] = options


def derive_options(model_class):
    """The options of a model of a user's own, from the signature of its constructor.

    Args:
        model_class: a class; arguments without a default are the tokenizer's or the task's.
    """
    parameters = inspect.signature(model_class.__init__).parameters.values()
    fields = {
        p.name: (Any, p.default)
        for p in parameters
        if p.default is not p.empty and p.name != "self"
    }
    options = pydantic.create_model(f"{model_class.__name__}Options", __base__=_Options, **fields)
    options.is_seq2seq = hasattr(model_class, "reorder")
    return options


def is_seq2seq(model):
    """Whether a class of models, given by its name, is for sequence to sequence.

    Example:
        >>> is_seq2seq("Transformer"), is_seq2seq("Bert")
        (True, False)
    """
    return _OPTIONS[model].is_seq2seq


def family_of(model):
    """The class whose presets a model takes, both given by their names.

    Example:
        >>> family_of("BertClassifier"), family_of("Transformer")
        ('Bert', 'Transformer')
    """
    return _OPTIONS[model].family or model


def option_names(model):
    """The options that a recipe may set of a model, given by its name."""
    return [*_OPTIONS[model].model_fields]


def model_options(model, given, base, owner, vocab_size=0, most=MOST_WEIGHTS):
    """Validates options of a model and converts them to the right types.

    Args:
        model: name of the class.
        given: a dict of the options to check.
        base: a dict of the options that they replace or complete, such as a preset's.
        owner: name of the model or preset in error messages.
        vocab_size: approximate size of the vocabulary.
        most: largest number of weights.

    Returns:
        A dict of the given options.

    Raises:
        UserError: if an option is unknown or out of range, or the model would be too large.

    Example:
        >>> model_options("Transformer", {"epsilon": "1e-5"}, {}, "mine")
        {'epsilon': 1e-05}
    """
    accepted = _OPTIONS[model].model_fields
    for name in given:
        if name not in accepted:
            raise UserError(f"model: {owner} has no option {name!r}; {suggest(name, accepted)}")
    known = {name: value for name, value in base.items() if name in accepted}
    try:
        options = _OPTIONS[model](**{**known, **given})
    except pydantic.ValidationError as error:
        raise UserError("\n".join(explain(error, _OPTIONS[model], "model"))) from error
    weights = options.weights(vocab_size)
    if weights > most:
        raise UserError(
            f"model: {owner} with these options and {vocab_size:,} tokens would have about "
            f"{weights:,} weights; the limit is {most:,}"
        )
    return {name: getattr(options, name) for name in given}
