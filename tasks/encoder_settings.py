"""The common parts of the recipes of encoder tasks."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

from attention_zoo.fields import Real, Whole
from attention_zoo.tasks.settings import DataSettings, Length, Recipe, TaskConfig
from attention_zoo.text.tokenizer_options import WordPieceOptions
from attention_zoo.train.settings import LearningRateSettings, TrainSettings, with_default
from attention_zoo.zoo.options import LONGEST, Fraction, family_of


class EncoderData(DataSettings):
    """Files, their columns, and the maximum length of texts."""

    max_length: Annotated[Whole, Field(gt=3, le=LONGEST)] | None = Field(
        default=None,
        description="maximum length in ids, with special ones; null: chosen from the training data",
    )


class EncoderLearningRate(LearningRateSettings):
    """A learning-rate schedule; see `attention_zoo.train.schedules`."""

    schedule: Literal["noam", "inverse_sqrt", "cosine", "linear", "constant"] = with_default(
        LearningRateSettings, "schedule", "linear"
    )
    default_peak: ClassVar[float] = 1e-4


class EncoderTrainSettings(TrainSettings):
    """The training loop, with the defaults of Devlin et al. 2019, appendix A.3."""

    learning_rate: LearningRateSettings = EncoderLearningRate.model_validate({})
    label_smoothing: Fraction = with_default(TrainSettings, "label_smoothing", 0.0)
    beta_2: Fraction | None = with_default(TrainSettings, "beta_2", 0.999)
    epsilon: Annotated[Real, Field(gt=0)] | None = with_default(TrainSettings, "epsilon", 1e-6)
    weight_decay: Annotated[Real, Field(ge=0)] = with_default(TrainSettings, "weight_decay", 0.01)
    average_last: Annotated[Whole, Field(gt=0)] = with_default(TrainSettings, "average_last", 1)
    layer_decay: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=1.0, description="the learning rate of a block over that of the block above it"
    )
    freeze: Literal["encoder"] | Annotated[Whole, Field(ge=0)] | None = Field(
        default=None,
        description="what is not trained: the encoder, or the embeddings and this many blocks",
    )

    @pydantic.field_validator("learning_rate", mode="before")
    @classmethod
    def _own_defaults(cls, given: Any) -> Any:
        return EncoderLearningRate.model_validate(given) if isinstance(given, dict) else given


class EncoderConfig(TaskConfig):
    """The schema of the `task.json` of an encoder task."""

    max_length: Length


class EncoderRecipe(Recipe):
    """The recipe of an encoder task.

    Attributes:
        head: the class that puts the task's head on the encoder.
        architectures: Hugging Face's names of such models.
        is_particular: whether `recognizes` checks more than the architecture; such recipes are
            tried first.
    """

    data: EncoderData
    tokenizer: WordPieceOptions = WordPieceOptions.model_validate({})
    train: EncoderTrainSettings = EncoderTrainSettings()

    head: ClassVar[str] = "Bert"
    architectures: ClassVar[tuple[str, ...]] = ()
    is_particular: ClassVar[bool] = False
    task_config: ClassVar[type[TaskConfig]] = EncoderConfig

    @classmethod
    def recognizes(cls, architecture: str, config: Mapping[str, Any]) -> bool:
        """Whether a folder of Hugging Face is for the task, by its `config.json`."""
        return architecture in cls.architectures

    @classmethod
    def model_class_name(cls, family: str) -> str:
        """The class that puts the task's head on the encoder."""
        return cls.head

    @classmethod
    def takes_family(cls, family: str) -> bool:
        """See `Recipe`."""
        return family == family_of(cls.head)

    @classmethod
    def takes_model(cls, name: str) -> bool:
        """See `Recipe`."""
        return name == cls.head
