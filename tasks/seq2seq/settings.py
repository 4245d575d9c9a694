"""The recipe of sequence to sequence."""

from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

import attention_zoo.tasks.seq2seq.error_rates
import attention_zoo.tasks.seq2seq.rouge  # noqa: F401  (both register metrics)
from attention_zoo.errors import UserError, explain, suggest
from attention_zoo.fields import Real, Whole
from attention_zoo.tasks.seq2seq.metrics import check_bleu_tokenize
from attention_zoo.tasks.settings import (
    Column,
    DataSettings,
    EvaluateSettings,
    Length,
    Recipe,
    TaskConfig,
    register_task,
)
from attention_zoo.text.tokenizer_options import TokenizerOptions, option_kinds, options_class
from attention_zoo.train.metrics import TEXT
from attention_zoo.train.settings import Positive, RDrop, Section, TrainSettings, with_one
from attention_zoo.zoo.options import LONGEST, Fraction, is_seq2seq

_MaxLength = Annotated[Whole, Field(gt=1, le=LONGEST)] | None
_WIDEST_BEAM = 1000
SearchStyle = Literal["gnmt", "marian"]


class Data(DataSettings):
    """Files, their columns, and the maximum lengths."""

    source: Column
    target: Column
    max_source_length: _MaxLength = Field(
        default=None,
        description="maximum length of sources in ids, with the end; null: from the training data",
    )
    max_target_length: _MaxLength = Field(
        default=None, description="maximum length of targets in ids, with the end"
    )


class OneTokenizerSettings(pydantic.BaseModel):
    """A tokenizer, trained on the training data: its kind, and the options of the kind."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    kind: str = Field(default="sentencepiece", description="the kind of tokens")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _options_of_the_kind(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        options = _kind_of(given)
        ours = {name: value for name, value in given.items() if name in cls.model_fields}
        unknown = [name for name in given if name not in cls.keys_of(given)]
        if unknown:
            hint = suggest(unknown[0], cls.keys_of(given))
            raise ValueError(f'unknown key "{unknown[0]}" of {ours.get("kind", options)}; {hint}')
        theirs = {name: given[name] for name in given if name not in ours}
        try:
            complete = options(**theirs)
        except pydantic.ValidationError as error:
            raise ValueError("; ".join(explain(error, options))) from error
        return {**complete.model_dump(), **ours}

    @classmethod
    def keys_of(cls, given: dict[str, Any]) -> list[str]:
        """The keys that a section of this kind may have."""
        return [*dict.fromkeys((*cls.model_fields, *_kind_of(given).model_fields))]

    @property
    def options(self) -> TokenizerOptions:
        """The options of the kind."""
        options = options_class(self.kind)
        return options(**{name: getattr(self, name) for name in options.model_fields})

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        """The keys of every kind, for editors."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        for kind in _kinds():
            for name, about in options_class(kind).model_json_schema()["properties"].items():
                schema["properties"].setdefault(name, about)
        schema["properties"]["kind"]["enum"] = _kinds()
        return schema


def _kinds() -> list[str]:
    return [kind for kind in option_kinds() if kind != "wordpiece"]


def _kind_of(given: dict[str, Any]) -> type[TokenizerOptions]:
    kind = given.get("kind", "sentencepiece")
    if kind == "wordpiece":
        raise ValueError("kind: wordpiece is for encoders, not for seq2seq")
    try:
        return options_class(kind)
    except UserError as error:
        raise ValueError(f"kind: {error}") from error


class TokenizerSettings(OneTokenizerSettings):
    """The tokenizers of both sides."""

    shared: bool = Field(
        default=False,
        description="one vocabulary for both sides; the model can then share its embeddings",
    )
    target: OneTokenizerSettings | None = Field(
        default=None, description="the tokenizer of the target, if it is different"
    )

    @pydantic.model_validator(mode="after")
    def _one_or_two(self):
        if self.shared and self.target:
            raise ValueError(
                "a shared tokenizer has no settings for the target: remove one of the two"
            )
        return self


class TeacherSettings(Section):
    """Tasks that a task learns from beside the examples."""

    tasks: str | Annotated[list[str], Field(min_length=1)] = Field(
        description="runs, tasks or names of pretrained tasks, with the same tokens; of several, "
        "the mean of their probabilities is learned"
    )
    weight: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.5, description="of the teachers in the loss; the rest is that of the targets"
    )

    @property
    def names(self) -> list[str]:
        """The tasks as a list."""
        return [self.tasks] if isinstance(self.tasks, str) else self.tasks


