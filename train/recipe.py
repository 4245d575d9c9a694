"""Recipes: what to train, on what, and how, as a YAML file that is checked before work starts.

This module imports no TensorFlow, so that a misspelt key is reported at once.
"""

import glob
import os
from pathlib import Path
from typing import Annotated, Literal

import pydantic
import yaml
from pydantic import Field

from attention_zoo.errors import UserError, explain, shown
from attention_zoo.pretrained import pretrained_tasks
from attention_zoo.train.metrics import check_metrics, kind_of_answers
from attention_zoo.train.recipe_yaml import override, plain_values, read_yaml
from attention_zoo.train.task_options import task_options
from attention_zoo.train.texts import MOST_UNKNOWN
from attention_zoo.train.translation_metrics import check_bleu_tokenize
from attention_zoo.zoo.options import (
    LARGEST_VOCABULARY,
    LONGEST,
    Real,
    Share,
    Whole,
    model_options,
    preset_model,
)
from attention_zoo.zoo.presets import PRESETS

_LARGEST = 1_000_000_000
Positive = Annotated[Whole, Field(gt=0, le=_LARGEST)]
_NotNegative = Annotated[Whole, Field(ge=0, le=_LARGEST)]
# What TensorFlow, NumPy and Python all take.
Seed = Annotated[Whole, Field(ge=0, lt=1 << 31)]
_AboveZero = Annotated[Real, Field(gt=0)]
Files = str | list[str] | dict[str, str]


class _Section(pydantic.BaseModel):
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
_ORDER = ("source", "target", "question", "context", "answers", "text", "pair", "label")
_Column = str | Positive | None


class DataSettings(_Section):
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


class TargetTokenizerSettings(_Section):
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


class LearningRateSettings(_Section):
    """A schedule; see `attention_zoo.train.schedules`."""

    schedule: Literal["noam", "cosine", "linear", "constant"] = "cosine"
    warmup: _NotNegative = 200
    # The highest rate, of all but noam; noam's follows from width and warmup.
    peak: _AboveZero = 1e-3
    # Multiplies noam's rate.
    factor: _AboveZero = 1.0


class TrainSettings(_Section):
    """The loop; see `attention_zoo.train.trainer`."""

    strategy: Literal["auto", "one_device", "mirrored"] = "auto"
    batch_tokens: Annotated[Whole, Field(gt=0, le=10_000_000)] = 4096
    # Number of batch shapes; 1 is the fixed-shape mode.
    buckets: Annotated[Whole, Field(gt=0, le=1000)] = 8
    steps: Positive = 10_000
    # Stop after this many minutes of training, however many steps that makes.
    minutes: _AboveZero | None = None
    learning_rate: LearningRateSettings = LearningRateSettings()
    label_smoothing: Share = 0.1
    # Share of the decoder's inputs that are the model's own words in the last step; it
    # rises from 0. A step then passes through the model twice.
    scheduled_sampling: Share = 0.0
    # Clip gradients by their global norm; null: never.
    clip_norm: _AboveZero | None = 1.0
    beta_1: Share = 0.9
    beta_2: Share = 0.98
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


class EvaluateSettings(_Section):
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


class ExportSettings(_Section):
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


