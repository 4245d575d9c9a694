"""The section `train` of a recipe, and the base class of sections.

This module does not import TensorFlow, so that mistakes are reported at once.
"""

import re
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

from attention_zoo.fields import Real, Whole
from attention_zoo.train.texts import MOST_UNKNOWN
from attention_zoo.zoo.options import Fraction

_LARGEST = 1_000_000_000
Positive = Annotated[Whole, Field(gt=0, le=_LARGEST)]
_NotNegative = Annotated[Whole, Field(ge=0, le=_LARGEST)]
# Valid for TensorFlow, NumPy and Python.
Seed = Annotated[Whole, Field(ge=0, lt=1 << 31)]
_AboveZero = Annotated[Real, Field(gt=0)]


class Section(pydantic.BaseModel):
    """A section: unknown keys are errors, and numbers must be finite."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def with_one(given: Any, name: str, other: str, reason: str) -> Any:
    """For a validator: where a section sets `name`, `other` is 1, and may not be anything else."""
    if not isinstance(given, dict) or given.get(name) is None:
        return given
    if given.get(other, 1) != 1:
        raise ValueError(f"{reason}: remove {other}, or set it to 1")
    return {**given, other: 1}


def with_default(section: type[Section], name: str, default: Any) -> Any:
    """A field of a subclass: like the section's, but with a different default."""
    return Field(default=default, description=section.model_fields[name].description)


class LearningRateSettings(Section):
    """A learning-rate schedule; see `attention_zoo.train.schedules`."""

    schedule: Literal["noam", "inverse_sqrt", "cosine", "linear", "constant"] = Field(
        default="cosine", description="how the rate changes after the warmup"
    )
    warmup: _NotNegative = Field(default=200, description="steps of linear warmup")
    peak: _AboveZero | None = Field(
        default=None, description="the highest rate; not for noam, whose rate depends on the width"
    )
    factor: _AboveZero | None = Field(default=None, description="multiplies the rate of noam")

    default_peak: ClassVar[float] = 1e-3

    @pydantic.model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        schedule = given.get("schedule", cls.model_fields["schedule"].default)
        own, other = ("factor", "peak") if schedule == "noam" else ("peak", "factor")
        if given.get(other) is not None:
            raise ValueError(f'unknown key "{other}"; {schedule} has the keys warmup, {own}')
        default = 1.0 if own == "factor" else cls.default_peak
        return {own: default, **{k: v for k, v in given.items() if (k, v) != (own, None)}}


RDrop = Annotated[
    Annotated[Real, Field(gt=0)] | None,
    Field(
        description="weight of the divergence between two passes with different dropout (Liang et "
        "al. 2021); a batch then takes twice the memory and time; null: one pass"
    ),
]

# The settings that optimizers have, and their defaults where they differ from those of the fields.
_OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {},
    "adamw": {"weight_decay": 0.01},
    "lion": {"beta_2": 0.99, "epsilon": None},
    "adafactor": {"beta_1": None, "beta_2": None, "epsilon": None},
}

_NO_EFFECT = "keras.distribution has no effect on the TensorFlow backend; use mirrored, or JAX"
_UNSUPPORTED = {
    "parameterserver": "Keras reads and writes its step counter in two operations, so steps of "
    "concurrent workers are lost; use multi_worker",
    "dataparallel": _NO_EFFECT,
    "modelparallel": _NO_EFFECT,
}


def _refuse_unsupported(name: Any) -> Any:
    key = re.sub("[^a-z]", "", str(name).lower()).removesuffix("strategy")
    if reason := _UNSUPPORTED.get(key):
        raise ValueError(f"{name} is not supported: {reason}")
    return name


