"""From a recipe and its training examples to a task with fresh or pretrained weights."""

import itertools
import math
import os

import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.tasks.kinds import TASKS, load_task
from attention_zoo.tasks.seq2seq import Seq2Seq
from attention_zoo.text.examples import split_labels
from attention_zoo.text.tokenizer import tokenizer_classes
from attention_zoo.train.settings import TokenizerSettings
from attention_zoo.train.task_options import task_options
from attention_zoo.zoo import MODELS, PRESETS, Bert
from attention_zoo.zoo.model import model_config
from attention_zoo.zoo.options import ENCODERS, MOST_WEIGHTS, model_options, preset_model
from attention_zoo.zoo.weights import assign_weights, saved_weights, weight_name

_LONGEST = 256


def make_task(recipe, examples):
    """Trains the tokenizers and builds the model of a recipe.

    Args:
        recipe: a `Recipe`.
        examples: training examples, tuples of strings.

    Returns:
        A task.

    Raises:
        UserError: if something in the recipe does not fit.
    """
    make = _make_seq2seq if recipe.task == "seq2seq" else _make_encoder_task
    task = make(recipe, examples)
    task.metric_options = recipe.evaluate.metric_options
    return task


def _make_seq2seq(recipe, examples):
    made = _resumed_seq2seq if recipe.model.pretrained else _fresh_seq2seq
    model, source, target, limits = made(recipe, examples)
    try:
        return Seq2Seq(
            model,
            source,
            target,
            *limits,
            recipe.evaluate.beam_size,
            recipe.evaluate.length_penalty,
            recipe.columns,
            recipe.evaluate.replace_unknown,
        )
    except ValueError as error:
        raise UserError(f"evaluate: {error}") from error


def _fresh_seq2seq(recipe, examples):
    """The model of a preset, tokenizers of the examples, and room for the longest of them."""
    source, target = _train_tokenizers(recipe.tokenizer, examples)
    limits = [
        limit or _room_for(column, tokenizer)
        for limit, column, tokenizer in (
            (recipe.data.max_source_length, 0, source),
            (recipe.data.max_target_length, 1, target),
        )
        for column in [[example[column] for example in examples]]
    ]
    given = {
        "source_vocab_size": source.vocab_size,
        "target_vocab_size": target.vocab_size,
        "dtype": recipe.train.precision,
    }
    model_class, options = _preset(recipe, given)
    defaults = {"share_embeddings": source is target, "max_length": max(limits)}
    return _built(model_class, {**defaults, **options}), source, target, limits


def _resumed_seq2seq(recipe, examples):
    """Weights, tokenizers and lengths of another task; options such as dropout may differ."""
    base = load_task(recipe.model.pretrained)
    if base.kind != "seq2seq":
        raise UserError(f"model.pretrained: {recipe.model.pretrained} is of the task {base.kind}")
    if recipe.tokenizer != TokenizerSettings():
        raise UserError("tokenizer: model.pretrained has its own; leave the section out")
    model_class, config = type(base.model), model_config(base.model)
    overrides = model_options(
        model_class.__name__, recipe.model.options, config, model_class.__name__
    )
    options = {**config, **overrides, "dtype": recipe.train.precision}
    model = _built(model_class, options)
    values = {weight_name(v): v.numpy() for v in saved_weights(base.model)}
    assign_weights(model, values, f"model.pretrained: {recipe.model.pretrained}")
    limits = (
        recipe.data.max_source_length or base.max_source_length,
        recipe.data.max_target_length or base.max_target_length,
    )
    return model, base.source_tokenizer, base.target_tokenizer, limits


def _make_encoder_task(recipe, examples):
    task_class = TASKS[recipe.task]
    base = load_task(recipe.model.pretrained) if recipe.model.pretrained else None
    options = _task_options(recipe, examples, base)
    head = _head_options(recipe.task, options)
    if base is None:
        texts = [text for example in examples for text in example[: recipe.text_columns]]
        tokenizer = _train_wordpieces(recipe.tokenizer, texts)
        given = {"vocab_size": tokenizer.vocab_size, "dtype": recipe.train.precision, **head}
        model_class, arguments = _preset(recipe, given)
        model = _built(model_class, model_class.complete(arguments))
    else:
        tokenizer = base.tokenizer
        model = _from_base(base, head, recipe)
        keeps_head = _is_same_task(base, recipe.task, options)
        _copy_weights(base.model, model, keeps_head, recipe.model.pretrained)
    texts = [" ".join(example[: recipe.text_columns]) for example in examples]
    limit = recipe.data.max_length or min(_room_for(texts, tokenizer), model.max_length)
    try:
        return task_class(model, tokenizer, **options, max_length=limit, fields=recipe.columns)
    except ValueError as error:
        raise UserError(f"options: {error}") from error


