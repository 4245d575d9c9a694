"""The recipe of ranking."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from attention_zoo.tasks.encoder_settings import EncoderConfig, EncoderData, EncoderRecipe
from attention_zoo.tasks.rank.metrics import SCORE
from attention_zoo.tasks.settings import Column, TaskConfig, register_task
from attention_zoo.text.examples import LABEL
from attention_zoo.train.settings import Section

Activation = Literal["sigmoid", "identity"]
# Keys that versions of sentence-transformers write into the config.json of a CrossEncoder.
_MARKS = ("sentence_transformers", "sbert_ce_default_activation_function")


class Data(EncoderData):
    """Files and columns: a query, a passage, and how relevant it is, from 0 to 1."""

    query: Column
    passage: Column
    label: Column


class Options(Section):
    """Arguments of `Rank`."""

    activation: Activation = Field(
        default="sigmoid", description="from the logit to the score; either keeps the order"
    )


class Config(EncoderConfig):
    """The schema of its `task.json`."""

    activation: str


@register_task
class RankRecipe(EncoderRecipe):
    """The recipe of ranking."""

    task: Literal["rank"]
    data: Data
    options: Options = Options()

    kind: ClassVar[str] = "rank"
    answers: ClassVar[str] = SCORE
    head: ClassVar[str] = "BertClassifier"
    architectures: ClassVar[tuple[str, ...]] = ("BertForSequenceClassification",)
    is_particular: ClassVar[bool] = True
    task_config: ClassVar[type[TaskConfig]] = Config

    @classmethod
    def task_class(cls):
        """See `Recipe`."""
        from attention_zoo.tasks.rank.task import Rank

        return Rank

    @classmethod
    def recognizes(cls, architecture: str, config: Mapping[str, Any]) -> bool:
        """A CrossEncoder of sentence-transformers with one output."""
        is_cross_encoder = any(mark in config for mark in _MARKS)
        one_label = len(config.get("id2label") or {}) == 1
        return architecture in cls.architectures and is_cross_encoder and one_label

    @classmethod
    def column_contents(cls, options: Any, columns: list[Any]) -> dict[Any, str]:
        """See `Recipe`."""
        return {columns[-1]: LABEL}
