"""What every task offers to training, exporting and the command line."""

import json
from pathlib import Path

import tensorflow as tf
from pydantic_core import from_json

from attention_zoo.backend import require_tensorflow_backend
from attention_zoo.checksums import verify_checksums, write_checksums
from attention_zoo.errors import UserError, suggest
from attention_zoo.files import atomic_directory, atomic_file, read_file
from attention_zoo.tasks.answering import Answering
from attention_zoo.tasks.description import MODELS_OF, TASK_FILE, read_task_config
from attention_zoo.zoo import MODELS
from attention_zoo.zoo.limits import check_arguments
from attention_zoo.zoo.model import model_config
from attention_zoo.zoo.weights import (
    WEIGHTS_FILE,
    assign_weights,
    read_safetensors,
    write_weights,
)

require_tensorflow_backend()

TOKENIZER_FOLDER = "tokenizer"
EXAMPLES_FILE = "examples.jsonl"


class Task(Answering):
    """A model with its tokenizers; strings in, answers out.

    `train/` and `export/` see a task only through these:

    Attributes:
        kind: name of the task in recipes and in `task.json`.
        model: the Keras model, from ids to numbers.
        fields: names of the columns of an example; the last is the reference answer.
        metrics: names of the metrics it is judged by.
        examples: some examples that were not trained on, which exporting verifies with.
        text_inputs: names of the strings that a SavedModel takes.
        id_inputs: names of the ids that a LiteRT file takes.
        compared: a `Compared`, by which numbers artefacts are compared with the model.

    Methods that subclasses give:
        to_ids(examples): examples as tuples of arrays, for batches.
        loss(batch, training, label_smoothing, seed): sum of losses and number of targets.
        predict(texts): one answer a text, with `text`, `record` and `lines`.
        signatures(): functions over strings and ids for a SavedModel.
        lite_signatures(): functions over ids for LiteRT.
        export_inputs(examples), answers(outputs, texts): see `export/verify.py`.
        tokenizers(): a dict from folder name to tokenizer.
        _config(), _from_config(config, folder, model).
    """

    kind = None
    metrics = ()
    examples = ()
    idle_weights = ()  # those that neither an answer nor the loss depends on

    def fit(self, train, valid=None, out=None, **settings):
        """Trains the task; see `attention_zoo.train.fit.fit` for the arguments."""
        # The one arrow that points to the right: users expect `fit` on the thing they fit.
        from attention_zoo.train.fit import fit

        return fit(self, train, valid, out, **settings)

    def evaluate(self, examples, metrics=None, **options):
        """Scores the task on examples; see `attention_zoo.train.evaluation.evaluate`."""
        from attention_zoo.train.evaluation import evaluate

        return evaluate(self, examples, metrics, **options)

    def save(self, directory, dtype="float32"):
        """Writes `task.json`, the weights and the tokenizers: data only, no code.

        The directory appears at once and whole, or stays as it was. Its `SHA256SUMS` tells
        later whether a file was damaged.

        Args:
            directory: the task directory to write.
            dtype: of the weights in the file. "float16" halves it and rounds them; what
                is loaded computes in float32 all the same.

        Raises:
            UserError: if a weight is NaN, or too large for the type, or the directory holds
                something else than a task.
        """
        with atomic_directory(directory, TASK_FILE) as temporary:
            write_weights(self.model, temporary / WEIGHTS_FILE, dtype)
            self.save_without_weights(temporary)
            lines = [json.dumps(example, ensure_ascii=False) + "\n" for example in self.examples]
            (temporary / EXAMPLES_FILE).write_text("".join(lines), encoding="utf-8")
            write_checksums(temporary)

    def save_without_weights(self, directory):
        """Writes `task.json` and the tokenizers: what an artefact needs beside it."""
        for name, tokenizer in self.tokenizers().items():
            tokenizer.save(Path(directory) / TOKENIZER_FOLDER / name)
        description = {
            "format": 1,
            "task": self.kind,
            "fields": list(self.fields),
            "metrics": list(self.metrics),
            "metric_options": self.metric_options,
            "model": {"class": type(self.model).__name__, "config": model_config(self.model)},
            **self._config(),
        }
        with atomic_file(Path(directory) / TASK_FILE) as temporary:
            temporary.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory):
        """Reads a task that `save` wrote.

        Raises:
            UserError: if a file is missing, damaged, or of another kind of task.
        """
        config = read_whole_task_config(directory)
        if config["task"] != cls.kind:
            raise UserError(f"{directory} holds the task {config['task']!r}, not {cls.kind!r}")
        return cls.from_directory(Path(directory), config)

    @classmethod
    def from_directory(cls, directory, config):
        """As `load`, where `read_whole_task_config` has been called already."""
        task = cls.from_config(config, directory, _load_model(config, directory))
        examples = directory / EXAMPLES_FILE
        if examples.exists():
            task.examples = _read_examples(examples)
        return task

    @classmethod
    def from_config(cls, config, directory, model):
        """Makes a task of its `task.json`, with the tokenizers that lie beside it.

        Args:
            config: what `read_task_config` gave.
            directory: where it was read.
            model: a model; None for something that reads the outputs of artefacts.

        Raises:
            UserError: if a setting is none, or does not fit model or tokenizers.
        """
        try:
            task = cls._from_config(config, Path(directory) / TOKENIZER_FOLDER, model)
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{Path(directory) / TASK_FILE}: {error}") from error
        task.metrics = tuple(config["metrics"])
        task.metric_options = config["metric_options"]
        return task


def read_whole_task_config(directory):
    """As `read_task_config`, of a task directory in which every file is as it was written."""
    verify_checksums(directory, (TASK_FILE, WEIGHTS_FILE))
    return read_task_config(directory)


def _load_model(config, directory):
    """Makes the model of a `task.json` and reads its weights, which say how large it may be."""
    path, description = directory / TASK_FILE, config["model"]
    name, known = description["class"], MODELS_OF[config["task"]]
    if name not in known:
        raise UserError(f"{path}: no model {name!r} for {config['task']}; {suggest(name, known)}")
    arrays = read_safetensors(directory / WEIGHTS_FILE)
    origin = f"{path}: model.config"
    check_arguments(MODELS[name], description["config"], arrays, origin)
    try:
        model = MODELS[name](**description["config"])
    except _REFUSALS as error:
        raise UserError(f"{origin}: {error}") from error
    assign_weights(model, arrays, directory / WEIGHTS_FILE)
    return model


# What Keras and TensorFlow raise at arguments of a layer that are none.
_REFUSALS = (TypeError, ValueError, AttributeError, ArithmeticError, tf.errors.OpError)


def _read_examples(path):
    """The examples that training kept: lists of strings, one a line."""
    examples = []
    for number, line in enumerate(read_file(path).split(b"\n"), start=1):
        if line:
            try:
                example = from_json(line)
            except ValueError as error:
                raise UserError(f"{path} is damaged in line {number}: {error}") from error
            if not isinstance(example, list) or not all(isinstance(s, str) for s in example):
                raise UserError(f"{path}: line {number} is no list of strings")
            examples.append(tuple(example))
    return examples
