"""The recipe of masked words and of BERT's pre-training."""

from typing import ClassVar, Literal

from pydantic import Field

from attention_zoo.tasks.encoder_settings import EncoderConfig, EncoderData, EncoderRecipe
from attention_zoo.tasks.settings import Column, TaskConfig, register_task
from attention_zoo.train.metrics import WORD
from attention_zoo.train.settings import Section, Seed


class Data(EncoderData):
    """Files of documents, and the column that contains them."""

    text: Column


class Options(Section):
    """Arguments of `FillMask`."""

    whole_words: bool = Field(default=False, description="mask all pieces of a word or none")
    seed: Seed | None = Field(
        default=None, description="of the pairs of segments; null: that of `train`"
    )
    next_sentence: bool | None = Field(
        default=None, description="whether to read pairs of segments; null: as the model does"
    )


class Config(EncoderConfig):
    """The schema of its `task.json`."""

    whole_words: bool
    seed: int
    next_sentence: bool


@register_task
class FillMaskRecipe(EncoderRecipe):
    """The recipe of pre-training."""

    task: Literal["fill_mask"]
    data: Data
    options: Options = Options()

    kind: ClassVar[str] = "fill_mask"
    answers: ClassVar[str] = WORD
    head: ClassVar[str] = "BertPretrainer"
    architectures: ClassVar[tuple[str, ...]] = ("BertForPreTraining", "BertForMaskedLM")
    task_config: ClassVar[type[TaskConfig]] = Config

    @classmethod
    def task_class(cls):
        """See `Recipe`."""
        from attention_zoo.tasks.fill_mask.task import FillMask

        return FillMask
