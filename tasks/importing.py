"""Makes tasks from models of Hugging Face, Marian, google-research/bert and KerasHub."""

import functools
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError, shown
from attention_zoo.json_files import Content, check_content, read_json
from attention_zoo.tasks.encoder_settings import EncoderRecipe
from attention_zoo.tasks.google_checkpoint import read_checkpoint
from attention_zoo.tasks.seq2seq.importing import (
    import_hugging_face_marian,
    import_marian,
    is_of_firefox,
)
from attention_zoo.tasks.settings import TASKS
from attention_zoo.text.hugging_face import read_hugging_face_tokenizer
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer, read_vocabulary
from attention_zoo.zoo.importers.bert import head_of, make_bert
from attention_zoo.zoo.importers.bert_names import from_google, from_hugging_face
from attention_zoo.zoo.importers.hugging_face import (
    bert_arguments,
    read_hugging_face_arrays,
    reordered,
)
from attention_zoo.zoo.importers.keras_hub import (
    keras_hub_arguments,
    read_keras_hub_head,
    read_keras_hub_weights,
)
from attention_zoo.zoo.importers.relatives import RELATIVES

# The default task for each head.
_TASK_OF_HEAD = {
    None: "embed",
    "pretrainer": "fill_mask",
    "classifier": "classify",
    "token_classifier": "tag",
}
_HEAD_OF_MODEL = {
    "Bert": None,
    "BertPretrainer": "pretrainer",
    "BertClassifier": "classifier",
    "BertTokenClassifier": "token_classifier",
}


class _Config(Content):
    """The fields of a `config.json` that say what the model is for."""

    architectures: list[str] | None = None
    id2label: dict[str, str | int | float] | None = None
    problem_type: str | None = None


class _GoogleConfig(Content):
    do_lower_case: bool = True


class _KerasHubSettings(Content):
    lowercase: bool | None = None
    strip_accents: bool | None = None


class _KerasHubTokenizer(Content):
    config: _KerasHubSettings = _KerasHubSettings()


def import_task(folder, fields=None, target_language=None):
    """Makes a task from a folder with a BERT model or a translator of Marian.

    Args:
        folder: a Hugging Face folder (`config.json`, weights as safetensors or `.bin`, in one
            file or in shards; for BERT `vocab.txt` or `tokenizer.json`, and optionally the
            `modules.json` of sentence-transformers; for Marian `source.spm`, `target.spm` and
            `vocab.json`), a folder of Marian (`decoder.yml`, and the `.npz` or `.bin` and
            vocabularies that it names; or `model.*.bin` and `vocab.*.spm`), a folder of
            google-research/bert (`bert_config.json`, `vocab.txt`, `bert_model.ckpt.*`), or a
            KerasHub preset.
        fields: names of the columns of an example, see the task's class; the default
            ones when None. A folder does not say whether a classifier takes pairs of texts;
            if it does, pass `("text", "pair", "label")`.
        target_language: the language to translate into, such as `cmn_Hans`, of a translator that
            has several and expects a tag such as `>>cmn_Hans<<` before a text. None: texts that
            need a tag have one.

    Returns:
        The task that the weights are for; embeddings if they have no head.

    Raises:
        UserError: if the folder is none of these, a file is missing or damaged, a
            weight is missing, unexpected or has the wrong shape, or the task does not have
            this number of columns.
    """
    folder = Path(folder)
    given = {} if fields is None else {"fields": tuple(fields)}
    try:
        translator = _find_translator(folder)
        if translator:
            return translator(target_language=target_language, **given)
        if target_language is not None:
            raise UserError(f"{folder} is not a translator, so it has no target language")
        return _import(folder, given)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{folder}: {error}") from error