class TrainSettings(Section):
    """The training loop; see `attention_zoo.train.trainer`."""

    strategy: Annotated[
        Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"],
        pydantic.BeforeValidator(_refuse_unsupported),
    ] = Field(
        default="auto",
        description="the tf.distribute strategy; auto is multi_worker if TF_CONFIG or Slurm "
        "describe several workers, mirrored if there are several GPUs, else one_device",
    )
    batch_tokens: Annotated[Whole, Field(gt=0, le=10_000_000)] = Field(
        default=4096, description="tokens in a batch of all devices together, with padding"
    )
    accumulate: Annotated[Whole, Field(gt=0, le=1000)] = Field(
        default=1,
        description="parts into which each device divides its rows of a batch, one at a time in "
        "memory; their gradients are summed",
    )
    steps_per_call: Annotated[Whole, Field(gt=0, le=1000)] = Field(
        default=1,
        description="steps in one call of the device, as far as batches of the same shape follow "
        "each other",
    )
    buckets: Annotated[Whole, Field(gt=0, le=1000)] = Field(
        default=8, description="number of batch shapes; 1 is the fixed-shape mode"
    )
    steps: Positive = Field(default=10_000, description="optimizer steps")
    minutes: _AboveZero | None = Field(
        default=None, description="stop after this many minutes of training"
    )
    learning_rate: LearningRateSettings = LearningRateSettings.model_validate({})
    label_smoothing: Fraction = Field(default=0.1, description="spread evenly over the vocabulary")
    clip_norm: _AboveZero | None = Field(
        default=1.0, description="largest global norm of the gradient; null does not clip"
    )
    optimizer: Literal["adam", "adamw", "adafactor", "lion"] = Field(
        default="adam",
        description="adamw is adam with a weight decay of 0.01 unless another one is given",
    )
    beta_1: Fraction | None = Field(
        default=0.9, description="decay of the first moment of adam, adamw and lion"
    )
    beta_2: Fraction | None = Field(
        default=0.98, description="decay of the second moment of adam and adamw; of lion's moment"
    )
    epsilon: _AboveZero | None = Field(default=1e-9, description="epsilon of adam and adamw")
    weight_decay: Annotated[Real, Field(ge=0)] = Field(
        default=0.0, description="decoupled; for all weights except norms and biases"
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32",
        description="the precision of computation; mixed_float16 with a dynamic loss scale",
    )
    jit_compile: bool = Field(
        default=False, description="compile the step with XLA, once for each batch shape"
    )
    evaluate_every: Positive = Field(default=500, description="steps between evaluations")
    evaluate_examples: Positive = Field(
        default=500, description="validation examples that an evaluation in training uses"
    )
    patience: Positive | None = Field(
        default=None, description="stop after this many evaluations without improvement"
    )
    average_last: Positive = Field(default=5, description="checkpoints to average at the end")
    ema: Annotated[Real, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="decay of an exponential moving average of the weights, such as 0.999, which "
        "is evaluated and saved in place of the weights; null: none",
    )
    max_unknown: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=MOST_UNKNOWN,
        description="fraction of unknown tokens from which training is refused; 1: no limit",
    )
    log_every: Positive = Field(default=20, description="steps between rows of the log")
    seed: Seed = Field(default=0, description="of initial weights, dropout and the order of data")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _of_the_optimizer(cls, given: Any) -> Any:
        name = given.get("optimizer", "adam") if isinstance(given, dict) else None
        own = _OPTIMIZERS.get(name) if isinstance(name, str) else None
        if own is None:
            return given
        lacking = [key for key, value in own.items() if value is None]
        has = [key for key in ("beta_1", "beta_2", "epsilon") if key not in lacking]
        for key in lacking:
            if given.get(key) is not None:
                known = ", ".join([*has, "weight_decay"])
                raise ValueError(f'unknown key "{key}"; {name} has the keys {known}')
        # A null stands for the default, as in what `save_recipe` writes.
        return {**own, **{k: v for k, v in given.items() if v is not None or k not in has}}

    @pydantic.model_validator(mode="before")
    @classmethod
    def _one_average(cls, given: Any) -> Any:
        return with_one(given, "ema", "average_last", "ema averages the weights already")
