"""The recipe of extractive question answering."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

import attention_zoo.tasks.answer.metrics  # noqa: F401  (registers metrics)
from attention_zoo.fields import Real, Whole
from attention_zoo.tasks.encoder_settings import EncoderConfig, EncoderData, EncoderRecipe
from attention_zoo.tasks.settings import Column, Length, TaskConfig, register_task
from attention_zoo.text.examples import ANSWERS
from attention_zoo.train.metrics import SPAN
from attention_zoo.train.settings import Section
from attention_zoo.zoo.options import LONGEST

_Tokens = Annotated[Whole, Field(ge=1, le=LONGEST)]


class Data(EncoderData):
    """Files in SQuAD's format, or with columns of these names."""

    question: Column = "question"
    context: Column = "context"
    answers: Column = "answers"


class Options(Section):
    """Arguments of `QuestionAnswering`."""

    stride: _Tokens = Field(default=128, description="ids between the starts of windows")
    max_question_length: _Tokens = Field(
        default=64, description="maximum length of questions in ids"
    )
    max_answer_length: _Tokens = Field(default=30, description="maximum length of answers in ids")
    no_answer: bool = Field(default=False, description="whether a question may have no answer")
    threshold: Real = Field(
        default=0.0, description="by how much 'no answer' must score higher than the best span"
    )


class Config(EncoderConfig):
    """The schema of its `task.json`."""

    stride: Length
    max_question_length: Length
    max_answer_length: Length
    no_answer: bool
    threshold: float


@register_task
class AnswerRecipe(EncoderRecipe):
    """The recipe of extractive question answering."""

    task: Literal["answer"]
    data: Data
    options: Options = Options()

    kind: ClassVar[str] = "answer"
    answers: ClassVar[str] = SPAN
    head: ClassVar[str] = "BertTokenClassifier"
    architectures: ClassVar[tuple[str, ...]] = ("BertForQuestionAnswering",)
    task_config: ClassVar[type[TaskConfig]] = Config

    @classmethod
    def task_class(cls):
        """See `Recipe`."""
        from attention_zoo.tasks.answer.task import QuestionAnswering

        return QuestionAnswering

    @classmethod
    def column_contents(cls, options: Any, columns: list[Any]) -> dict[Any, str]:
        """See `Recipe`."""
        return {columns[-1]: ANSWERS}
