"""Tasks from what others have trained: Hugging Face, google-research/bert, KerasHub."""

import json
from pathlib import Path

import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.classify import Classify
from attention_zoo.tasks.embed import Embed
from attention_zoo.tasks.fill_mask import FillMask
from attention_zoo.tasks.question_answering import QuestionAnswering
from attention_zoo.tasks.tag import Tag
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer, read_vocabulary
from attention_zoo.zoo.importers.bert import head_of, make_bert
from attention_zoo.zoo.importers.bert_names import from_google
from attention_zoo.zoo.importers.hugging_face import (
    bert_arguments,
    read_hugging_face_weights,
    read_json,
)
from attention_zoo.zoo.importers.keras_hub import keras_hub_arguments, read_keras_hub_weights

# What Hugging Face calls a model, the head it has here, and the task.
_ARCHITECTURES = {
    "BertModel": (None, "embed"),
    "BertForPreTraining": ("pretrainer", "fill_mask"),
    "BertForMaskedLM": ("pretrainer", "fill_mask"),
    "BertForSequenceClassification": ("classifier", "classify"),
    "BertForTokenClassification": ("token_classifier", "tag"),
    "BertForQuestionAnswering": ("token_classifier", "answer"),
}
_TASK_OF_HEAD = {
    None: "embed",
    "pretrainer": "fill_mask",
    "classifier": "classify",
    "token_classifier": "tag",
}
_POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


