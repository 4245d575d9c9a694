"""From a recipe to a run directory."""

import inspect
import itertools
import json
import math
from pathlib import Path

import keras
import tensorflow as tf

from attention_zoo.errors import UserError, suggest
from attention_zoo.files import atomic_file, require_empty
from attention_zoo.tasks.seq2seq import Seq2Seq
from attention_zoo.text.readers import read_examples
from attention_zoo.text.tokenizer import tokenizer_classes
from attention_zoo.train.recipe import load_recipe, save_recipe
from attention_zoo.train.strategies import make_strategy
from attention_zoo.train.trainer import Trainer
from attention_zoo.zoo import MODELS, PRESETS

RECIPE_FILE = "recipe.yaml"
REPORT_FILE = "report.json"
TASK_FOLDER = "task"


def train_recipe(recipe, out, resume=False):
    """Trains what a recipe describes.

    Args:
        recipe: a `Recipe`.
        out: the run directory; must be empty unless `resume`.
        resume: go on from the last checkpoint in it.

    Returns:
        The trained task and the figures of the run (see `Trainer.run`).

    Raises:
        UserError: if something in the recipe or the data is wrong, the directory is
            not empty, or it holds a run of another recipe.
    """
    out = Path(out)
    if resume:
        _require_same(recipe, out)
    else:
        require_empty(out, "choose another --out, or go on with that run by --resume")
    keras.utils.set_random_seed(recipe.train.seed)
    fields = [recipe.data.source, recipe.data.target]
    examples = read_examples(recipe.data.train, fields)
    valid = read_examples(recipe.data.valid, fields) if recipe.data.valid else []
    strategy = make_strategy(recipe.train.strategy)
    with strategy.scope():
        task = (
            Seq2Seq.load(out / TASK_FOLDER)
            if resume and (out / TASK_FOLDER).is_dir()
            else make_task(recipe, examples)
        )
    metrics = recipe.evaluate.metrics or task.metrics
    trainer = Trainer(task, recipe.train, examples, valid, out, metrics, strategy)
    with atomic_file(out / RECIPE_FILE) as temporary:
        save_recipe(recipe, temporary)
    if resume:
        trainer.resume()
    else:
        task.save(out / TASK_FOLDER)
    figures = trainer.run()
    with atomic_file(out / REPORT_FILE) as temporary:
        temporary.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return task, figures


def make_task(recipe, examples):
    """Trains the tokenizers and builds the model of a recipe.

    Args:
        recipe: a `Recipe`.
        examples: training examples, pairs of strings.

    Returns:
        A task with fresh weights.
    """
    source, target = _train_tokenizers(recipe.tokenizer, examples)
    limits = [
        limit or _room_for(column, tokenizer)
        for limit, column, tokenizer in (
            (recipe.data.max_source_length, 0, source),
            (recipe.data.max_target_length, 1, target),
        )
        for column in [[example[column] for example in examples]]
    ]
    settings = recipe.model.model_dump()
    model_class, options = _model_options(settings.pop("preset"), settings)
    options = {
        "share_embeddings": source is target,
        "max_length": max(limits),
        **options,
        "source_vocab_size": source.vocab_size,
        "target_vocab_size": target.vocab_size,
        "dtype": recipe.train.precision,
    }
    try:
        model = model_class(**options)
    except ValueError as error:
        raise UserError(f"model: {error}") from error
    try:
        return Seq2Seq(
            model,
            source,
            target,
            *limits,
            recipe.evaluate.beam_size,
            recipe.evaluate.length_penalty,
            (recipe.data.source, recipe.data.target),
            recipe.evaluate.replace_unknown,
        )
    except ValueError as error:
        raise UserError(f"evaluate: {error}") from error


def _model_options(preset, overrides):
    if preset not in PRESETS:
        raise UserError(f"model.preset: there is no preset {preset!r}; {suggest(preset, PRESETS)}")
    model_class = MODELS[PRESETS[preset]["model"]]
    # The vocabularies come from the tokenizers, the precision from `train`.
    given = {"self", "source_vocab_size", "target_vocab_size", "kwargs"}
    accepted = inspect.signature(model_class.__init__).parameters.keys() - given
    for name in overrides:
        if name not in accepted:
            raise UserError(f"model: {preset} has no option {name!r}; {suggest(name, accepted)}")
    return model_class, {**PRESETS[preset]["config"], **overrides}


def _train_tokenizers(settings, examples):
    source, target = zip(*examples, strict=True)
    if settings.shared:
        tokenizer = _train_tokenizer(settings, itertools.chain(source, target))
        return tokenizer, tokenizer
    return _train_tokenizer(settings, source), _train_tokenizer(settings.target or settings, target)


def _train_tokenizer(settings, texts):
    options = {"vocab_size": settings.vocab_size} if settings.vocab_size else {}
    if settings.kind == "sentencepiece":
        options["algorithm"] = settings.algorithm
    return tokenizer_classes()[settings.kind].train(texts, **options)


def _room_for(texts, tokenizer):
    """The longest of the texts in ids, a quarter more, the end id; a multiple of 8, at most 256."""
    longest = int(tf.reduce_max(tokenizer.tokenize(tf.constant(texts)).row_lengths()))
    return min(256, 8 * math.ceil((1.25 * longest + 1) / 8))


def _require_same(recipe, out):
    """Refuses to resume a run of another recipe; only how long to train may change."""
    old = load_recipe(out / RECIPE_FILE).model_dump()
    new = recipe.model_dump()
    for settings in (old, new):
        for name in ("steps", "minutes", "evaluate_every", "patience", "log_every", "average_last"):
            settings["train"].pop(name)
        settings.pop("export")
    for section in old:
        if old[section] != new[section]:
            raise UserError(
                f"{out} is a run of another recipe: {section} was {old[section]}, "
                f"is now {new[section]}"
            )
