"""Builds a task from a recipe and its training examples, with fresh or pretrained weights."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.layers.layer import constructor_arguments
from attention_zoo.tasks.loading import load_task
from attention_zoo.zoo import MODELS, PRESETS, Bert
from attention_zoo.zoo.model import model_config
from attention_zoo.zoo.options import MOST_WEIGHTS, model_options, option_names
from attention_zoo.zoo.weights import assign_weights, saved_weights

if TYPE_CHECKING:
    from attention_zoo.tasks.task import Task

_LONGEST = 256


def load_base(recipe: Any) -> Task | None:
    """The task whose weights a recipe starts from, if it names one."""
    return load_task(recipe.model.pretrained) if recipe.model.pretrained else None


def is_same_task(base: Task, recipe: Any, options: Mapping[str, Any]) -> bool:
    """Whether another task was trained for the same problem, with at least these labels."""
    return (
        base.kind == recipe.kind
        and getattr(base, "problem", "one") == options.get("problem", "one")
        and set(options.get("labels", ())) <= set(getattr(base, "labels", ()))
    )


def build_preset(
    recipe: Any, given: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Any:
    """The model of a recipe's preset, with fresh weights.

    Args:
        recipe: a recipe.
        given: constructor arguments that cannot be overridden, such as the vocabulary size.
        defaults: arguments that the preset and the recipe override.

    Raises:
        UserError: if the arguments do not fit, or the model is too large for this machine.
    """
    name = recipe.model.preset
    model, config = recipe.model_class_name(recipe.family_of(name)), PRESETS[name]["config"]
    vocab_size = max(size for key, size in given.items() if key.endswith("vocab_size"))
    most = min(MOST_WEIGHTS, _weights_in_memory())
    overrides = model_options(model, recipe.model.options, config, name, vocab_size, most)
    known = option_names(model)
    defaults = {key: value for key, value in (defaults or {}).items() if key in known}
    options = {**defaults, **config, **overrides, **given, "dtype": recipe.train.precision}
    return build_model(MODELS[model], options)


def _weights_in_memory() -> int:
    """How many weights of 32 bits fit into this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def build_model(model_class: Any, options: Mapping[str, Any]) -> Any:
    """Calls the constructor of a model with options of its family.

    Raises:
        UserError: if an option is invalid.
    """
    try:
        return model_class(**model_class.complete(dict(options)))
    except ValueError as error:
        raise UserError(f"model: {error}") from error


def copied_encoder(recipe: Any, base: Task, head: Mapping[str, Any], keeps_head: bool) -> Any:
    """The model of a task with a copy of another task's encoder, including its weights.

    Args:
        recipe: the recipe of the task.
        base: the other task.
        head: arguments of the model for its head.
        keeps_head: whether to copy the head too; otherwise it is new.

    Raises:
        UserError: if the other task's model is not a BERT, or the weights do not fit.
    """
    origin = f"model.pretrained: {recipe.model.pretrained}"
    encoder = getattr(base.model, "bert", base.model)
    if not isinstance(encoder, Bert):
        raise UserError(f"{origin} is not a BERT but {type(encoder).__name__}")
    name = type(base.model).__name__
    keeps_class = keeps_head and recipe.takes_model(name)
    model_class = MODELS[name if keeps_class else recipe.head]
    if keeps_class:
        own = constructor_arguments(model_class).keys() - {"encoder"}
        head = {**{n: v for n, v in model_config(base.model).items() if n in own}, **head}
    config = {name: value for name, value in model_config(encoder).items() if name != "pooler"}
    overrides = model_options(recipe.head, recipe.model.options, config, "BERT")
    model = build_model(
        model_class, {**config, **overrides, "dtype": recipe.train.precision, **head}
    )
    copied = base.model if keeps_head else encoder
    new, known = (weight_arrays(m) for m in (model, copied))
    assign_weights(model, {name: known.get(name, value) for name, value in new.items()}, origin)
    return model


def weight_arrays(model: Any) -> dict[str, Any]:
    """The weights of a model as arrays, by their names in files."""
    return {name: v.numpy() for name, v in saved_weights(model).items()}


def room_for(texts: list[str], tokenizer: Any) -> int:
    """The maximum length in ids plus a quarter and the end id; a multiple of 8, at most 256."""
    longest = int(tf.reduce_max(tokenizer.tokenize(tf.constant(texts)).row_lengths()))
    return min(_LONGEST, 8 * math.ceil((1.25 * longest + 1) / 8))