def _find_translator(folder):
    """The function that imports a translator of Marian; None if the folder has another model."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such directory")
    config = folder / "config.json"
    if config.exists():
        content = read_json(config)
        if content.get("model_type") != "marian":
            return None
        return functools.partial(import_hugging_face_marian, folder, content)
    decoders = sorted(folder.glob("*decoder.yml"))
    if not decoders and is_of_firefox(folder):
        return functools.partial(import_marian, folder, None)
    if len(decoders) > 1:
        raise UserError(f"{folder} has several models: {', '.join(map(str, decoders))}")
    return functools.partial(import_marian, folder, decoders[0]) if decoders else None


def _import(folder, given):
    if (folder / "bert_config.json").exists():
        return _import_google(folder, given)
    config = read_json(folder / "config.json")
    if "registered_name" in config:
        return _import_keras_hub(folder, config, given)
    return _import_hugging_face(folder, config, given)


def _import_hugging_face(folder, config, given):
    check_content(config, _Config, folder / "config.json")
    kinds = ("bert", *RELATIVES, "marian")
    if config.get("model_type", "bert") not in kinds:
        raise UserError(
            f"{folder / 'config.json'}: model_type is {shown(config['model_type'])}; accepted are "
            f"{', '.join(kinds)}"
        )
    arrays, path = read_hugging_face_arrays(folder)
    relative = RELATIVES.get(config.get("model_type"))
    if relative:
        config = relative.config(config, folder / "config.json")
    arguments = bert_arguments(config, folder / "config.json")
    if relative:
        arguments["pooler_activation"] = relative.pooler_activation
        arrays = relative.arrays(arrays, arguments["width"])
    tokenizer, order = read_hugging_face_tokenizer(folder)
    if order is not None:
        arrays = reordered(arrays, order)
    weights = from_hugging_face(arrays, path)
    recipe = _recipe_of(folder, config, weights)
    task_class, head = recipe.task_class(), _HEAD_OF_MODEL[recipe.head]
    weights = task_class.import_weights(config, weights)
    model = task_class.import_model(make_bert(arguments, weights, head, folder), folder)
    settings = task_class.import_settings(config, model, folder)
    return task_class(model, tokenizer, **{**settings, **given})


def _recipe_of(folder: Path, config: Any, weights: Any) -> Any:
    """The recipe of the task that a folder is for."""
    architecture = (config.get("architectures") or [None])[0]
    if architecture is None:
        return TASKS[_TASK_OF_HEAD[head_of(weights)]]
    encoders = [recipe for recipe in TASKS.values() if issubclass(recipe, EncoderRecipe)]
    # Tasks that check more than the architecture come first.
    encoders.sort(key=lambda recipe: recipe.is_particular, reverse=True)
    for recipe in encoders:
        if recipe.recognizes(architecture, config):
            return recipe
    known = sorted({name for recipe in encoders for name in recipe.architectures})
    raise UserError(
        f"{folder / 'config.json'}: no task for {architecture}; supported: {', '.join(known)}"
    )


def _import_google(folder, given):
    config = read_json(folder / "bert_config.json", _GoogleConfig)
    arguments = bert_arguments(config, folder / "bert_config.json")
    if arguments["activation"] == "gelu":
        # Google's code computes the approximate gelu.
        arguments["activation"] = "gelu_tanh"
    arrays = read_checkpoint(folder)
    weights = from_google(arrays, folder)
    # Only the name distinguishes question answering from a classifier with two labels.
    answers = "cls/squad/output_weights" in arrays
    head = "token_classifier" if answers else head_of(weights)
    kind = "answer" if answers else _TASK_OF_HEAD[head]
    model = make_bert(arguments, weights, head, folder)
    # Only the names of Google's cased models say that they are cased.
    lower_case = config.get("do_lower_case", "uncased" in folder.name or "cased" not in folder.name)
    tokenizer = WordPieceTokenizer(read_vocabulary(folder / "vocab.txt"), lower_case)
    task_class: Any = TASKS[kind].task_class()
    settings = task_class.import_settings({}, model, folder)
    return task_class(model, tokenizer, **{**settings, **given})


def _import_keras_hub(folder, config, given):
    arguments = keras_hub_arguments(config, folder / "config.json")
    weights = read_keras_hub_weights(folder / "model.weights.h5")
    head, of_the_head = read_keras_hub_head(folder)
    model = make_bert(arguments, {**weights, **of_the_head}, head, folder)
    path = folder / "assets" / "tokenizer" / "vocabulary.txt"
    settings = read_json(folder / "tokenizer.json", _KerasHubTokenizer).get("config", {})
    lower_case, strip_accents = (
        bool(settings.get(name)) for name in ("lowercase", "strip_accents")
    )
    tokenizer = WordPieceTokenizer(read_vocabulary(path), lower_case, strip_accents)
    task_class: Any = TASKS[_TASK_OF_HEAD[head]].task_class()
    settings = task_class.import_settings({}, model, folder)
    return task_class(model, tokenizer, **{**settings, **given})
