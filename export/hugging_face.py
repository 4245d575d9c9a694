"""A folder as Hugging Face's libraries read them: config, weights, tokenizer; data only."""

import json
from pathlib import Path

import numpy as np
import safetensors.numpy

from attention_zoo.zoo.importers.bert_names import to_hugging_face
from attention_zoo.zoo.importers.hugging_face import hugging_face_config
from attention_zoo.zoo.weights import saved_weights, weight_name

# What a task's model is called there, and its head.
_ARCHITECTURES = {
    "embed": ("BertModel", None),
    "classify": ("BertForSequenceClassification", "classifier"),
    "tag": ("BertForTokenClassification", "classifier"),
    "answer": ("BertForQuestionAnswering", "qa_outputs"),
    "fill_mask": ("BertForMaskedLM", None),
}
_PROBLEMS = {
    "one": "single_label_classification",
    "several": "multi_label_classification",
    "number": "regression",
}


def write_hugging_face(task, directory):
    """Writes a task of an encoder as a Hugging Face folder.

    Args:
        task: a task with a BERT; others have no counterpart there.
        directory: where to write.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    bert = getattr(task.model, "bert", task.model)
    architecture, head = _ARCHITECTURES[task.kind]
    if getattr(task.model, "next_sentence", False):
        architecture = "BertForPreTraining"
    config = {**hugging_face_config(bert, architecture), **_labels(task)}
    weights = {weight_name(v): np.asarray(v.numpy()) for v in saved_weights(task.model)}
    arrays = to_hugging_face(weights, head or "classifier")
    content = safetensors.numpy.save(arrays, metadata={"format": "pt"})
    (directory / "model.safetensors").write_bytes(content)
    _write_json(directory / "config.json", config)
    _write_tokenizer(task, directory)
    if task.kind == "embed":
        _write_sentence_transformer(task, bert, directory)


def _labels(task):
    if task.kind == "classify":
        problem = {"problem_type": _PROBLEMS[task.problem]}
        if task.problem == "number":
            return {**problem, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    elif task.kind == "tag":
        problem = {}
    else:
        return {}
    return {
        **problem,
        "id2label": {str(i): label for i, label in enumerate(task.labels)},
        "label2id": {label: i for i, label in enumerate(task.labels)},
    }


def _write_tokenizer(task, directory):
    tokenizer = task.tokenizer
    special = {
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }
    lines = "".join(f"{piece}\n" for piece in tokenizer.vocabulary)
    (directory / "vocab.txt").write_text(lines, encoding="utf-8")
    _write_json(directory / "special_tokens_map.json", special)
    options = {
        "do_lower_case": tokenizer.lower_case,
        "strip_accents": tokenizer.strip_accents,
        "tokenize_chinese_chars": True,
        "model_max_length": task.max_length,
        "tokenizer_class": "BertTokenizer",
    }
    _write_json(directory / "tokenizer_config.json", {**options, **special})
    _write_json(directory / "tokenizer.json", _fast_tokenizer(tokenizer, special))


def _fast_tokenizer(tokenizer, special):
    """The file of the library `tokenizers`."""
    ids = {piece: i for i, piece in enumerate(tokenizer.vocabulary)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    pieces = sorted(special.values(), key=ids.get)

    def piece(name, segment):
        return {"SpecialToken": {"id": name, "type_id": segment}}

    def text(name, segment):
        return {"Sequence": {"id": name, "type_id": segment}}

    single = [piece("[CLS]", 0), text("A", 0), piece("[SEP]", 0)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": ids[name], "content": name, **flags, "special": True} for name in pieces
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": tokenizer.strip_accents,
            "lowercase": tokenizer.lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, text("B", 1), piece("[SEP]", 1)],
            "special_tokens": {
                name: {"id": name, "ids": [ids[name]], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": ids,
        },
    }


def _write_sentence_transformer(task, bert, directory):
    """What the library sentence-transformers wants to know beside."""
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


def _write_json(path, content):
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
