"""What the tasks of an encoder have in common: strings to ids, a model, its outputs to answers."""

import dataclasses

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.answering import Compared
from attention_zoo.tasks.inputs import rows_of
from attention_zoo.tasks.sides import Side
from attention_zoo.tasks.task import Task
from attention_zoo.text.lines import one_line
from attention_zoo.text.registry import load_tokenizer
from attention_zoo.text.rows import cut_rows
from attention_zoo.text.tokenizer import CHUNK
from attention_zoo.text.vocabulary import PAD_ID

ID_INPUTS = ("token_ids", "mask", "segment_ids")
_PREDICT_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Prediction:
    """An answer as text, and as a dict for JSON.

    Attributes:
        text: the answer.
        record: numbers, strings and lists of them, by name.
    """

    text: str
    record: dict

    @property
    def lines(self):
        """What the command line prints: one line, whatever stood in the text or the labels."""
        return [one_line(self.text)]


class EncoderTask(Task):
    """Strings in, answers out, by an encoder with a head.

    Everything happens in three steps, each of which runs in-graph: `encode` turns strings
    into ids, `compute` ids into numbers, `read` numbers into named outputs. A SavedModel
    holds all three; of a LiteRT file only the second is part. Subclasses give `read`, and
    `_predictions`, which makes Python objects of the named outputs; where they differ,
    also `encode`, `compute` and `specs`.

    Args:
        model: an encoder, see `attention_zoo.zoo`; None for something that reads the
            outputs of artefacts.
        tokenizer: a `WordPieceTokenizer`.
        max_length: longest input in ids; longer ones are truncated. The model's when None.
        fields: names of the columns of an example; all but the last are the input, if
            there are several.

    Raises:
        ValueError: if the vocabulary or the length does not fit the model, or there are more
            or fewer columns than the task has use for.
    """

    output = "logits"  # of `compute`: what artefacts are compared by
    by_token = False  # whether there is an output for each token, those of padding too
    text_inputs = ("text",)
    id_inputs = ID_INPUTS
    options = ()  # of `predict`
    field_counts = ()  # how many columns an example may have
    run_eagerly = False  # where `compute` is not for TensorFlow's graphs

    def __init__(self, model, tokenizer, max_length=None, fields=("text", "label")):
        self.model = model
        self.tokenizer = tokenizer
        self.max_length = max_length or model.max_length
        self.fields = tuple(fields)
        self._respond = None
        if len(self.fields) not in self.field_counts:
            accepted = " or ".join(map(str, self.field_counts))
            raise ValueError(
                f"{self.kind} has {accepted} columns, received {', '.join(self.fields) or 'none'}"
            )
        if model is None:
            return
        if tokenizer.vocab_size > model.vocab_size:
            raise ValueError(
                f"the tokenizer has {tokenizer.vocab_size} ids, the model {model.vocab_size}"
            )
        if not 3 < self.max_length <= model.max_length:
            raise ValueError(
                f"max_length must be above 3 and at most the model's ({model.max_length}), "
                f"received {self.max_length}"
            )

    # Strings to answers

    def encode(self, text, pair=None):
        """Strings `(B,)` to a dict of int32 `(B, T)`: `token_ids`, `segment_ids`, `mask`."""
        token_ids, segment_ids = self.tokenizer.encode_with_segments(text, self.max_length, pair)
        return with_mask(token_ids, segment_ids)

    def compute(self, inputs):
        """Ids to numbers: a dict of float tensors."""
        return {self.output: self.model(inputs, training=False)}

    def read(self, numbers, inputs, *columns):
        """Numbers to named outputs.

        Args:
            numbers: what `compute` gave.
            inputs: what `encode` gave.
            *columns: string tensors `(B,)`.

        Returns:
            A dict of tensors with a row for each text.
        """
        raise NotImplementedError

    def respond(self, *columns):
        """Strings `(B,)` to named outputs, in-graph."""
        inputs = self.encode(*columns)
        return self.read(self.compute(ids_of(inputs)), inputs, *columns)

    def __call__(self, texts, **options):
        """Answers a list of strings, or of tuples of strings, with a list of strings."""
        return [prediction.text for prediction in self.predict(texts, **options)]

    def predict(self, texts, **options):
        """Answers texts.

        Args:
            texts: strings or UTF-8 bytes, as a list, a tuple, an array or a tensor; for
                inputs of several columns tuples of them, or an array `(N, 2)`.
            **options: those named in `self.options`; most tasks have none.

        Returns:
            A list of `Prediction`, in the order of the texts.
        """
        columns = self.columns(texts)
        options = self._checked(options)
        if self._respond is None:
            specs = [tf.TensorSpec([None], tf.string)] * len(self.text_inputs)
            self._respond = (
                self.respond
                if self.run_eagerly
                else tf.function(self.respond, input_signature=specs, autograph=False)
            )
        # Sorted by length, so that a batch holds little padding.
        order = np.argsort(
            [sum(map(len, row)) for row in zip(*columns, strict=True)], kind="stable"
        )
        predictions = [None] * len(order)
        for start in range(0, len(order), _PREDICT_BATCH):
            members = order[start : start + _PREDICT_BATCH]
            rows = [np.array([column[i] for i in members], dtype=object) for column in columns]
            outputs = self._respond(*(tf.constant(row) for row in rows))
            outputs = {name: np.asarray(value) for name, value in outputs.items()}
            found = self._predictions(outputs, rows, **options)
            for i, prediction in zip(members, found, strict=True):
                predictions[i] = prediction
        return predictions

    def columns(self, texts):
        """Strings, or tuples of strings, as columns of UTF-8 bytes, one an input."""
        rows = rows_of(texts)
        expected = len(self.text_inputs)
        for number, row in enumerate(rows, start=1):
            if len(row) != expected:
                raise UserError(
                    f"each input must have {expected} text{'s' * (expected > 1)} "
                    f"({', '.join(self.text_inputs)}), number {number} has {len(row)}: "
                    f"{[text.decode(errors='replace') for text in row]}"
                )
        return [list(column) for column in zip(*rows, strict=True)] or [[]] * expected

    def _checked(self, options):
        """The options of `predict` that were given; the others have defaults."""
        options = {name: value for name, value in options.items() if value is not None}
        foreign = [name for name in options if name not in self.options]
        if foreign:
            accepted = ", ".join(self.options) or "none"
            raise UserError(f"{self.kind} has no option {foreign[0]!r}; accepted: {accepted}")
        return options

    def input_sides(self, texts):
        """The texts, those of a pair together; see `Answering`."""
        columns = tuple(self.columns(texts))
        room = self.max_length - 1 - len(columns)
        return [Side("text", self.tokenizer, columns, room)]

    @property
    def max_source_length(self):
        """Longest input in ids, as the command line names it."""
        return self.max_length

    def attention(self, text):
        """Where each block looked: weights `(blocks, heads, T, T)` and the T tokens.

        Args:
            text: an input; of one that is read in windows the first window counts.
        """
        inputs = self.encode(*(tf.constant(column) for column in self.columns([text])))
        first = {name: tensor[:1] for name, tensor in ids_of(inputs).items()}
        weights = np.asarray(self.model.attention_weights(first))[0]
        return weights, self.tokenizer.pieces(first["token_ids"][0].numpy())

    # Training

    def id_rows(self, examples):
        """Token ids and segment ids of examples, as two lists of arrays without padding."""
        found = {"token_ids": [], "segment_ids": []}
        for _, inputs in self.encoded(examples):
            lengths = inputs["mask"].sum(axis=1)
            for name, rows in found.items():
                rows += [row[:n] for row, n in zip(inputs[name], lengths, strict=True)]
        return list(found.values())

    def encoded(self, examples):
        """Examples, some at a time, each time with what `encode` makes of them, as arrays."""
        for start in range(0, len(examples), CHUNK):
            part = examples[start : start + CHUNK]
            columns = self.columns([self.input_of(example) for example in part])
            inputs = self.encode(*(tf.constant(column) for column in columns))
            yield part, {name: tensor.numpy() for name, tensor in inputs.items()}

    # Exporting

    @property
    def compared(self):
        """By which numbers artefacts are compared with the model."""
        return Compared("ids", ID_INPUTS, self.output)

    @property
    def idle_weights(self):
        """The pooler's, where nothing looks at it: training and converters leave it out."""
        bert = getattr(self.model, "bert", self.model)
        is_idle = bert.pooler and not getattr(self.model, "reads_pooled", False)
        return bert.pooler_projection.weights if is_idle else ()

    def signatures(self):
        """The functions of a SavedModel: strings to named outputs, ids to numbers.

        Returns:
            A dict from signature name to a function and the specs of its arguments.
        """
        texts = [tf.TensorSpec([None], tf.string, name) for name in self.text_inputs]
        ids = [tf.TensorSpec([None, None], tf.int32, name) for name in ID_INPUTS]

        def compute(*ids):
            return self.compute(self._cut(*ids))

        def attend(*ids):
            return {"attention": self.model.attention_weights(self._cut(*ids))}

        return {
            "serving_default": (self.respond, texts),
            "ids": (compute, ids),
            "attention": (attend, ids),
        }

    def _cut(self, token_ids, mask, segment_ids):
        """Ids that a client has made, by name; what is too long for the model is cut off."""
        length = self.max_length
        return {
            "token_ids": cut_rows(token_ids, length, self.tokenizer.sep_id),
            "mask": cut_rows(mask, length),
            "segment_ids": cut_rows(segment_ids, length),
        }

    def lite_signatures(self):
        """The functions of a LiteRT file, as `signatures`: ids to numbers."""
        function = self.signatures()["ids"]
        return {"serving_default": function, "ids": function}

    def export_inputs(self, examples):
        """The arguments with which artefacts are compared with the model, by name.

        Outputs for padding do not count: no two runtimes need to agree on them.
        """
        return self.inputs_of([self.input_of(example) for example in examples])

    def inputs_of(self, texts, references=None):
        """As `export_inputs`, of what is asked; references are of no concern."""
        columns = self.columns(texts)
        inputs = ids_of(self.encode(*(tf.constant(column) for column in columns)))
        texts = zip(self.text_inputs, columns, strict=True)
        arrays = {
            **{name: np.array(column, dtype=object) for name, column in texts},
            **{name: tensor.numpy() for name, tensor in inputs.items()},
        }
        return {**arrays, "counted": arrays["mask"] > 0} if self.by_token else arrays

    def answers(self, outputs, texts):
        """The answers in the outputs of `serving_default` of any artefact, as strings.

        Args:
            outputs: dict of arrays: named outputs, or numbers.
            texts: what was asked, as `columns` takes it.
        """
        columns = self.columns(texts)
        if self.output in outputs and not self._is_read(outputs):
            tensors = [tf.constant(column) for column in columns]
            outputs = self.read(outputs, self.encode(*tensors), *tensors)
            outputs = {name: np.asarray(value) for name, value in outputs.items()}
        return [prediction.text for prediction in self._predictions(outputs, columns)]

    def _is_read(self, outputs):
        return len(outputs) > 1

    def tokenizers(self):
        """The tokenizers by the names of their folders."""
        return {"text": self.tokenizer}

    def _config(self):
        return {"max_length": self.max_length}

    @classmethod
    def _from_config(cls, config, folder, model):
        tokenizer = load_tokenizer(folder / "text")
        return cls(model, tokenizer, **cls._arguments(config), fields=config["fields"])

    @classmethod
    def _arguments(cls, config):
        """The constructor arguments in a `task.json`, beside model, tokenizer and fields."""
        return {"max_length": config["max_length"]}


def with_mask(token_ids, segment_ids, **more):
    """The inputs of an encoder; the tokenizer gives id 0 to padding alone."""
    mask = tf.cast(tf.not_equal(token_ids, PAD_ID), tf.int32)
    return {"token_ids": token_ids, "mask": mask, "segment_ids": segment_ids, **more}


def ids_of(inputs):
    """What of the outputs of `encode` goes into the model."""
    return {name: inputs[name] for name in ID_INPUTS}
