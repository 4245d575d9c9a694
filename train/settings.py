"""The sections of a recipe: every field, its default, and what is accepted.

This module imports no TensorFlow, so that a mistake is reported at once.
"""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from attention_zoo.errors import UserError, explain
from attention_zoo.train.texts import MOST_UNKNOWN
from attention_zoo.train.translation_metrics import check_bleu_tokenize
from attention_zoo.zoo.options import LARGEST_VOCABULARY, LONGEST, Fraction, Real, Whole

_LARGEST = 1_000_000_000
Positive = Annotated[Whole, Field(gt=0, le=_LARGEST)]
_NotNegative = Annotated[Whole, Field(ge=0, le=_LARGEST)]
# What TensorFlow, NumPy and Python all take.
Seed = Annotated[Whole, Field(ge=0, lt=1 << 31)]
_AboveZero = Annotated[Real, Field(gt=0)]
Files = str | list[str] | dict[str, str]


class Section(pydantic.BaseModel):
    """A section knows all its keys, and its numbers are finite."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSettings(pydantic.BaseModel):
    """A preset, and any constructor argument of its model to replace the preset's."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    preset: str | None = None
    # A run, a task or the name of one that comes with the package, whose weights and
    # tokenizers to begin with, instead of a preset; of BERT the encoder, and the head if it
    # is of the same task and knows all labels.
    pretrained: str | None = None

    @pydantic.model_validator(mode="after")
    def _either(self):
        if (self.preset is None) == (self.pretrained is None):
            raise ValueError("give a preset, or a pretrained run to begin with, one of the two")
        return self

    @property
    def options(self):
        """The constructor arguments, as they were given."""
        return self.model_dump(exclude={"preset", "pretrained"})


# The columns that a task's examples have, in their order; those in the second place are optional.
COLUMNS = {
    "seq2seq": (("source", "target"), ()),
    "classify": (("text", "label"), ("pair",)),
    "tag": (("text", "label"), ()),
    "answer": (("question", "context", "answers"), ()),
    "embed": (("text",), ("pair", "label")),
    "fill_mask": (("text",), ()),
}
COLUMN_ORDER = ("source", "target", "question", "context", "answers", "text", "pair", "label")
_Column = str | Positive | None


class DataSettings(Section):
    """Files and the columns in them; see `attention_zoo.text.readers.read_examples`."""

    train: Files
    valid: Files | None = None
    test: Files | None = None
    # Which of these a task has is in `COLUMNS`.
    source: _Column = None
    target: _Column = None
    question: _Column = None
    context: _Column = None
    answers: _Column = None
    text: _Column = None
    pair: _Column = None
    label: _Column = None
    # Longest input of an encoder in ids, with the special ones.
    max_length: Annotated[Whole, Field(gt=3, le=LONGEST)] | None = None
    # Longest sequences in ids, the end included; null: room for what the training data holds.
    max_source_length: Annotated[Whole, Field(gt=1, le=LONGEST)] | None = None
    max_target_length: Annotated[Whole, Field(gt=1, le=LONGEST)] | None = None


class TargetTokenizerSettings(Section):
    """A tokenizer, trained on the training data."""

    kind: Literal["sentencepiece", "characters", "words", "wordpiece"] = "sentencepiece"
    vocab_size: Annotated[Whole, Field(gt=0, le=LARGEST_VOCABULARY)] | None = None
    algorithm: Literal["unigram", "bpe"] = "unigram"
    # Of word pieces: whether capitals count.
    lower_case: bool = True


class TokenizerSettings(TargetTokenizerSettings):
    """The tokenizers of both sides."""

    # One vocabulary for both sides, which also lets the model share its embeddings.
    shared: bool = False
    # A tokenizer of another kind for the target; null: of the same kind.
    target: TargetTokenizerSettings | None = None

    @pydantic.model_validator(mode="after")
    def _one_or_two(self):
        if self.shared and self.target:
            raise ValueError("a shared tokenizer has no settings for the target: leave one out")
        return self


class LearningRateSettings(Section):
    """A schedule; see `attention_zoo.train.schedules`."""

    schedule: Literal["noam", "cosine", "linear", "constant"] = "cosine"
    warmup: _NotNegative = 200
    # The highest rate, of all but noam; noam's follows from width and warmup.
    peak: _AboveZero = 1e-3
    # Multiplies noam's rate.
    factor: _AboveZero = 1.0