class Recipe(_Section):
    """All that a training needs to know."""

    task: Literal["seq2seq", "classify", "tag", "answer", "embed", "fill_mask"] = "seq2seq"
    model: ModelSettings
    data: DataSettings
    # Arguments of the task, such as `problem` of a classification.
    options: dict = {}
    tokenizer: TokenizerSettings = TokenizerSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    export: ExportSettings = ExportSettings()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _defaults_of_the_task(cls, content):
        given = content.get("train", {})
        task = content.get("task", "seq2seq")
        if isinstance(given, dict) and isinstance(task, str) and task in COLUMNS:
            content = {**content, "train": with_defaults(task, given)}
        return content

    @pydantic.model_validator(mode="after")
    def _columns_of_the_task(self):
        needed, optional = COLUMNS[self.task]
        given = [name for name in _ORDER if getattr(self.data, name) is not None]
        missing = [name for name in needed if name not in given]
        if missing and self.task != "answer":
            raise ValueError(
                f'the key "data.{missing[0]}" is missing: {self.task} needs that column'
            )
        foreign = [name for name in given if name not in (*needed, *optional)]
        if foreign:
            raise ValueError(f"data.{foreign[0]}: {self.task} has no such column")
        return self

    @pydantic.model_validator(mode="after")
    def _options_of_the_task(self):
        task_options(self.task, self.options)
        return self

    @pydantic.model_validator(mode="after")
    def _metrics_of_the_task(self):
        # After the options, among which is the problem.
        problem = self.options.get("problem", "one")
        answers = kind_of_answers(self.task, problem, len(self.columns))
        try:
            check_metrics(self.evaluate.metrics or (), answers)
        except UserError as error:
            raise ValueError(f"evaluate.metrics: {error}") from error
        return self

    @pydantic.model_validator(mode="after")
    def _model_of_the_task(self):
        if self.model.preset is not None:
            model = preset_model(self.model.preset, self.task)
            base = PRESETS[self.model.preset]["config"]
            vocab_size = self.tokenizer.vocab_size or 0
            model_options(model, self.model.options, base, self.model.preset, vocab_size)
        return self

    @property
    def columns(self):
        """The columns of an example, in their order."""
        if self.task == "answer":
            names = COLUMNS["answer"][0]
            return [getattr(self.data, name) or name for name in names]
        columns = [getattr(self.data, name) for name in _ORDER]
        return [column for column in columns if column is not None]

    @property
    def text_columns(self):
        """How many of the columns, the first ones, are text that the task reads."""
        texts = ("source", "question", "context", "text", "pair")
        return 2 if self.task == "answer" else sum(getattr(self.data, n) is not None for n in texts)


def load_recipe(path, overrides=()):
    """Reads a recipe.

    Args:
        path: a YAML file; relative paths of data in it start from its folder.
        overrides: strings `"a.b=c"`, c in YAML, that replace values of the file; `"a=null"`
            leaves the section a out.

    Returns:
        A `Recipe` whose data paths are absolute.

    Raises:
        UserError: naming file and field, with the nearest accepted name.
    """
    path = Path(path)
    content = read_yaml(path)
    if not isinstance(content, dict):
        found = "the file is empty" if content is None else f"received {shown(content)}"
        raise UserError(
            f"{path} is no recipe: a mapping is needed, with the keys "
            f"{', '.join(Recipe.model_fields)}; {found}"
        )
    content = plain_values(content, path)
    for text in overrides:
        override(content, text)
    content = plain_values(content, path)
    # A section of which every line is a comment is none.
    content = {name: section for name, section in content.items() if section is not None}
    try:
        recipe = Recipe(**content)
    except pydantic.ValidationError as error:
        lines = dict.fromkeys(explain(error, Recipe))
        raise UserError("\n".join(f"{path}: {line}" for line in lines)) from error
    return _with_paths(recipe, path.resolve().parent)


def _with_paths(recipe, base):
    """The recipe with every path absolute."""
    data = recipe.data
    pretrained = recipe.model.pretrained
    if pretrained:
        path = base / pretrained
        if not path.exists():
            path = pretrained_tasks().get(pretrained, path)
        update = {"pretrained": str(path)}
        recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update=update)})
    files = {
        name: _absolute(getattr(data, name), base)
        for name in ("train", "valid", "test")
        if getattr(data, name)
    }
    return recipe.model_copy(update={"data": data.model_copy(update=files)})


def save_recipe(recipe, path):
    """Writes a recipe with every default filled in."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    Path(path).write_text(text, encoding="utf-8")


def _absolute(files, base):
    if isinstance(files, dict):
        return {field: _absolute(path, base) for field, path in files.items()}
    if isinstance(files, list):
        return [_absolute(path, base) for path in files]
    # Brackets in the folder's name are no pattern, even where those in the file's are.
    if glob.has_magic(files) and not os.path.lexists(base / files):
        return os.path.join(glob.escape(str(base)), files)
    return str(base / files)
