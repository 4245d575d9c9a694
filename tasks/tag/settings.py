"""The recipe of tagging."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

import attention_zoo.tasks.tag.metrics  # noqa: F401  (registers metrics)
from attention_zoo.tasks.encoder_settings import EncoderConfig, EncoderData, EncoderRecipe
from attention_zoo.tasks.settings import Column, TaskConfig, register_task
from attention_zoo.text.examples import WORDS
from attention_zoo.train.metrics import TAGS


class Data(EncoderData):
    """Files and columns: words and their tags, both separated by spaces."""

    text: Column
    label: Column


class Config(EncoderConfig):
    """The schema of its `task.json`."""

    labels: Annotated[list[str], Field(min_length=1)]


@register_task
class TagRecipe(EncoderRecipe):
    """The recipe of tagging."""

    task: Literal["tag"]
    data: Data

    kind: ClassVar[str] = "tag"
    answers: ClassVar[str] = TAGS
    head: ClassVar[str] = "BertTokenClassifier"
    architectures: ClassVar[tuple[str, ...]] = ("BertForTokenClassification",)
    task_config: ClassVar[type[TaskConfig]] = Config

    @classmethod
    def task_class(cls):
        """See `Recipe`."""
        from attention_zoo.tasks.tag.task import Tag

        return Tag

    @classmethod
    def column_contents(cls, options: Any, columns: list[Any]) -> dict[Any, str]:
        """See `Recipe`."""
        return dict.fromkeys(columns, WORDS)
