"""The base classes of recipes: their sections and fields, and the facts about a task.

Each task has its own `Recipe` in `tasks/<name>/settings.py`. None of these modules imports
TensorFlow, so that mistakes are reported at once.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import pydantic
from pydantic import Field

from attention_zoo.errors import UserError, explain, suggest
from attention_zoo.fields import Real
from attention_zoo.json_files import Content
from attention_zoo.plugins import is_registered
from attention_zoo.registry import Registry
from attention_zoo.train.metrics import LABEL, check_metrics
from attention_zoo.train.settings import Positive, Section, TrainSettings
from attention_zoo.zoo.options import LONGEST, model_options
from attention_zoo.zoo.presets import PRESETS

if TYPE_CHECKING:
    from attention_zoo.tasks.task import Task


def _not_empty(files: Any) -> Any:
    if not files:
        raise ValueError("at least one file is needed")
    return files


Files = Annotated[str | list[str] | dict[str, str], pydantic.AfterValidator(_not_empty)]


class _IsColumn:
    """Marks the fields of `data` that name a column of the files."""


Column = Annotated[str | Positive, _IsColumn(), Field(description="a column: its name or number")]
OptionalColumn = Annotated[
    str | Positive | None, _IsColumn(), Field(description="a column, if there is one")
]


class ModelSettings(pydantic.BaseModel):
    """A preset, and any constructor argument of its model to replace the preset's."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    preset: str | None = Field(default=None, description="see `attention-zoo list`")
    pretrained: str | None = Field(
        default=None,
        description="instead of a preset: a run, a task or the name of a pretrained task, whose "
        "weights and tokenizers to start from",
    )

    @pydantic.model_validator(mode="after")
    def _either(self) -> ModelSettings:
        if (self.preset is None) == (self.pretrained is None):
            raise ValueError("give either a preset or a pretrained run to start from")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The constructor arguments, as given."""
        return self.model_dump(exclude={"preset", "pretrained"})


class CorpusSettings(Section):
    """One of several corpora that are trained on together."""

    files: Files = Field(description="a file, a pattern, a list of these, or a file per column")
    weight: Annotated[Real, Field(ge=0.001, le=1000)] = Field(
        default=1.0, description="how often each of its examples occurs in an epoch"
    )


def _lists_corpora(value: Any) -> str:
    is_list = isinstance(value, list)
    has_sections = is_list and any(isinstance(v, dict | CorpusSettings) for v in value)
    # The brackets keep these names out of messages.
    return "[corpora]" if has_sections else "[files]"


TrainingFiles = Annotated[
    Annotated[Files, pydantic.Tag("[files]")]
    | Annotated[list[CorpusSettings], pydantic.Tag("[corpora]")],
    pydantic.Discriminator(_lists_corpora),
]


class DataSettings(Section):
    """Files and the columns in them; see `attention_zoo.text.readers.read_examples`."""

    train: TrainingFiles = Field(
        description="a file, a pattern, a list of these, a file for each column, a list of corpora "
        "with `files` and `weight`, or a directory that `attention-zoo prepare` wrote"
    )
    valid: Files | None = Field(default=None, description="validation data, in the same form")
    test: Files | None = Field(
        default=None, description="data to verify exports on, in the same form"
    )
    tokenizer_examples: Positive = Field(
        default=1_000_000,
        description="training examples, evenly spaced, from which tokenizers are trained, and "
        "lengths and labels chosen",
    )

    @classmethod
    def column_fields(cls) -> list[str]:
        """The fields that name columns, in the order of the columns in an example."""
        return [
            name
            for name, field in cls.model_fields.items()
            if any(isinstance(mark, _IsColumn) for mark in field.metadata)
        ]

    @property
    def columns(self) -> list[str | int]:
        """The columns of an example, in order."""
        named = [getattr(self, name) for name in self.column_fields()]
        return [column for column in named if column is not None]


class EvaluateSettings(Section):
    """How answers are judged. The first metric decides which weights are best."""

    metrics: list[str] | None = Field(
        default=None, description="names of metrics; those of the task when null"
    )

    @property
    def metric_options(self) -> dict[str, str]:
        """Options of the metrics, see `attention_zoo.train.metrics`."""
        return {}


class ExportSettings(Section):
    """What `export` writes by default."""

    formats: list[str] = Field(
        default=["saved_model", "litert"], description="see `attention-zoo export --help`"
    )
    quantize: list[str] = Field(default=["none"], description="of LiteRT files")


class Recipe(Section):
    """Everything needed to train a task; each task has a subclass with its sections.

    Attributes:
        kind: the name of the task in recipes and in `task.json`.
        task_config: the schema of its `task.json`.
    """

    task: str
    model: ModelSettings
    data: DataSettings
    options: Section = Section()
    tokenizer: pydantic.BaseModel
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    export: ExportSettings = ExportSettings()

    kind: ClassVar[str]
    answers: ClassVar[str] = LABEL
    task_config: ClassVar[type[TaskConfig]]

    @classmethod
    def task_class(cls) -> Any:
        """The class of the task; its module imports TensorFlow."""
        raise NotImplementedError

    @classmethod
    def model_class_name(cls, family: str) -> str:
        """The class of the task's model for presets of a family."""
        return family

    @classmethod
    def kind_of_answers(cls, options: Any, num_columns: int) -> str:
        """The kind of its answers, see `attention_zoo.train.metrics`.

        Args:
            options: an object with the options of the task as attributes: the section
                `options`, or the task.
            num_columns: how many columns an example has.
        """
        return cls.answers

    @classmethod
    def column_contents(cls, options: Any, columns: list[Any]) -> dict[Any, Any]:
        """The contents of those columns of examples that are not text.

        Args:
            options: as for `kind_of_answers`.
            columns: the names of the columns.

        Returns:
            A dict, see `holds` of `attention_zoo.text.readers.read_examples`.
        """
        return {}

    def build(self, examples: Sequence[tuple[str, ...]], like: Task | None = None) -> Task:
        """Trains the tokenizers and builds the model, with fresh or pretrained weights.

        Args:
            examples: training examples, tuples of strings.
            like: see `Task.build`; None: everything is chosen from the examples.

        Raises:
            UserError: if the recipe does not fit the task or the examples.
        """
        more = {} if like is None else {"like": like}
        task = self.task_class().build(self, examples, **more)
        task.metric_options = self.evaluate.metric_options
        return task

    @property
    def columns(self) -> list[str | int]:
        """The columns of an example, in order."""
        return self.data.columns

    @property
    def holds(self) -> dict[Any, Any]:
        """The contents of those columns that are not text."""
        return self.column_contents(self.options, self.columns)

    @pydantic.model_validator(mode="after")
    def _metrics_fit(self) -> Recipe:
        list(TASKS.values())  # registers the metrics of all tasks, for messages
        answers = self.kind_of_answers(self.options, len(self.columns))
        try:
            check_metrics(self.evaluate.metrics or (), answers)
        except UserError as error:
            raise ValueError(f"evaluate.metrics: {error}") from error
        return self

    @pydantic.model_validator(mode="after")
    def _model_fits(self) -> Recipe:
        name = self.model.preset
        if name is not None:
            vocab_size = getattr(self.tokenizer, "vocab_size", None) or 0
            model, config = self.model_class_name(self.family_of(name)), PRESETS[name]["config"]
            model_options(model, self.model.options, config, name, vocab_size)
        return self

    @classmethod
    def family_of(cls, preset: str) -> str:
        """The model class of a preset.

        Raises:
            UserError: if there is no such preset, or the task does not support it.
        """
        if not is_registered(preset, PRESETS):
            hint = suggest(preset, PRESETS)
            raise UserError(f"model.preset: there is no preset {preset!r}; {hint}")
        family = PRESETS[preset]["model"]
        if not cls.takes_family(family):
            fitting = [name for name, p in PRESETS.items() if cls.takes_family(p["model"])]
            raise UserError(
                f"model.preset: {preset} is not a model for this task, {cls.kind}; accepted: "
                f"{', '.join(fitting)}"
            )
        return family

    @classmethod
    def takes_family(cls, family: str) -> bool:
        """Whether the task supports presets of a model class, given by name."""
        raise NotImplementedError

    @classmethod
    def takes_model(cls, name: str) -> bool:
        """Whether the task supports a model class, given by name."""
        return cls.takes_family(name)

    @classmethod
    def train_settings(cls, **given: Any) -> Any:
        """The section `train` with the given values, and defaults for the others.

        Raises:
            UserError: if a setting is unknown or out of range.
        """
        section: Any = cls.model_fields["train"].annotation
        try:
            return section(**given)
        except pydantic.ValidationError as error:
            raise UserError("\n".join(explain(error, section))) from error