class Training(TrainSettings):
    """The training loop."""

    scheduled_sampling: Fraction = Field(
        default=0.0,
        description="probability in the last step that a decoder input is the model's own "
        "prediction; it rises from 0, and each step then runs the model twice",
    )
    r_drop: RDrop = None
    teacher: TeacherSettings | None = Field(
        default=None, description="tasks to learn from as well (Kim and Rush 2016, word level)"
    )
    packing: Annotated[Whole, Field(gt=1, le=LONGEST)] | None = Field(
        default=None,
        description="tokens in a row that holds several examples, in place of buckets; attention "
        "does not cross them; for a Transformer; null: one example in a row",
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _one_shape(cls, given: Any) -> Any:
        return with_one(given, "packing", "buckets", "packed batches have one shape")

    @pydantic.model_validator(mode="after")
    def _reads_targets(self):
        if self.teacher and self.scheduled_sampling:
            raise ValueError(
                "a teacher expects what follows the targets: remove scheduled_sampling"
            )
        return self


class Evaluation(EvaluateSettings):
    """How answers are searched for and scored. The first metric decides which is best."""

    beam_size: Positive = Field(default=1, description="hypotheses; 1 is greedy search")
    length_penalty: Real = Field(default=0.6, description="alpha of Wu et al. 2016")
    search_style: SearchStyle | None = Field(
        default=None,
        description="how beam search compares hypotheses: by Wu et al. 2016 (gnmt), or as Marian "
        "does; null: as the pretrained task does, else gnmt",
    )
    coverage_penalty: Annotated[Real, Field(ge=0)] = Field(
        default=0.0,
        description="beta of Wu et al. 2016: prefer, among the hypotheses of a beam, those that "
        "attended to all of the source",
    )
    min_length: Annotated[Whole, Field(ge=0, le=LONGEST)] = Field(
        default=0, description="smallest length of answers in ids, with the end"
    )
    no_repeat_ngram: Annotated[Whole, Field(ge=0, le=LONGEST)] = Field(
        default=0,
        description="no sequence of this many tokens occurs twice in an answer; 0 allows it",
    )
    replace_unknown: bool = Field(
        default=False,
        description="replace unknown tokens in answers with the most attended source token",
    )
    bleu_tokenize: str | None = Field(
        default=None,
        description="sacreBLEU's name of BLEU's tokenization; null: chosen by the script of the "
        "references",
    )

    @pydantic.model_validator(mode="after")
    def _can_be_counted(self):
        check_bleu_tokenize(self.bleu_tokenize)
        return self

    @property
    def metric_options(self) -> dict[str, str]:
        """Options of the metrics, see `attention_zoo.train.metrics`."""
        return {"bleu_tokenize": self.bleu_tokenize} if self.bleu_tokenize else {}


class Config(TaskConfig):
    """The schema of its `task.json`."""

    shared_tokenizer: bool
    max_source_length: Length
    max_target_length: Length
    beam_size: Annotated[int, Field(ge=1, le=_WIDEST_BEAM)]
    length_penalty: float
    replace_unknown: bool = False
    search_style: SearchStyle = "gnmt"
    suppressed: list[Annotated[int, Field(ge=0)]] = Field(default=[])
    coverage_penalty: Annotated[float, Field(ge=0)] = 0.0
    min_length: Annotated[int, Field(ge=0, le=LONGEST)] = 0
    no_repeat_ngram: Annotated[int, Field(ge=0, le=LONGEST)] = 0


@register_task
class Seq2SeqRecipe(Recipe):
    """The recipe of sequence to sequence: any text to any text."""

    task: Literal["seq2seq"] = "seq2seq"
    data: Data
    tokenizer: TokenizerSettings = TokenizerSettings.model_validate({})
    train: Training = Training()
    evaluate: Evaluation = Evaluation()

    kind: ClassVar[str] = "seq2seq"
    answers: ClassVar[str] = TEXT
    task_config: ClassVar[type[TaskConfig]] = Config

    @classmethod
    def task_class(cls):
        """See `Recipe`."""
        from attention_zoo.tasks.seq2seq.task import Seq2Seq

        return Seq2Seq

    @classmethod
    def takes_family(cls, family: str) -> bool:
        """Every sequence-to-sequence model; encoders are for other tasks."""
        return is_seq2seq(family)
