"""Writes folders for Hugging Face's libraries: config, weights, tokenizer; data only."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from attention_zoo.export.hugging_face_tokenizers import write_tokenizer
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.zoo.bert import Bert
from attention_zoo.zoo.bert_classifier import BertClassifier
from attention_zoo.zoo.bert_pretrainer import BertPretrainer
from attention_zoo.zoo.bert_token_classifier import BertTokenClassifier
from attention_zoo.zoo.importers.bert_names import to_hugging_face
from attention_zoo.zoo.importers.hugging_face import hugging_face_config
from attention_zoo.zoo.weights import saved_weights

_PROBLEMS = {
    "one": "single_label_classification",
    "several": "multi_label_classification",
    "number": "regression",
}


def why_not_hugging_face(task: Any) -> str:
    """Why a task cannot be written as a Hugging Face folder, or ""."""
    if not isinstance(task.model, Bert | BertClassifier | BertTokenClassifier | BertPretrainer):
        return f"is for BERT, the model is a {type(task.model).__name__}"
    if isinstance(task.model, Bert) and not isinstance(task, Embed):
        return f"has no head for the task {task.kind}, whose model is a bare BERT"
    bert: Any = getattr(task.model, "bert", task.model)
    if bert.pooler and bert.pooler_activation != "tanh":
        return f"has a BERT with a tanh after the pooler, this one has {bert.pooler_activation}"
    return ""


def _architecture(task: Any) -> tuple[str, str]:
    """Hugging Face's names of the task's model class and of its head."""
    if isinstance(task.model, BertClassifier):
        return "BertForSequenceClassification", "classifier"
    if isinstance(task.model, BertTokenClassifier):
        if hasattr(task, "labels"):
            return "BertForTokenClassification", "classifier"
        return "BertForQuestionAnswering", "qa_outputs"
    if isinstance(task.model, BertPretrainer):
        next_sentence = task.model.next_sentence
        return "BertForPreTraining" if next_sentence else "BertForMaskedLM", "classifier"
    return "BertModel", "classifier"


def write_hugging_face(task: Any, directory: Path | str) -> None:
    """Writes a task as a folder; `why_not_hugging_face` must have returned ""."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    bert = getattr(task.model, "bert", task.model)
    architecture, head = _architecture(task)
    config = {**hugging_face_config(bert, architecture), **_labels(task)}
    weights = {name: np.asarray(v.numpy()) for name, v in saved_weights(task.model).items()}
    arrays = to_hugging_face(weights, head)
    content = safetensors.numpy.save(arrays, metadata={"format": "pt"})
    (directory / "model.safetensors").write_bytes(content)
    _write_json(directory / "config.json", config)
    write_tokenizer(task.tokenizer, task.max_length, directory)
    if isinstance(task, Embed):
        _write_sentence_transformer(task, bert, directory)


def _labels(task: Any) -> dict[str, Any]:
    """The part of the config that describes the outputs of the head."""
    labels, config = list(getattr(task, "labels", ())), {}
    if isinstance(task.model, BertClassifier):
        labels = labels or [f"LABEL_{i}" for i in range(task.model.num_outputs)]
        if problem := getattr(task, "problem", ""):
            config["problem_type"] = _PROBLEMS[problem]
    if labels:
        config["id2label"] = {str(i): label for i, label in enumerate(labels)}
        config["label2id"] = {label: i for i, label in enumerate(labels)}
    return config


def _write_sentence_transformer(task: Embed, bert: Any, directory: Path) -> None:
    """Adds the files that sentence-transformers needs."""
    steps = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling")]
    if task.normalize:
        steps.append(("2", "2_Normalize", "Normalize"))
    modules = [
        {"idx": i, "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (name, path, kind) in enumerate(steps)
    ]
    (directory / "modules.json").write_text(json.dumps(modules, indent=2) + "\n", encoding="utf-8")
    lengths = {"max_seq_length": task.max_length, "do_lower_case": False}
    _write_json(directory / "sentence_bert_config.json", lengths)
    names = {
        "cls": "pooling_mode_cls_token",
        "mean": "pooling_mode_mean_tokens",
        "max": "pooling_mode_max_tokens",
    }
    modes = {mode: name == task.pooling for name, mode in names.items()}
    (directory / "1_Pooling").mkdir(exist_ok=True)
    _write_json(
        directory / "1_Pooling" / "config.json",
        {"word_embedding_dimension": bert.width, **modes},
    )
    (directory / "2_Normalize").mkdir(exist_ok=True)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
