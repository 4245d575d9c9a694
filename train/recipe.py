"""Recipes: what to train, on what, and how, as a YAML file that is checked before work starts.

This module imports no TensorFlow, so that a misspelt key is reported at once.
"""

from pathlib import Path
from typing import Annotated, Literal

import pydantic
import yaml
from pydantic import Field

from attention_zoo.errors import UserError, suggest

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Files = str | list[str] | dict[str, str]


class _Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class ModelSettings(pydantic.BaseModel):
    """A preset, and any constructor argument of its model to replace the preset's."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    preset: str


class DataSettings(_Section):
    """Files and the columns in them; see `attention_zoo.text.readers.read_examples`."""

    train: Files
    valid: Files | None = None
    test: Files | None = None
    source: str | Positive
    target: str | Positive
    # Longest sequences in ids, the end included; null: room for what the training data holds.
    max_source_length: Annotated[int, Field(gt=1)] | None = None
    max_target_length: Annotated[int, Field(gt=1)] | None = None


class TargetTokenizerSettings(_Section):
    """A tokenizer, trained on the training data."""

    kind: Literal["sentencepiece", "characters", "words"] = "sentencepiece"
    vocab_size: Positive | None = None
    algorithm: Literal["unigram", "bpe"] = "unigram"


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

    schedule: Literal["noam", "cosine", "constant"] = "cosine"
    warmup: Annotated[int, Field(ge=0)] = 200
    # The highest rate, of cosine and constant; noam's follows from width and warmup.
    peak: Annotated[float, Field(gt=0)] = 1e-3
    # Multiplies noam's rate.
    factor: Annotated[float, Field(gt=0)] = 1.0


class TrainSettings(_Section):
    """The loop; see `attention_zoo.train.trainer`."""

    strategy: Literal["auto", "one_device", "mirrored"] = "auto"
    batch_tokens: Positive = 4096
    # Number of batch shapes; 1 is the fixed-shape mode.
    buckets: Positive = 8
    steps: Positive = 10_000
    # Stop after this many minutes of training, however many steps that makes.
    minutes: Annotated[float, Field(gt=0)] | None = None
    learning_rate: LearningRateSettings = LearningRateSettings()
    label_smoothing: Share = 0.1
    # Share of the decoder's inputs that are the model's own words in the last step; it
    # rises from 0. A step then passes through the model twice.
    scheduled_sampling: Share = 0.0
    # Clip gradients by their global norm; null: never.
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    beta_1: Share = 0.9
    beta_2: Share = 0.98
    epsilon: Annotated[float, Field(gt=0)] = 1e-9
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    # Compile the step with XLA; every batch shape is compiled once, some ten seconds each.
    jit_compile: bool = False
    evaluate_every: Positive = 500
    # How many examples of the validation data an evaluation during training decodes.
    evaluate_examples: Positive = 500
    # Stop after so many evaluations without a better one.
    patience: Positive | None = None
    average_last: Positive = 5
    log_every: Positive = 20
    seed: int = 0


class EvaluateSettings(_Section):
    """How answers are searched for, and judged. The first metric decides what is best."""

    beam_size: Positive = 1
    length_penalty: float = 0.6
    # Write the most attended source token where the answer has an unknown one.
    replace_unknown: bool = False
    metrics: list[str] | None = None


class ExportSettings(_Section):
    """What `export` writes unless it is told otherwise."""

    formats: list[Literal["saved_model", "litert"]] = ["saved_model", "litert"]
    quantize: list[Literal["none", "dynamic_int8"]] = ["none"]


class Recipe(_Section):
    """All that a training needs to know."""

    task: Literal["seq2seq"] = "seq2seq"
    model: ModelSettings
    data: DataSettings
    tokenizer: TokenizerSettings = TokenizerSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    export: ExportSettings = ExportSettings()


def load_recipe(path, overrides=()):
    """Reads a recipe.

    Args:
        path: a YAML file; relative paths of data in it start from its folder.
        overrides: strings `"a.b=c"`, c in YAML, that replace values of the file.

    Returns:
        A `Recipe` whose data paths are absolute.

    Raises:
        UserError: naming file and field, with the nearest accepted name.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is no recipe: a mapping is needed, with the keys {_keys(Recipe)}")
    for override in overrides:
        _override(content, override)
    try:
        recipe = Recipe(**content)
    except (pydantic.ValidationError, TypeError) as error:
        raise UserError(_explain(error, path)) from error
    base = path.resolve().parent
    data = recipe.data
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
        return {field: str(base / path) for field, path in files.items()}
    return str(base / files) if isinstance(files, str) else [str(base / path) for path in files]


def _override(content, override):
    keys, separator, value = override.partition("=")
    if not separator or not keys:
        raise UserError(
            f"--set needs key=value, for example train.steps=100; received {override!r}"
        )
    *parents, last = keys.split(".")
    section = content
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise UserError(f"--set {override}: {parent} is a value, not a section")
    try:
        section[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: {value!r} is not YAML") from error


def _keys(section):
    return ", ".join(section.model_fields)


def _explain(error, path):
    if isinstance(error, TypeError):
        return f"{path}: {error}"
    messages = []
    for problem in error.errors():
        place = problem["loc"]
        field = ".".join(str(part) for part in place if not _is_union_branch(part))
        if problem["type"] == "extra_forbidden":
            section = _section(place[:-1])
            hint = suggest(str(place[-1]), section.model_fields)
            messages.append(f'{path}: unknown key "{field}"; {hint}')
        elif problem["type"] == "missing":
            messages.append(f'{path}: the key "{field}" is missing')
        else:
            received = "" if problem["type"] == "model_type" else f", received {problem['input']!r}"
            messages.append(f"{path}: {field}: {problem['msg']}{received}")
    return "\n".join(dict.fromkeys(messages))


def _is_union_branch(part):
    return isinstance(part, str) and (part in ("str", "int") or "[" in part)


def _section(place):
    section = Recipe
    for name in place:
        section = section.model_fields[name].annotation
    return section
