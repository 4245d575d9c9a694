"""The recipe of classification."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

import attention_zoo.tasks.classify.metrics
import attention_zoo.train.correlations  # noqa: F401  (registers metrics, as the one above)
from attention_zoo.fields import Real
from attention_zoo.tasks.encoder_settings import (
    EncoderConfig,
    EncoderData,
    EncoderRecipe,
    EncoderTrainSettings,
)
from attention_zoo.tasks.settings import Column, OptionalColumn, TaskConfig, register_task
from attention_zoo.text.examples import LABEL, LABELS
from attention_zoo.train import metrics
from attention_zoo.train.settings import RDrop, Section

Problem = Literal["one", "several", "number"]
_ANSWERS = {"one": metrics.LABEL, "several": metrics.LABELS, "number": metrics.NUMBER}


class Data(EncoderData):
    """Files and columns: a text or a pair of texts, and the label."""

    text: Column
    pair: OptionalColumn = None
    label: Column


class Options(Section):
    """Arguments of `Classify`."""

    problem: Problem = Field(
        default="one", description="one label, several labels separated by commas, or a number"
    )
    threshold: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=0.5,
        description="for several labels: the smallest probability of a label in the answer",
    )
    class_weights: Literal["balanced"] | dict[str, Annotated[Real, Field(ge=0)]] | None = Field(
        default=None,
        description="a weight for each label; balanced: inversely proportional to its count",
    )


class Training(EncoderTrainSettings):
    """The training loop."""

    r_drop: RDrop = None


class Config(EncoderConfig):
    """The schema of its `task.json`."""

    labels: list[str]
    problem: str
    threshold: float
    class_weights: list[float] | None


@register_task
class ClassifyRecipe(EncoderRecipe):
    """The recipe of classification."""

    task: Literal["classify"]
    data: Data
    options: Options = Options()
    train: Training = Training()

    kind: ClassVar[str] = "classify"
    head: ClassVar[str] = "BertClassifier"
    architectures: ClassVar[tuple[str, ...]] = (
        "BertForSequenceClassification",
        "BertForNextSentencePrediction",
    )
    task_config: ClassVar[type[TaskConfig]] = Config

    @classmethod
    def task_class(cls):
        """See `Recipe`."""
        from attention_zoo.tasks.classify.task import Classify

        return Classify

    @classmethod
    def kind_of_answers(cls, options: Any, num_columns: int) -> str:
        """See `Recipe`."""
        return _ANSWERS[options.problem]

    @classmethod
    def column_contents(cls, options: Any, columns: list[Any]) -> dict[Any, str]:
        """See `Recipe`."""
        return {columns[-1]: LABELS if options.problem == "several" else LABEL}
