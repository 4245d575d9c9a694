"""Builds the parts of a sequence-to-sequence task from a recipe and its training examples."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.tasks.building import (
    build_model,
    build_preset,
    load_base,
    room_for,
    weight_arrays,
)
from attention_zoo.text.registry import train_tokenizer
from attention_zoo.zoo.model import model_config
from attention_zoo.zoo.options import model_options
from attention_zoo.zoo.weights import assign_weights

Parts = tuple[Any, Any, Any, tuple[int, int], Any]


def build_parts(recipe: Any, examples: Sequence[tuple[str, ...]], like: Any) -> Parts:
    """What a task is made of.

    Returns:
        The model, both tokenizers, the maximum lengths of source and target in ids, and the task
        that these come from; None if there is none.
    """
    base = load_base(recipe)
    return _fresh(recipe, examples, like) if base is None else _continued(recipe, base)


def _fresh(recipe: Any, examples: Sequence[tuple[str, ...]], like: Any) -> Parts:
    """The model of a preset, and tokenizers and lengths: chosen from the examples, or given."""
    if like is None:
        source, target = _train_tokenizers(recipe.tokenizer, examples)
        sources, targets = ([example[side] for example in examples] for side in (0, 1))
        limits = (
            recipe.data.max_source_length or room_for(sources, source),
            recipe.data.max_target_length or room_for(targets, target),
        )
    else:
        source, target = like.source_tokenizer, like.target_tokenizer
        limits = like.max_source_length, like.max_target_length
    sizes = {"source_vocab_size": source.vocab_size, "target_vocab_size": target.vocab_size}
    defaults = {"share_embeddings": source is target, "max_length": max(limits)}
    return build_preset(recipe, sizes, defaults), source, target, limits, like


def _continued(recipe: Any, base: Any) -> Parts:
    """Weights, tokenizers and lengths of another task; options such as dropout may differ."""
    origin = f"model.pretrained: {recipe.model.pretrained}"
    if base.kind != recipe.kind:
        raise UserError(f"{origin} is for the task {base.kind}")
    if recipe.tokenizer != type(recipe.tokenizer)():
        raise UserError("tokenizer: model.pretrained has its own; remove this section")
    model_class, config = type(base.model), model_config(base.model)
    name = model_class.__name__
    overrides = model_options(name, recipe.model.options, config, name)
    options = {**config, **overrides, "dtype": recipe.train.precision}
    model = build_model(model_class, options)
    assign_weights(model, weight_arrays(base.model), origin)
    limits = (
        recipe.data.max_source_length or base.max_source_length,
        recipe.data.max_target_length or base.max_target_length,
    )
    return model, base.source_tokenizer, base.target_tokenizer, limits, base


def _train_tokenizers(settings: Any, examples: Sequence[tuple[str, ...]]) -> tuple[Any, Any]:
    source, target = zip(*examples, strict=True)
    if settings.shared:
        tokenizer = train_tokenizer(settings.options, itertools.chain(source, target))
        return tokenizer, tokenizer
    of_target = settings.target or settings
    return train_tokenizer(settings.options, source), train_tokenizer(of_target.options, target)
