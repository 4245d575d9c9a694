"""Writes folders for Hugging Face's libraries: config, weights, tokenizer; data only."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from attention_zoo.export.hugging_face_tokenizers import write_tokenizer
from attention_zoo.tasks.embed.sentence_transformers import FLAGS
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.zoo.bert import Bert
from attention_zoo.zoo.bert_classifier import BertClassifier
from attention_zoo.zoo.bert_embedder import BertEmbedder
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


_WRITTEN = (Bert, BertClassifier, BertEmbedder, BertPretrainer, BertTokenClassifier)
# The classes of torch that `Dense` steps name.
_ACTIVATIONS = {
    None: "torch.nn.modules.linear.Identity",
    "tanh": "torch.nn.modules.activation.Tanh",
    "relu": "torch.nn.modules.activation.ReLU",
    "gelu": "torch.nn.modules.activation.GELU",
}


def why_not_hugging_face(task: Any) -> str:
    """Why a task cannot be written as a Hugging Face folder, or ""."""
    if not isinstance(task.model, _WRITTEN):
        return f"is for BERT, the model is a {type(task.model).__name__}"
    if isinstance(task.model, Bert) and not isinstance(task, Embed):
        return f"has no head for the task {task.kind}, whose model is a bare BERT"
    bert: Any = getattr(task.model, "bert", task.model)
    if bert.embedding_width:
        return "has a BERT whose embeddings are as wide as its states, these are narrower"
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
    inner = {name: w for name, w in weights.items() if not name.startswith("projection_")}
    arrays = to_hugging_face(inner, head)
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
    steps = [("", "Transformer"), ("1_Pooling", "Pooling")]
    for i, each in enumerate(getattr(task.model, "projections", ())):
        steps.append((f"{len(steps)}_Dense", "Dense"))
        _write_dense(task.model.maps[i], each, directory / steps[-1][0])
    if task.normalize:
        steps.append((f"{len(steps)}_Normalize", "Normalize"))
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(steps)
    ]
    (directory / "modules.json").write_text(json.dumps(modules, indent=2) + "\n", encoding="utf-8")
    lengths = {"max_seq_length": task.max_length, "do_lower_case": False}
    _write_json(directory / "sentence_bert_config.json", lengths)
    prompts = {"prompts": task.prompts, "default_prompt_name": task.default_prompt}
    _write_json(directory / "config_sentence_transformers.json", prompts)
    for path, _ in steps[1:]:
        (directory / path).mkdir(exist_ok=True)
    # Versions before 5.4 read the flags, and join the vectors in the order of these.
    flags = {flag: mode in task.poolings for flag, mode in FLAGS.items()}
    modes = {**flags, "pooling_mode": task.pooling}
    width = {"word_embedding_dimension": bert.width}
    _write_json(directory / "1_Pooling" / "config.json", {**width, **modes})


def _write_dense(layer: Any, settings: dict[str, Any], directory: Path) -> None:
    """Writes a linear map as a `Dense` step."""
    directory.mkdir(exist_ok=True)
    arrays = {"linear.weight": np.ascontiguousarray(layer.kernel.numpy().T)}
    if layer.use_bias:
        arrays["linear.bias"] = layer.bias.numpy()
    content = safetensors.numpy.save(arrays, metadata={"format": "pt"})
    (directory / "model.safetensors").write_bytes(content)
    config = {
        "in_features": layer.kernel.shape[0],
        "out_features": layer.width,
        "bias": layer.use_bias,
        "activation_function": _ACTIVATIONS[settings["activation"]],
    }
    _write_json(directory / "config.json", config)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