def import_task(folder):
    """Makes a task of a folder with a model of the BERT architecture.

    Args:
        folder: a Hugging Face folder (`config.json`, weights as safetensors or `.bin`, whole
            or in shards, `vocab.txt` or `tokenizer.json`; with the `modules.json` of
            sentence-transformers or without), a folder of google-research/bert
            (`bert_config.json`, `vocab.txt`, `bert_model.ckpt.*`), or a KerasHub preset.

    Returns:
        A task: what the weights are for, embeddings if they have no head.

    Raises:
        UserError: if the folder is none of these, a file is missing or damaged, or a
            weight is missing, left over, or of another shape.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such directory")
    if (folder / "bert_config.json").exists():
        return _import_google(folder)
    config = read_json(folder / "config.json")
    if "registered_name" in config:
        return _import_keras_hub(folder, config)
    return _import_hugging_face(folder, config)


def _import_hugging_face(folder, config):
    weights = read_hugging_face_weights(folder)
    architecture = (config.get("architectures") or [None])[0]
    if architecture is None:
        head = head_of(weights)
        kind = _TASK_OF_HEAD[head]
    elif architecture in _ARCHITECTURES:
        head, kind = _ARCHITECTURES[architecture]
    else:
        raise UserError(
            f"{folder / 'config.json'}: there is no task for {architecture}; "
            f"known are {', '.join(_ARCHITECTURES)}"
        )
    arguments = bert_arguments(config, folder / "config.json")
    model = make_bert(arguments, weights, head, folder)
    tokenizer = _hugging_face_tokenizer(folder)
    if kind == "classify":
        return Classify(model, tokenizer, **_classification(config, model.num_outputs))
    if kind == "tag":
        return Tag(model, tokenizer, _labels(config, model.num_outputs))
    if kind == "embed":
        return Embed(model, tokenizer, **_sentence_transformer(folder, model))
    return {"fill_mask": FillMask, "answer": QuestionAnswering}[kind](model, tokenizer)


def _labels(config, number):
    names = config.get("id2label") or {}
    return [str(names.get(str(i), f"LABEL_{i}")) for i in range(number)]


def _classification(config, number):
    problem = config.get("problem_type")
    if problem == "regression" or (problem is None and number == 1):
        return {"problem": "number"}
    several = problem == "multi_label_classification"
    return {"problem": "several" if several else "one", "labels": _labels(config, number)}


def _sentence_transformer(folder, model):
    """Pooling, normalisation and longest input, as sentence-transformers writes them."""
    modules = folder / "modules.json"
    if not modules.exists():
        return {"pooling": "mean", "normalize": True}
    types = [module["type"].rsplit(".", 1)[-1] for module in json.loads(modules.read_text())]
    unknown = [name for name in types if name not in ("Transformer", "Pooling", "Normalize")]
    if unknown:
        raise UserError(f"{modules}: there is no {unknown[0]} here")
    settings = read_json(folder / "1_Pooling" / "config.json")
    modes = [name for name, value in settings.items() if name.startswith("pooling_mode") and value]
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise UserError(
            f"{folder / '1_Pooling' / 'config.json'}: accepted is one of {', '.join(_POOLINGS)}, "
            f"received {', '.join(modes) or 'none'}"
        )
    lengths = folder / "sentence_bert_config.json"
    longest = read_json(lengths).get("max_seq_length") if lengths.exists() else None
    return {
        "pooling": _POOLINGS[modes[0]],
        "normalize": "Normalize" in types,
        "max_length": min(longest or model.max_length, model.max_length),
    }


def _hugging_face_tokenizer(folder):
    options, vocabulary = {}, None
    whole = folder / "tokenizer.json"
    if whole.exists():
        vocabulary, options = _from_tokenizer_json(whole)
    settings = folder / "tokenizer_config.json"
    if settings.exists():
        content = read_json(settings)
        if not content.get("tokenize_chinese_chars", True):
            raise UserError(f"{settings}: ideographs are words of their own here")
        if "do_lower_case" in content:
            options["lower_case"] = content["do_lower_case"]
        if "strip_accents" in content:
            options["strip_accents"] = content["strip_accents"]
    if (folder / "vocab.txt").exists():
        vocabulary = read_vocabulary(folder / "vocab.txt")
    if vocabulary is None:
        raise UserError(f"{folder}: there is no vocab.txt and no tokenizer.json")
    return WordPieceTokenizer(vocabulary, **options)


def _from_tokenizer_json(path):
    content = read_json(path)
    model, normalizer = content.get("model") or {}, content.get("normalizer") or {}
    kinds = model.get("type", "WordPiece"), normalizer.get("type")
    if kinds != ("WordPiece", "BertNormalizer"):
        raise UserError(f"{path}: WordPiece with a BertNormalizer is needed, received {kinds}")
    vocabulary = sorted(model["vocab"], key=model["vocab"].get)
    options = {"lower_case": normalizer["lowercase"]}
    return vocabulary, {**options, "strip_accents": normalizer.get("strip_accents")}


def _import_google(folder):
    config = read_json(folder / "bert_config.json")
    arguments = bert_arguments(config, folder / "bert_config.json")
    if arguments["activation"] == "gelu":
        # That code computes gelu by the approximation.
        arguments["activation"] = "gelu_tanh"
    weights = from_google(_read_checkpoint(folder), folder)
    head = head_of(weights)
    model = make_bert(arguments, weights, head, folder)
    # Its models with capitals have no other sign of it than their names.
    lower_case = config.get("do_lower_case", "uncased" in folder.name or "cased" not in folder.name)
    tokenizer = WordPieceTokenizer(read_vocabulary(folder / "vocab.txt"), lower_case)
    if head == "pretrainer":
        return FillMask(model, tokenizer)
    if head is None:
        return Embed(model, tokenizer)
    return Classify(model, tokenizer, **_classification({}, model.num_outputs))


def _read_checkpoint(folder):
    indices = sorted(folder.glob("*.ckpt*.index"))
    if len(indices) != 1:
        found = ", ".join(path.name for path in indices) or "none"
        raise UserError(f"{folder}: one checkpoint is needed (*.ckpt.index), found {found}")
    try:
        reader = tf.train.load_checkpoint(str(indices[0].with_suffix("")))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"{indices[0]} is damaged: {error}") from error


def _import_keras_hub(folder, config):
    arguments = keras_hub_arguments(config, folder / "config.json")
    weights = read_keras_hub_weights(folder / "model.weights.h5")
    model = make_bert(arguments, weights, None, folder)
    path = folder / "assets" / "tokenizer" / "vocabulary.txt"
    settings = read_json(folder / "tokenizer.json").get("config", {})
    lower_case = bool(settings.get("lowercase"))
    # There lower-casing decomposes characters and drops marks, too.
    tokenizer = WordPieceTokenizer(read_vocabulary(path), lower_case)
    return Embed(model, tokenizer)