class TrainSettings(Section):
    """The loop; see `attention_zoo.train.trainer`."""

    strategy: Literal["auto", "one_device", "mirrored"] = "auto"
    batch_tokens: Annotated[Whole, Field(gt=0, le=10_000_000)] = 4096
    # Number of batch shapes; 1 is the fixed-shape mode.
    buckets: Annotated[Whole, Field(gt=0, le=1000)] = 8
    steps: Positive = 10_000
    # Stop after this many minutes of training, however many steps that makes.
    minutes: _AboveZero | None = None
    learning_rate: LearningRateSettings = LearningRateSettings()
    label_smoothing: Fraction = 0.1
    # Share of the decoder's inputs that are the model's own words in the last step; it
    # rises from 0. A step then passes through the model twice.
    scheduled_sampling: Fraction = 0.0
    # Clip gradients by their global norm; null: never.
    clip_norm: _AboveZero | None = 1.0
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.98
    epsilon: _AboveZero = 1e-9
    # Decoupled, for all weights but norms and biases.
    weight_decay: Annotated[Real, Field(ge=0)] = 0.0
    # The learning rate of a block of BERT over that of the block above it.
    layer_decay: Annotated[Real, Field(gt=0, le=1)] = 1.0
    # What of BERT stays as it is: "encoder", or the embeddings and so many blocks.
    freeze: Literal["encoder"] | _NotNegative | None = None
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    # Compile the step with XLA; every batch shape is compiled once, some ten seconds each.
    jit_compile: bool = False
    evaluate_every: Positive = 500
    # How many examples of the validation data an evaluation during training decodes.
    evaluate_examples: Positive = 500
    # Stop after so many evaluations without a better one.
    patience: Positive | None = None
    average_last: Positive = 5
    # The share of unknown tokens from which on nothing is trained; 1: never mind.
    max_unknown: Annotated[Real, Field(gt=0, le=1)] = MOST_UNKNOWN
    log_every: Positive = 20
    seed: Seed = 0


class EvaluateSettings(Section):
    """How answers are searched for, and judged. The first metric decides what is best."""

    beam_size: Positive = 1
    length_penalty: Real = 0.6
    # Write the most attended source token where the answer has an unknown one.
    replace_unknown: bool = False
    metrics: list[str] | None = None
    # How BLEU cuts sentences, a name of sacreBLEU's; null: by the script of the references.
    bleu_tokenize: str | None = None

    @pydantic.model_validator(mode="after")
    def _can_be_counted(self):
        check_bleu_tokenize(self.bleu_tokenize)
        return self

    @property
    def metric_options(self):
        """What of these the metrics want to know, see `compute_metrics`."""
        return {"bleu_tokenize": self.bleu_tokenize} if self.bleu_tokenize else {}


# Those of `attention_zoo.export.formats`, which stands to the right of this folder.
_Format = Literal[
    "saved_model",
    "saved_model_xla",
    "litert",
    "litert_static",
    "litert_stream",
    "litert_text",
    "mediapipe",
    "keras",
    "h5",
    "onnx",
    "huggingface",
]
_Quantization = Literal["none", "float16", "dynamic_int8", "full_int8", "selective_int8"]


class ExportSettings(Section):
    """What `export` writes unless it is told otherwise."""

    formats: list[_Format] = ["saved_model", "litert"]
    quantize: list[_Quantization] = ["none"]


# What encoders are trained with unless told otherwise: Devlin et al. 2019, appendix A.3.
_ENCODER_DEFAULTS = {
    "learning_rate": {"schedule": "linear", "peak": 1e-4},
    "label_smoothing": 0.0,
    "beta_2": 0.999,
    "epsilon": 1e-6,
    "weight_decay": 0.01,
    "average_last": 1,
}


def train_settings(task, given):
    """The `TrainSettings` of a kind of task, its defaults completed by what is given.

    Args:
        task: name of the task.
        given: a dict of settings.

    Raises:
        UserError: if one of them is unknown or out of range.
    """
    try:
        return TrainSettings(**with_defaults(task, given))
    except pydantic.ValidationError as error:
        raise UserError("\n".join(explain(error, TrainSettings))) from error


def with_defaults(task, given):
    """The settings of `train` for a kind of task, as a dict."""
    if task == "seq2seq":
        return given
    rate = given.get("learning_rate")
    rate = {**_ENCODER_DEFAULTS["learning_rate"], **rate} if isinstance(rate, dict) else rate
    settings = {**_ENCODER_DEFAULTS, **given}
    return settings if rate is None else {**settings, "learning_rate": rate}
