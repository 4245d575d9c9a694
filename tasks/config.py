"""What `task.json` must hold, for each kind of task."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from attention_zoo.errors import UserError, suggest
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.zoo.options import LONGEST

TASK_FILE = "task.json"
# The models of each task; an artefact may be of a class that only its makers have.
MODELS_OF = {
    "answer": ("BertTokenClassifier",),
    "classify": ("BertClassifier",),
    "embed": ("Bert",),
    "fill_mask": ("BertPretrainer",),
    "seq2seq": ("RNNAttention", "Transformer"),
    "tag": ("BertTokenClassifier",),
}
_Length = Annotated[int, Field(ge=1, le=LONGEST)]
_Labels = Annotated[list[str], Field(min_length=1)]
_WIDEST_BEAM = 1000


def _plain(config):
    """Accepts numbers, names and switches: no serialised objects, which Keras would make."""
    for name, value in config.items():
        if isinstance(value, dict) and name == "encoder":
            _plain(value)
        elif not isinstance(value, bool | int | float | str | None):
            raise ValueError(f"{name} must be a number, a name, true or false")
    return config


class _Model(Content):
    name: str = Field(alias="class")
    config: Annotated[dict[str, object], AfterValidator(_plain)]


class _Task(Content):
    format: Literal[1] = 1
    task: str
    fields: list[str | int]  # names of columns, or their numbers
    metrics: list[str]
    metric_options: dict[str, str] = Field(default={})  # which earlier versions did not write
    model: _Model


class _Encoder(_Task):
    max_length: _Length


class _Classify(_Encoder):
    labels: list[str]
    problem: str
    threshold: float
    class_weights: list[float] | None


class _Tag(_Encoder):
    labels: _Labels


class _Embed(_Encoder):
    pooling: str
    normalize: bool


class _FillMask(_Encoder):
    whole_words: bool
    seed: int
    next_sentence: bool


class _Answer(_Encoder):
    stride: _Length
    max_question_length: _Length
    max_answer_length: _Length
    no_answer: bool
    threshold: float


class _Seq2Seq(_Task):
    shared_tokenizer: bool
    max_source_length: _Length
    max_target_length: _Length
    beam_size: Annotated[int, Field(ge=1, le=_WIDEST_BEAM)]
    length_penalty: float
    replace_unknown: bool = False


_KINDS = {
    "answer": _Answer,
    "classify": _Classify,
    "embed": _Embed,
    "fill_mask": _FillMask,
    "seq2seq": _Seq2Seq,
    "tag": _Tag,
}


def read_task_config(directory):
    """Reads `task.json` of a task or an export, without loading anything else.

    Raises:
        UserError: if it is missing, or not what a task of its kind writes.
    """
    path = Path(directory) / TASK_FILE
    if not path.exists():
        raise UserError(f"{directory} is no task: {path}: No such file or directory")
    config = read_json(path)
    kind = check_content(config, _Task, path).task
    if kind not in _KINDS:
        raise UserError(f"{directory} holds an unknown task, {kind!r}; {suggest(kind, _KINDS)}")
    check_content(config, _KINDS[kind], path)
    return {"metric_options": {}, **config}