def _plain(config: dict[str, object]) -> dict[str, object]:
    """Accepts numbers, strings and booleans, but no serialised objects for Keras to create."""
    for name, value in config.items():
        if isinstance(value, dict) and name == "encoder":
            _plain(value)
        elif isinstance(value, list) and name in ("poolings", "projections"):
            for each in value:
                _plain(each if isinstance(each, dict) else {name: each})
        elif not isinstance(value, bool | int | float | str | None):
            raise ValueError(f"{name} must be a number, a name, true or false")
    return config


class _Model(Content):
    name: str = Field(alias="class")
    config: Annotated[dict[str, object], pydantic.AfterValidator(_plain)]


class TaskConfig(Content):
    """The schema of the `task.json` of every task."""

    format: Literal[1] = 1
    task: str
    fields: list[str | int]  # names or numbers of columns
    metrics: list[str]
    metric_options: dict[str, str] = Field(default={})  # not written by earlier versions
    model: _Model


Length = Annotated[int, Field(ge=1, le=LONGEST)]

# Each folder in `tasks/` is a task.
TASKS: Registry[type[Recipe]] = Registry(
    "task",
    {
        module.name: f"attention_zoo.tasks.{module.name}.settings"
        for module in pkgutil.iter_modules([str(Path(__file__).parent)])
        if module.ispkg
    },
)


_R = TypeVar("_R", bound=type[Recipe])


def register_task(recipe: _R) -> _R:
    """Registers the recipe of a task under its `kind`; a decorator."""
    return TASKS.register(recipe.kind)(recipe)