def _task_options(recipe, examples, base):
    """The arguments of the task: those of the recipe, and the labels of the examples.

    Labels that the task it begins with has too keep its order, and its outputs.
    """
    options = task_options(recipe.task, recipe.options)
    if recipe.task == "fill_mask":
        options.setdefault("seed", recipe.train.seed)
    if recipe.task not in ("classify", "tag"):
        return options
    split = {"one": lambda label: [label], "several": split_labels, "number": lambda label: []}
    problem = options.get("problem", "one") if recipe.task == "classify" else "tags"
    split = split.get(problem, str.split)
    found = [label for example in examples for label in split(example[-1])]
    options["labels"] = sorted(set(found))
    if not found and problem != "number":
        raise UserError("none of the training examples has a label")
    if base is not None and _is_same_task(base, recipe.task, options):
        options["labels"] = base.labels
    if options.get("class_weights") is not None:
        options["class_weights"] = _class_weights(options, found)
    return options


def _is_same_task(base, kind, options):
    """Whether another task has learnt what is to be learnt: the labels, of the same problem."""
    return (
        base.kind == kind
        and getattr(base, "problem", "one") == options.get("problem", "one")
        and set(options.get("labels", ())) <= set(getattr(base, "labels", ()))
    )


def _class_weights(options, found):
    """A weight for each label: as given, or in inverse proportion to how often it occurs."""
    given, labels = options["class_weights"], options["labels"]
    if options.get("problem") == "number":
        raise UserError("options.class_weights are for labels, the problem is a number")
    if given == "balanced":
        return [len(found) / (len(labels) * max(1, found.count(label))) for label in labels]
    if not isinstance(given, dict) or given.keys() - set(labels):
        raise UserError(
            'options.class_weights must be "balanced" or a weight for each of the labels '
            f"({', '.join(labels)}); received {given!r}"
        )
    return [float(given.get(label, 1.0)) for label in labels]


def _head_options(task, options):
    if task == "classify":
        number = options.get("problem") == "number"
        return {"num_outputs": 1 if number else len(options["labels"])}
    return {
        "tag": {"num_outputs": len(options.get("labels", ()))},
        "answer": {"num_outputs": 2},
    }.get(task, {})


def _from_base(base, head, recipe):
    """A model around an encoder like that of another task."""
    encoder = getattr(base.model, "bert", base.model)
    if not isinstance(encoder, Bert):
        raise UserError(
            f"model.pretrained: {recipe.model.pretrained} is no BERT but {type(encoder).__name__}"
        )
    model_class = MODELS[ENCODERS[recipe.task]]
    config = {name: value for name, value in model_config(encoder).items() if name != "pooler"}
    overrides = model_options(model_class.__name__, recipe.model.options, config, "BERT")
    given = {"dtype": recipe.train.precision, **head}
    return _built(model_class, model_class.complete({**config, **overrides, **given}))


def _copy_weights(source, target, keeps_head, origin):
    """Copies the encoder, and the head if it has learnt the same; what else there is stays new."""
    copied = source if keeps_head else getattr(source, "bert", source)
    new, known = (
        {weight_name(v): v.numpy() for v in saved_weights(model)} for model in (target, copied)
    )
    values = {name: known.get(name, value) for name, value in new.items()}
    assign_weights(target, values, f"model.pretrained: {origin}")


def _preset(recipe, given):
    """The class of a preset's model and its arguments, overridden by the recipe's and ours."""
    name = recipe.model.preset
    model, config = preset_model(name, recipe.task), PRESETS[name]["config"]
    vocab_size = max(size for key, size in given.items() if key.endswith("vocab_size"))
    most = min(MOST_WEIGHTS, _weights_in_memory())
    overrides = model_options(model, recipe.model.options, config, name, vocab_size, most)
    return MODELS[model], {**config, **overrides, **given}


def _weights_in_memory():
    """How many weights of 32 bits this machine's memory holds."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def _built(model_class, options):
    try:
        return model_class(**options)
    except ValueError as error:
        raise UserError(f"model: {error}") from error


def _train_tokenizers(settings, examples):
    source, target = zip(*examples, strict=True)
    if settings.shared:
        tokenizer = _train_tokenizer(settings, itertools.chain(source, target))
        return tokenizer, tokenizer
    return _train_tokenizer(settings, source), _train_tokenizer(settings.target or settings, target)


def _train_tokenizer(settings, texts):
    if settings.kind == "wordpiece":
        raise UserError("tokenizer.kind: wordpiece is for encoders, seq2seq has no use for it")
    options = {"vocab_size": settings.vocab_size} if settings.vocab_size else {}
    if settings.kind == "sentencepiece":
        options["algorithm"] = settings.algorithm
    return tokenizer_classes()[settings.kind].train(texts, **options)


def _train_wordpieces(settings, texts):
    given = settings.model_fields_set
    if "kind" in given and settings.kind != "wordpiece":
        raise UserError(f"tokenizer.kind: encoders have wordpiece, received {settings.kind}")
    return tokenizer_classes()["wordpiece"].train(
        texts, settings.vocab_size, lower_case=settings.lower_case
    )


def _room_for(texts, tokenizer):
    """The longest of the texts in ids, a quarter more, the end id; a multiple of 8, at most 256."""
    longest = int(tf.reduce_max(tokenizer.tokenize(tf.constant(texts)).row_lengths()))
    return min(_LONGEST, 8 * math.ceil((1.25 * longest + 1) / 8))
