"""The base class of tasks: the interface for training, exporting and the command line."""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf

from attention_zoo.backend import require_tensorflow_backend
from attention_zoo.errors import UserError
from attention_zoo.tasks.attention import Attended
from attention_zoo.tasks.contract import Compared, Example, Signature
from attention_zoo.tasks.engine import Engine, KerasEngine
from attention_zoo.tasks.inputs import columns_of
from attention_zoo.tasks.saving import read_task, save_task
from attention_zoo.tasks.settings import Recipe, TaskConfig
from attention_zoo.tasks.sides import Side
from attention_zoo.tasks.task_files import read_whole_task_config
from attention_zoo.text.batching import Batches, TokenBatches
from attention_zoo.text.prepared import ids_of
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.train.evaluation import evaluate
from attention_zoo.train.figures import TrainingFigures
from attention_zoo.train.fit import fit

require_tensorflow_backend()

_PREDICT_BATCH = 32


class Task(abc.ABC):
    """A model with its tokenizers; strings in, answers out.

    The task's `engine` does the computing: the Keras model, or an exported artefact.

    Args:
        model: the Keras model, or another `Engine`.
        fields: names of the columns of an example; the last is the reference answer.

    Attributes:
        recipe: the class of its recipes, which does not need TensorFlow.
        metrics: names of its metrics.
        metric_options: see `attention_zoo.train.metrics.compute_metrics`.
        examples: some held-out examples, on which exports are verified.
        text_inputs: names of a SavedModel's string inputs.
        id_inputs: names of a LiteRT file's id inputs.
        decodes: whether an answer is decoded token by token.
        answers_alone: whether an answer depends only on its own text, not on the others.
        answers_are_even: whether outputs of `serving_default` always have the same number of
            columns, so that the outputs of several calls can be joined.
        by_token: whether there is an output for each token, including padding.
        ids_by_example: whether the ids of an example do not depend on the others.
    """

    recipe: ClassVar[type[Recipe]]
    metrics: tuple[str, ...] = ()
    examples: Sequence[Example] = ()
    text_inputs: tuple[str, ...] = ("text",)
    id_inputs: tuple[str, ...] = ()
    decodes = False
    answers_alone = True
    answers_are_even = True
    by_token = False
    ids_by_example = True

    def __init__(self, model: keras.Model | Engine, fields: Iterable[str]) -> None:
        self.engine = model if isinstance(model, Engine) else KerasEngine(model)
        self.fields = tuple(fields)
        self.metric_options: Mapping[str, Any] = {}
        self._responders: dict[tuple, Callable[..., Any]] = {}

    @property
    def kind(self) -> str:
        """The name of the task in recipes and in `task.json`."""
        return self.recipe.kind

    @property
    def model(self) -> Any:
        """The Keras model, from ids to numbers."""
        return self.engine.model

    def with_engine(self, engine: Engine) -> Task:
        """The same task, computed by another engine."""
        task = copy.copy(self)
        task.engine = engine
        task._responders = {}
        return task

    # Strings to answers

    def __call__(self, texts: Any, **options: Any) -> list[str]:
        """Answers a list of strings, or of tuples of strings, with a list of strings.

        Args:
            texts: as for `predict`.
            **options: as for `predict`.
        """
        return [answer.text for answer in self.predict(texts, **options)]

    def predict(self, texts: Any, **options: Any) -> list[Any]:
        """Answers texts.

        Args:
            texts: strings or UTF-8 bytes, as a list, a tuple, an array or a tensor; for
                inputs with several columns, tuples of them or an array `(N, 2)`.
            **options: see the task's class; most tasks have none.

        Returns:
            A list of answers, in the order of the texts, each with `text`, `record` (for JSON)
            and `lines`.

        Raises:
            UserError: if an option is unknown or out of range, or an input is not a text.
        """
        columns = self.columns(texts)
        options = self.check_options(options)
        columns += self.option_columns(options, len(columns[0]))
        inputs = list(zip(*columns, strict=True))
        answers = [self.answer_to_blank(row, options) for row in inputs]
        pending = [i for i, answer in enumerate(answers) if answer is None]
        # Sorted by length, so that batches contain little padding.
        order = sorted(pending, key=lambda i: sum(map(len, inputs[i])))
        with self.engine.guard():
            for start in range(0, len(order), _PREDICT_BATCH):
                members = order[start : start + _PREDICT_BATCH]
                rows = [np.array([column[i] for i in members], dtype=object) for column in columns]
                outputs = self.engine.respond(self, rows, self.graph_options(options))
                read = self.read_answers(outputs, rows, **options)
                for i, answer in zip(members, read, strict=True):
                    answers[i] = answer
        return answers

    def answer_to_blank(self, row: Sequence[bytes], options: Mapping[str, Any]) -> Any:
        """The answer to an input that does not need the engine; None for all others."""
        return None

    def check_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Checks the options of `predict`; None means that an option was not given."""
        given = [name for name, value in options.items() if value is not None]
        if given:
            raise UserError(f"{self.kind} has no option {given[0]!r}; accepted: none")
        return {}

    def graph_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the checked options that `respond` takes."""
        return {}

    def option_columns(self, options: Mapping[str, Any], count: int) -> list[list[bytes]]:
        """The checked options of which each of `count` texts has its own, as columns."""
        return []

    def signature_of(self, options: Mapping[str, Any]) -> str:
        """The signature of a SavedModel that answers strings with these options."""
        return "serving_default"

    @property
    def graph_settings(self) -> tuple[Any, ...]:
        """The attributes that a compiled `respond` holds; when they change it is compiled anew."""
        return ()

    def responder(
        self, options: Mapping[str, Any], num_columns: int
    ) -> Callable[..., Mapping[str, Any]]:
        """`respond` as a function of string tensors for the engine, compiled if possible."""

        def respond(*columns):
            return self.respond(*columns, **options)

        if not self.engine.in_graph:
            return respond
        key = (*sorted(options.items()), *self.graph_settings)
        if key not in self._responders:
            specs = [tf.TensorSpec([None], tf.string)] * num_columns
            self._responders[key] = tf.function(respond, input_signature=specs, autograph=False)
        return self._responders[key]

    def columns(self, texts: Any) -> list[list[bytes]]:
        """Strings, or tuples of strings, as columns of UTF-8 bytes, one per input."""
        return columns_of(texts, self.text_inputs)

    @abc.abstractmethod
    def respond(self, *columns: tf.Tensor, **options: Any) -> dict[str, Any]:
        """Strings `(B,)` to named outputs, a row for each text; in-graph if the engine is."""

    @abc.abstractmethod
    def read_answers(
        self, outputs: Mapping[str, np.ndarray], columns: Sequence[Any], **options: Any
    ) -> list[Any]:
        """Named outputs to answers.

        Args:
            outputs: what `respond` returned, as arrays.
            columns: the input texts, UTF-8 bytes.
            **options: the checked options.
        """

    @abc.abstractmethod
    def compute(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """Ids to numbers by the Keras model, in-graph."""

    # Examples

    @property
    def holds(self) -> dict[Any, Any]:
        """The contents of those columns of its examples that are not text."""
        return self.recipe.column_contents(self, list(self.fields))

    @property
    def kind_of_answers(self) -> str:
        """The kind of its answers, which decides which metrics apply."""
        return self.recipe.kind_of_answers(self, len(self.fields))

    def input_of(self, example: Example) -> Any:
        """The input in an example: a string, or a tuple of strings."""
        inputs = tuple(example[: len(self.text_inputs)])
        return inputs[0] if len(inputs) == 1 else inputs

    @abc.abstractmethod
    def input_sides(self, texts: Any) -> list[Side]:
        """The inputs of examples, by side."""

    def sides(self, examples: Sequence[Example]) -> list[Side]:
        """Everything in the examples that is tokenized, by side."""
        return self.input_sides([self.input_of(example) for example in examples])

    def truncated(self, texts: Any) -> list[int]:
        """The indices of the texts that are truncated."""
        return sorted({i for side in self.input_sides(texts) for i in side.beyond()})

    @abc.abstractmethod
    def longest(self, name: str) -> int:
        """The maximum length of the input of this name."""

    def references(self, examples: Sequence[Example]) -> list[str]:
        """The references of examples, strings."""
        return [example[-1] for example in examples]

    def answers_for(self, examples: Sequence[Example], **options: Any) -> tuple[list, list, list]:
        """Answers examples.

        Args:
            examples: list of tuples of strings.
            **options: options of `predict`.

        Returns:
            Three lists to compute metrics from: sources, answers, references.
        """
        sources = [self.input_of(example) for example in examples]
        return sources, self(sources, **options), self.references(examples)

    def attention(
        self, text: Any, answer: str | None = None, **options: Any
    ) -> tuple[Attended, ...]:
        """The attention behind each answer to a text; see `attention_zoo.explain`."""
        raise UserError(f"{type(self).__name__} does not say what it attended to")

    # Training

    @abc.abstractmethod
    def to_ids(self, examples: Sequence[Example]) -> list[tuple[np.ndarray, ...]]:
        """Examples as tuples of arrays, for batches."""

    def training_batches(self, examples: Any, settings: Any) -> Batches:
        """The batches of a training.

        Args:
            examples: training examples, tuples of strings; or `PreparedExamples`.
            settings: the section `train` of the task's recipe.
        """
        return TokenBatches(
            ids_of(self, examples), settings.batch_tokens, settings.buckets, seed=settings.seed
        )

    @abc.abstractmethod
    def loss(
        self, batch: Any, training: bool = True, label_smoothing: float = 0.0, seed: Any = None
    ) -> tuple[Any, Any]:
        """The sum of the losses of a batch and the number of targets, scalars."""

    @property
    def unused_weights(self) -> Sequence[Any]:
        """Weights that affect neither answers nor the loss."""
        return ()

    def trained_variables(self, settings: Any) -> list[Any]:
        """The weights to train; the model itself is not changed.

        Args:
            settings: the section `train` of the task's recipe.

        Raises:
            UserError: if nothing is left to train.
        """
        return self._variables_without(self.unused_weights)

    def _variables_without(self, left_out: Iterable[Any]) -> list[Any]:
        ids = {id(variable) for variable in left_out}
        variables = [v for v in self.model.trainable_variables if id(v) not in ids]
        if not variables:
            raise UserError("every weight is frozen: there is nothing to train")
        return variables

    def rates(self, settings: Any) -> Callable[[Any], float] | None:
        """A function from a variable to its learning-rate multiplier; None if all are 1."""
        return None

    def loss_options(self, settings: Any) -> Callable[[Any], dict[str, Any]] | None:
        """A function from the step to further arguments of `loss`; None if there are none."""
        return None

    def fit(
        self, train: Any, valid: Any = None, out: Any = None, **settings: Any
    ) -> TrainingFigures:
        """Trains the task; see `attention_zoo.train.fit.fit` for the arguments."""
        return fit(self, train, valid, out, **settings)

    def evaluate(self, examples: Any, metrics: Any = None, **options: Any) -> dict[str, Any]:
        """Scores the task on examples; see `attention_zoo.train.evaluation.evaluate`."""
        return evaluate(self, examples, metrics, **options)

    @classmethod
    @abc.abstractmethod
    def build(cls, recipe: Any, examples: Sequence[Example], like: Task | None = None) -> Task:
        """Trains the tokenizers and builds the model of a recipe.

        Args:
            recipe: the recipe of the task.
            examples: training examples, tuples of strings.
            like: a task without a model, whose tokenizers, lengths and labels to take; then
                there are no examples.

        Raises:
            UserError: if the recipe does not fit the task or the examples.
        """

    # Exporting

    @property
    @abc.abstractmethod
    def compared(self) -> Compared:
        """The numbers by which artefacts are compared with the model."""

    @property
    def export_metrics(self) -> Sequence[str]:
        """The metrics for the answers of artefacts."""
        return self.metrics

    @property
    def searches(self) -> dict[str, dict[str, tuple[str, Any]]]:
        """Signatures that answer like `serving_default` if called with certain options.

        A dict from the name of a signature to its options: name to type and value.
        """
        return {}

    @abc.abstractmethod
    def signatures(self) -> dict[str, Signature]:
        """The functions of a SavedModel: strings to named outputs, and ids to numbers.

        Returns:
            A dict from signature name to a function and the specs of its arguments.
        """

    @abc.abstractmethod
    def lite_signatures(self) -> dict[str, Signature]:
        """The functions of a LiteRT file, like `signatures` but without strings."""

    def export_inputs(self, examples: Sequence[Example]) -> dict[str, np.ndarray]:
        """The inputs on which artefacts are compared with the model, by name."""
        sources = [self.input_of(example) for example in examples]
        return self.inputs_of(sources, [example[-1] for example in examples])

    @abc.abstractmethod
    def inputs_of(self, texts: Any, references: Any = None) -> dict[str, np.ndarray]:
        """Like `export_inputs`, with separate inputs and references.

        Returns:
            Arrays with a row for each example: the strings, their ids, and `counted` if
            some numbers do not count.
        """

    @abc.abstractmethod
    def answers(self, outputs: Mapping[str, Any], texts: Any) -> list[str]:
        """The answers in the outputs of `serving_default` of any artefact.

        Args:
            outputs: dict of arrays: named outputs, or the numbers they are read from.
            texts: the input texts, as `predict` takes them.
        """

    def is_same(self, first: str, second: str) -> bool:
        """Whether two answers, of the model and of an artefact, are the same."""
        return first == second

    # Files

    @abc.abstractmethod
    def tokenizers(self) -> dict[str, Tokenizer]:
        """The tokenizers by the names of their folders; a shared one is listed once."""

    @classmethod
    @abc.abstractmethod
    def load_tokenizers(cls, config: Mapping[str, Any], folder: Path) -> dict[str, Tokenizer]:
        """The tokenizers in a folder, by the names of the constructor's arguments."""

    @classmethod
    def own_settings(cls) -> list[str]:
        """The settings in its `task.json` that other tasks need not have."""
        return [n for n in cls.recipe.task_config.model_fields if n not in TaskConfig.model_fields]

    @classmethod
    def from_settings(
        cls,
        model: keras.Model | Engine,
        tokenizers: dict[str, Tokenizer],
        settings: dict[str, Any],
        fields: Sequence[str],
    ) -> Task:
        """Calls the constructor with tokenizers and settings of a `task.json`, by name."""
        return cls(model, **tokenizers, **settings, fields=fields)  # pyright: ignore

    def save(
        self,
        directory: str | Path,
        dtype: str = "float32",
        weights: dict[str, np.ndarray] | None = None,
    ) -> None:
        """Writes `task.json`, the weights and the tokenizers: data only, no code.

        The directory is replaced atomically, or not at all. Its `SHA256SUMS` reveals damaged
        files later.

        Args:
            directory: the task directory to write.
            dtype: of the weights in the file. "float16" halves its size and rounds the weights;
                a loaded task still computes in float32.
            weights: arrays to write in place of the model's weights, by name.

        Raises:
            UserError: if a weight is NaN or too large for the type, or the directory holds
                something other than a task.
        """
        save_task(self, directory, dtype, weights)

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Reads a task that `save` wrote.

        Raises:
            UserError: if a file is missing or damaged, or belongs to another kind of task.
        """
        config = read_whole_task_config(directory)
        if config["task"] != cls.recipe.kind:
            raise UserError(
                f"{directory} holds the task {config['task']!r}, not {cls.recipe.kind!r}"
            )
        return read_task(cls, directory, config)
