"""The recipe of embeddings."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

import attention_zoo.train.correlations  # noqa: F401  (registers metrics)
from attention_zoo.tasks.encoder_settings import EncoderConfig, EncoderData, EncoderRecipe
from attention_zoo.tasks.settings import Column, OptionalColumn, TaskConfig, register_task
from attention_zoo.text.examples import LABEL
from attention_zoo.train.metrics import NEAREST, NUMBER, VECTOR
from attention_zoo.train.settings import Section

Pooling = Literal["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]


class Data(EncoderData):
    """Files and columns: pairs of texts that match, or pairs with a similarity score."""

    text: Column
    pair: OptionalColumn = None
    label: OptionalColumn = None


class Options(Section):
    """Arguments of `Embed`."""

    pooling: Pooling | Annotated[list[Pooling], Field(min_length=1)] = Field(
        default="mean",
        description="how the states of the tokens become one vector; of several, the vectors are "
        "joined",
    )
    normalize: bool = Field(default=True, description="whether vectors have length 1")


class Config(EncoderConfig):
    """The schema of its `task.json`."""

    pooling: str | list[str]
    normalize: bool
    prompts: dict[str, str] = Field(default={})
    default_prompt: str | None = None


@register_task
class EmbedRecipe(EncoderRecipe):
    """The recipe of embeddings."""

    task: Literal["embed"]
    data: Data
    options: Options = Options()

    kind: ClassVar[str] = "embed"
    architectures: ClassVar[tuple[str, ...]] = ("BertModel",)
    task_config: ClassVar[type[TaskConfig]] = Config

    @classmethod
    def task_class(cls):
        """See `Recipe`."""
        from attention_zoo.tasks.embed.task import Embed

        return Embed

    @classmethod
    def takes_model(cls, name: str) -> bool:
        """See `Recipe`; also one with further linear maps."""
        return name in (cls.head, "BertEmbedder")

    @classmethod
    def kind_of_answers(cls, options: Any, num_columns: int) -> str:
        """See `Recipe`."""
        return {1: VECTOR, 2: NEAREST, 3: NUMBER}[num_columns]

    @classmethod
    def column_contents(cls, options: Any, columns: list[Any]) -> dict[Any, str]:
        """See `Recipe`."""
        return {columns[2]: LABEL} if len(columns) == 3 else {}
