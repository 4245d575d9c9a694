"""What every task offers to training, exporting and the command line."""

import inspect
import json
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from attention_zoo.backend import require_tensorflow_backend
from attention_zoo.errors import UserError, suggest
from attention_zoo.files import atomic_directory, atomic_file
from attention_zoo.tasks.answering import Answering
from attention_zoo.zoo import MODELS
from attention_zoo.zoo.weights import assign_weights, saved_weights, weight_name

require_tensorflow_backend()

TASK_FILE = "task.json"
WEIGHTS_FILE = "model.safetensors"
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

        The directory appears at once and whole, or stays as it was.

        Args:
            directory: the task directory to write.
            dtype: of the weights in the file. "float16" halves it and rounds them; what
                is loaded computes in float32 all the same.

        Raises:
            UserError: if a weight is too large for the type.
        """
        with atomic_directory(directory) as temporary:
            write_weights(self.model, temporary / WEIGHTS_FILE, dtype)
            self.save_without_weights(temporary)
            lines = [json.dumps(example, ensure_ascii=False) + "\n" for example in self.examples]
            (temporary / EXAMPLES_FILE).write_text("".join(lines), encoding="utf-8")

    def save_without_weights(self, directory):
        """Writes `task.json` and the tokenizers: what an artefact needs beside it."""
        for name, tokenizer in self.tokenizers().items():
            tokenizer.save(Path(directory) / TOKENIZER_FOLDER / name)
        description = {
            "format": 1,
            "task": self.kind,
            "fields": list(self.fields),
            "metrics": list(self.metrics),
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
        directory = Path(directory)
        config = read_task_config(directory)
        if config["task"] != cls.kind:
            raise UserError(f"{directory} holds the task {config['task']!r}, not {cls.kind!r}")
        model_class = MODELS.get(config["model"].get("class"))
        if model_class is None:
            name = str(config["model"].get("class"))
            raise UserError(f"{directory / TASK_FILE}: no model {name!r}; {suggest(name, MODELS)}")
        try:
            model = model_class(**config["model"]["config"])
        except (TypeError, ValueError) as error:
            raise UserError(f"{directory / TASK_FILE}: model.config: {error}") from error
        read_weights(model, directory / WEIGHTS_FILE)
        try:
            task = cls._from_config(config, directory / TOKENIZER_FOLDER, model)
        except KeyError as error:
            raise UserError(f"{directory / TASK_FILE} is damaged: it lacks {error}") from error
        task.metrics = tuple(config["metrics"])
        examples = directory / EXAMPLES_FILE
        if examples.exists():
            lines = examples.read_text(encoding="utf-8").splitlines()
            task.examples = [tuple(json.loads(line)) for line in lines]
        return task


def read_task_config(directory):
    """Reads `task.json` of a task or an export, without loading anything else."""
    path = Path(directory) / TASK_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{directory} is no task: {path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from error
    if not isinstance(config, dict) or not {"task", "fields", "metrics", "model"} <= config.keys():
        raise UserError(f"{path} is damaged: it lacks task, fields, metrics or model")
    return config


def model_config(model):
    """The model's own constructor arguments: numbers and names, no serialised objects."""
    own = inspect.signature(type(model).__init__).parameters
    return {name: value for name, value in model.get_config().items() if name in own}


def write_weights(model, path, dtype="float32"):
    """Writes the weights as safetensors, under the names of `weight_name`."""
    arrays = {weight_name(v): _convert(v, dtype) for v in saved_weights(model)}
    # Bytes first, so that a full disk is seen by our own write and named by its path.
    Path(path).write_bytes(safetensors.numpy.save(arrays))


def _convert(variable, dtype):
    array = variable.numpy()
    if np.abs(array).max(initial=0) > np.finfo(dtype).max:
        raise UserError(f"{weight_name(variable)} holds numbers too large for {dtype}")
    return array.astype(dtype)


def read_weights(model, path):
    """Reads weights into a model.

    Raises:
        UserError: if the file is missing or damaged, a weight is missing or left
            over, or a shape differs: all of them are listed.
    """
    assign_weights(model, read_safetensors(path), path)


def read_safetensors(path):
    """Reads a safetensors file into a dict of arrays, or says that it is damaged."""
    try:
        return safetensors.numpy.load(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except SafetensorError as error:
        raise UserError(f"{path} is damaged: {error}") from error
