"""The base class of encoder tasks: strings to ids, a model, its outputs to answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.attention import Attended, AttentionView, Tokens
from attention_zoo.tasks.building import (
    build_preset,
    copied_encoder,
    is_same_task,
    load_base,
    room_for,
)
from attention_zoo.tasks.contract import Compared, Example, Signature
from attention_zoo.tasks.encoder_settings import EncoderRecipe
from attention_zoo.tasks.engine import Engine, KerasEngine
from attention_zoo.tasks.sides import Side
from attention_zoo.tasks.task import Task
from attention_zoo.text.lines import one_line
from attention_zoo.text.registry import load_tokenizer, train_tokenizer
from attention_zoo.text.rows import cut_rows
from attention_zoo.text.tokenizer import CHUNK, Tokenizer
from attention_zoo.text.vocabulary import PAD_ID
from attention_zoo.train.optimizer import embedding_layers, layer_rates

ID_INPUTS = ("token_ids", "mask", "segment_ids")


@dataclasses.dataclass(frozen=True)
class Prediction:
    """An answer, as text and as a dict for JSON.

    Attributes:
        text: the answer.
        record: numbers, strings and lists of these, by name.
    """

    text: str
    record: dict[str, Any]

    @property
    def lines(self) -> list[str]:
        """What the command line prints: one line, even if texts or labels have line breaks."""
        return [one_line(self.text)]


class EncoderTask(Task):
    """Strings in, answers out, by an encoder with a head.

    A task works in three steps: `encode` turns strings into ids, the engine ids into numbers,
    `read` numbers into named outputs. A SavedModel contains all three, a LiteRT file only the
    second. Subclasses implement `read`, `read_answers` (named outputs to Python objects),
    `to_ids` and `loss`, and override `encode`, `compute` and `head_options` if needed.

    Args:
        model: an encoder, see `attention_zoo.zoo`; or another engine.
        tokenizer: an `EncoderTokenizer`, such as a `WordPieceTokenizer`.
        max_length: maximum length of inputs in ids; longer ones are truncated. Default: the
            model's.
        fields: names of the columns of an example; if there are several, all but the last
            are the input.

    Raises:
        ValueError: if the vocabulary or the length does not fit the model, or the number of
            columns is wrong.
    """

    recipe: ClassVar[type[EncoderRecipe]]
    output = "logits"  # of `compute`; artefacts are compared by it
    id_inputs = ID_INPUTS
    field_counts: tuple[int, ...] = ()  # how many columns an example may have

    def __init__(
        self,
        model: keras.Model | Engine,
        tokenizer: Any,
        max_length: int | None = None,
        fields: Iterable[str] = ("text", "label"),
    ) -> None:
        super().__init__(model, fields)
        self.tokenizer = tokenizer
        if len(self.fields) not in self.field_counts:
            accepted = " or ".join(map(str, self.field_counts))
            raise ValueError(
                f"{self.kind} has {accepted} columns, received {', '.join(self.fields) or 'none'}"
            )
        self.max_length = max_length or self.model.max_length
        if isinstance(self.engine, KerasEngine):
            self._check_model(self.model)

    def _check_model(self, model: Any) -> None:
        if self.tokenizer.vocab_size > model.vocab_size:
            raise ValueError(
                f"the tokenizer has {self.tokenizer.vocab_size} ids, the model {model.vocab_size}"
            )
        if not 3 < self.max_length <= model.max_length:
            raise ValueError(
                f"max_length must be above 3 and at most the model's ({model.max_length}), "
                f"received {self.max_length}"
            )

    def _check_outputs(self, wanted: int) -> None:
        if isinstance(self.engine, KerasEngine) and self.model.num_outputs != wanted:
            raise ValueError(f"{wanted} outputs are needed, the model has {self.model.num_outputs}")

    # Strings to answers

    def encode(self, *columns: tf.Tensor) -> dict[str, Any]:
        """Strings `(B,)` to a dict of int32 `(B, T)`: `token_ids`, `segment_ids`, `mask`."""
        token_ids, segment_ids = self.tokenizer.encode_with_segments(
            columns[0], self.max_length, *columns[1:]
        )
        return with_mask(token_ids, segment_ids)

    @property
    def only_tokenizes(self) -> bool:
        """Whether `encode` does nothing but tokenize, so that another tokenizer can do it."""
        return type(self).encode is EncoderTask.encode

    def compute(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """Ids to numbers by the Keras model, in-graph: a dict of float tensors."""
        return {self.output: self.model(inputs, training=training)}

    def read(
        self, numbers: Mapping[str, Any], inputs: Mapping[str, Any], *columns: tf.Tensor
    ) -> dict[str, Any]:
        """Numbers to named outputs.

        Args:
            numbers: what `compute` returned.
            inputs: what `encode` returned.
            *columns: string tensors `(B,)`.

        Returns:
            A dict of tensors with a row for each text.
        """
        raise NotImplementedError

    def respond(self, *columns: tf.Tensor, **options: Any) -> dict[str, Any]:
        """Strings `(B,)` to named outputs."""
        inputs = self.encode(*columns)
        return self.read(self.engine.compute(self, ids_of(inputs)), inputs, *columns)

    def input_sides(self, texts: Any) -> list[Side]:
        """The texts, with those of a pair together; see `Task`."""
        columns = tuple(self.columns(texts))
        room = self.tokenizer.room(self.max_length, len(columns))
        return [Side("text", self.tokenizer, columns, room)]

    def longest(self, name: str) -> int:
        """See `Task`; it is the same for all inputs."""
        return self.max_length

    def attention(
        self, text: Any, answer: str | None = None, **options: Any
    ) -> tuple[Attended, ...]:
        """The self-attention of each block.

        Args:
            text: an input; if it is read in windows, only the first window is used.
            answer: must be None: there is nothing to decode.
            **options: there are none.

        Raises:
            UserError: if there is an answer or an option.
        """
        if answer is not None:
            raise UserError(f"an answer is for tasks of the kind seq2seq, this one is {self.kind}")
        self.check_options(options)
        inputs = self._encoded([text])
        first = {name: array[:1] for name, array in ids_of(inputs).items()}
        weights = np.asarray(self.model.attention_weights(first), "float32")[0]
        tokens = Tokens.of(self.tokenizer, first["token_ids"][0])
        return (
            Attended(None, None, {"encoder": AttentionView("encoder", weights, tokens, tokens)}),
        )

    def _encoded(self, texts: Any) -> dict[str, np.ndarray]:
        inputs = self.encode(*(tf.constant(column) for column in self.columns(texts)))
        return {name: tensor.numpy() for name, tensor in inputs.items()}

    # Training

    def id_rows(self, examples: Sequence[Example]) -> list[list[np.ndarray]]:
        """Token ids and segment ids of examples, as two lists of arrays without padding."""
        collected: dict[str, list[np.ndarray]] = {"token_ids": [], "segment_ids": []}
        for _, inputs in self.encoded(examples):
            lengths = inputs["mask"].sum(axis=1)
            for name, rows in collected.items():
                rows += [row[:n] for row, n in zip(inputs[name], lengths, strict=True)]
        return list(collected.values())

    def encoded(
        self, examples: Sequence[Example]
    ) -> Iterator[tuple[Sequence[Example], dict[str, np.ndarray]]]:
        """Chunks of examples, each with the outputs of `encode` as arrays."""
        for start in range(0, len(examples), CHUNK):
            part = examples[start : start + CHUNK]
            yield part, self._encoded([self.input_of(example) for example in part])

    @property
    def unused_weights(self) -> Sequence[Any]:
        """The pooler's weights if nothing reads it: training and converters skip them."""
        bert = getattr(self.model, "bert", self.model)
        is_unused = getattr(bert, "pooler", False) and not getattr(
            self.model, "reads_pooled", False
        )
        return bert.pooler_projection.weights if is_unused else ()

    def trained_variables(self, settings: Any) -> list[Any]:
        """See `Task`; the setting `freeze` excludes more weights.

        Raises:
            UserError: if the encoder has fewer blocks, or nothing is left to train.
        """
        frozen = [] if settings.freeze is None else self._frozen_layers(settings.freeze)
        try:
            return self._variables_without(
                [*self.unused_weights, *(v for layer in frozen for v in layer.variables)]
            )
        except UserError as error:
            raise UserError(f"{error}; train.freeze is {settings.freeze!r}") from error

    def _frozen_layers(self, freeze: Any) -> list[Any]:
        encoder = getattr(self.model, "bert", self.model)
        if freeze == "encoder":
            return [encoder]
        if freeze > len(encoder.blocks):
            raise UserError(
                f"train.freeze: there are {len(encoder.blocks)} blocks, received {freeze}"
            )
        return [*embedding_layers(encoder), *encoder.blocks[:freeze]]

    def rates(self, settings: Any) -> Any:
        """See `Task`; with the setting `layer_decay`, rates decrease from the head down."""
        if settings.layer_decay == 1.0:
            return None
        return layer_rates(getattr(self.model, "bert", self.model), settings.layer_decay)

    @classmethod
    def build(
        cls, recipe: Any, examples: Sequence[Example], like: Task | None = None
    ) -> EncoderTask:
        """See `Task`."""
        base = load_base(recipe)
        num_texts = cls.count_texts(recipe.columns)
        options = _settings_of(like) if like else cls.options_of(recipe, examples, base)
        head = cls.head_options(options)
        tokenizer: Any = getattr(like or base, "tokenizer", None)
        if base is None:
            if like is None:
                texts = [text for example in examples for text in example[:num_texts]]
                tokenizer = train_tokenizer(recipe.tokenizer, texts)
            model = build_preset(recipe, {"vocab_size": tokenizer.vocab_size, **head})
        else:
            model = copied_encoder(recipe, base, head, is_same_task(base, recipe, options))
        if like is None:
            texts = [" ".join(example[:num_texts]) for example in examples]
            limit = recipe.data.max_length or min(room_for(texts, tokenizer), model.max_length)
        else:
            limit = like.max_length  # pyright: ignore[reportAttributeAccessIssue]
        try:
            return cls(model, tokenizer, **options, max_length=limit, fields=recipe.columns)
        except ValueError as error:
            raise UserError(f"options: {error}") from error

    @classmethod
    def options_of(cls, recipe: Any, examples: Sequence[Example], base: Any) -> dict[str, Any]:
        """The constructor's arguments: the recipe's options, and those derived from examples.

        Args:
            recipe: the recipe of the task.
            examples: training examples.
            base: the task whose weights to start from, or None.
        """
        return dict(recipe.options)

    @classmethod
    def head_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the model for its head, given the task's options."""
        return {}

    @classmethod
    def count_texts(cls, columns: Sequence[Any]) -> int:
        """How many columns, from the first, are texts that the task reads."""
        return max(1, len(columns) - 1)

    # Importing

    @classmethod
    def import_weights(
        cls, config: Mapping[str, Any], weights: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Weights of a Hugging Face folder, renamed to the names used here.

        Args:
            config: its `config.json`.
            weights: by the names from `zoo/importers/bert_names.py`.
        """
        return weights

    @classmethod
    def import_settings(cls, config: Mapping[str, Any], model: Any, folder: Path) -> dict[str, Any]:
        """The constructor's arguments from a Hugging Face folder.

        Args:
            config: its `config.json`.
            model: the model made from it.
            folder: the folder.
        """
        return {}

    @classmethod
    def import_model(cls, model: Any, folder: Path) -> Any:
        """The model of the task, given that of the weights in a Hugging Face folder."""
        return model

    # Exporting

    @property
    def compared(self) -> Compared:
        """The numbers by which artefacts are compared with the model."""
        return Compared("ids", ID_INPUTS, self.output)

    def signatures(self) -> dict[str, Signature]:
        """See `Task`."""
        texts = [tf.TensorSpec([None], tf.string, name) for name in self.text_inputs]
        ids = [tf.TensorSpec([None, None], tf.int32, name) for name in ID_INPUTS]

        def compute(*ids):
            return self.engine.compute(self, self._cut(*ids))

        def attend(*ids):
            return {"attention": self.model.attention_weights(self._cut(*ids))}

        return {
            "serving_default": (self.respond, texts),
            "ids": (compute, ids),
            "attention": (attend, ids),
        }

    def _cut(self, token_ids: Any, mask: Any, segment_ids: Any) -> dict[str, Any]:
        """Ids from a client, by name, truncated to the maximum length."""
        length = self.max_length
        return {
            "token_ids": cut_rows(token_ids, length, self.tokenizer.sep_id),
            "mask": cut_rows(mask, length),
            "segment_ids": cut_rows(segment_ids, length),
        }

    def lite_signatures(self) -> dict[str, Signature]:
        """See `Task`: ids to numbers."""
        function = self.signatures()["ids"]
        return {"serving_default": function, "ids": function}

    def inputs_of(self, texts: Any, references: Any = None) -> dict[str, np.ndarray]:
        """See `Task`. Outputs for padding do not count: runtimes need not agree on them."""
        columns = zip(self.text_inputs, self.columns(texts), strict=True)
        arrays = {
            **{name: np.array(column, dtype=object) for name, column in columns},
            **ids_of(self._encoded(texts)),
        }
        return {**arrays, "counted": arrays["mask"] > 0} if self.by_token else arrays

    def answers(self, outputs: Mapping[str, Any], texts: Any) -> list[str]:
        """See `Task`."""
        columns = self.columns(texts)
        answers = self.read_answers(self._read_if_numbers(outputs, columns), columns)
        return [answer.text for answer in answers]

    def _read_if_numbers(
        self, outputs: Mapping[str, Any], columns: Sequence[Any]
    ) -> Mapping[str, Any]:
        """Named outputs as arrays; numbers are first read into named outputs."""
        if self.output not in outputs:
            return outputs
        tensors = [tf.constant(column) for column in columns]
        named = self.read(outputs, self.encode(*tensors), *tensors)
        return {name: np.asarray(value) for name, value in named.items()}

    # Files

    def tokenizers(self) -> dict[str, Tokenizer]:
        """See `Task`."""
        return {"text": self.tokenizer}

    @classmethod
    def load_tokenizers(cls, config: Mapping[str, Any], folder: Path) -> dict[str, Tokenizer]:
        """See `Task`."""
        return {"tokenizer": load_tokenizer(folder / "text")}


def _settings_of(task: Task) -> dict[str, Any]:
    """The constructor's arguments in its `task.json`, but for the length."""
    return {name: getattr(task, name) for name in task.own_settings() if name != "max_length"}


def with_mask(token_ids: Any, segment_ids: Any, **more: Any) -> dict[str, Any]:
    """The inputs of an encoder; the tokenizer uses id 0 only for padding."""
    mask = tf.cast(tf.not_equal(token_ids, PAD_ID), tf.int32)
    return {"token_ids": token_ids, "mask": mask, "segment_ids": segment_ids, **more}


def ids_of(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Those outputs of `encode` that are inputs of the model."""
    return {name: inputs[name] for name in ID_INPUTS}


def imported_labels(config: Mapping[str, Any], count: int) -> list[str]:
    """The labels in a `config.json` of Hugging Face, with its default names if missing."""
    names = config.get("id2label") or {}
    return [str(names.get(str(i), f"LABEL_{i}")) for i in range(count)]
