"""The options of `Seq2Seq.predict`: how answers are searched for or sampled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from attention_zoo.decoding.beam_search import beam_search
from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.decoding.sampling import check_sampling, sample
from attention_zoo.errors import UserError, suggest
from attention_zoo.text.scripts import UNSPACED
from attention_zoo.text.vocabulary import UNKNOWN_ID

# Options that an artefact may take; the defaults are the task's.
_SEARCHING = ("beam_size", "length_penalty", "max_length", "n_best")
_SAMPLING = ("seed", "temperature", "top_k", "top_p")
# Options of the Keras model alone; the defaults of the first are the task's.
_SETTINGS = ("coverage_penalty", "min_length", "no_repeat_ngram")
_REQUESTS = ("prefix", "forbidden", "forced", "diversity", "alignments")
_ALIGNED = ("tokens", "words")


def checked_options(task: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Checks options and adds defaults.

    Args:
        task: the task.
        given: options by name; None means that an option was not given.

    Returns:
        `max_length`, `n_best`, and either `beam_size` and `length_penalty`, or those of `seed`,
        `temperature`, `top_k` and `top_p` that were given; and those of the other options that
        were given and are not the task's defaults.

    Raises:
        UserError: if an option is unknown, out of range, or not supported by the engine.
    """
    given = {name: value for name, value in given.items() if value is not None}
    known = (*_SEARCHING, *_SAMPLING, *_SETTINGS, *_REQUESTS)
    for name in given:
        if name not in known:
            raise UserError(f"there is no option {name!r}; {suggest(name, known)}")
    sampling = {name: value for name, value in given.items() if name in _SAMPLING}
    defaults = {
        "max_length": task.max_target_length,
        "n_best": 1,
        "beam_size": task.beam_size,
        "length_penalty": task.length_penalty,
    }
    options = {name: given.get(name, value) for name, value in defaults.items()}
    most = options["n_best"] if sampling else options["beam_size"]
    for name, limit in (
        ("beam_size", task.target_tokenizer.vocab_size),
        ("max_length", task.max_target_length),
        ("n_best", most),
    ):
        if not 1 <= options[name] <= limit:
            raise UserError(f"{name} must be from 1 to {limit}, received {options[name]}")
    more = _more_options(task, given, bool(sampling), options["max_length"])
    engine = task.engine
    if engine.searches_itself and options["n_best"] != 1:
        raise UserError(
            f"{engine.name} gives one answer a text, received n_best={options['n_best']}"
        )
    if engine.searches_itself and (sampling or more or options != defaults):
        raise UserError(
            f"how {engine.name} searches is part of its graph: beam_size={task.beam_size}, "
            f"length_penalty={task.length_penalty}, max_length={task.max_target_length}, n_best=1; "
            f"received {given}"
        )
    if more and not engine.in_graph:
        raise UserError(f"{engine.name} has no option {next(iter(more))!r}: use the run instead")
    if not sampling:
        return {**options, **more}
    if "seed" not in sampling:
        raise UserError(f"sampling needs a seed; received {', '.join(sorted(sampling))}")
    check_sampling(**{name: value for name, value in sampling.items() if name != "seed"})
    kept = {name: options[name] for name in ("max_length", "n_best")}
    return {**kept, **sampling, **more}


def _more_options(
    task: Any, given: Mapping[str, Any], samples: bool, max_length: int
) -> dict[str, Any]:
    """The options of `_SETTINGS` and `_REQUESTS` that ask for something, with words as ids."""
    more = {n: given[n] for n in _SETTINGS if n in given and given[n] != getattr(task, n)}
    more |= {name: given[name] for name in _REQUESTS if given.get(name)}
    check_search(task, max_length, **{name: more[name] for name in _SETTINGS if name in more})
    if not 0 <= more.get("diversity", 0.0) < float("inf"):
        raise UserError(f"diversity must be 0 or above, received {more['diversity']}")
    for name in ("coverage_penalty", "forced", "diversity"):
        if samples and name in more:
            raise UserError(f"{name} is for searching, not for sampling")
    if "prefix" in more:
        _check_prefix(task.target_tokenizer, more["prefix"])
    if "alignments" in more:
        if more["alignments"] not in _ALIGNED:
            hint = suggest(more["alignments"], _ALIGNED)
            raise UserError(f"there are no alignments of {more['alignments']!r}; {hint}")
        _require_attention(task, "alignments")
    for name in ("forbidden", "forced"):
        if name in more:
            more[name] = _ids_of_words(task.target_tokenizer, name, more[name])
    needed = sum(map(len, more.get("forced", ())))
    if needed >= max_length:
        raise UserError(
            f"forced: the words have {needed} tokens, but an answer has at most {max_length - 1}"
        )
    return more


def _check_prefix(tokenizer: Any, prefix: Any) -> None:
    prefixes = [prefix] if isinstance(prefix, str) else list(prefix)
    for each in prefixes:
        if not isinstance(each, str):
            raise UserError(f"prefix must be a string, or one for each text; received {each!r}")
        if UNKNOWN_ID in tokenizer.rows([each])[0]:
            raise UserError(f"prefix: {each!r} has unknown tokens, which answers cannot contain")


def check_search(
    task: Any,
    max_length: int,
    coverage_penalty: float = 0.0,
    min_length: int = 0,
    no_repeat_ngram: int = 0,
) -> None:
    """Checks settings of the search.

    Raises:
        UserError: if one is out of range, or needs attention that the model lacks.
    """
    if not 0 <= coverage_penalty < float("inf"):
        raise UserError(f"coverage_penalty must be 0 or above, received {coverage_penalty}")
    for name, value in (("min_length", min_length), ("no_repeat_ngram", no_repeat_ngram)):
        if not 0 <= value <= max_length:
            raise UserError(f"{name} must be from 0 to {max_length}, received {value}")
    if coverage_penalty:
        _require_attention(task, "coverage_penalty")


def _require_attention(task: Any, name: str) -> None:
    if task.engine.in_graph and not task.model.attends:
        raise UserError(f"{name} needs a model with attention, this one has none")


def _ids_of_words(tokenizer: Any, name: str, words: Any) -> tuple[tuple[int, ...], ...]:
    """The sequences of ids that are forbidden or forced."""
    words = [words] if isinstance(words, str) else list(words)
    found: dict[tuple[int, ...], None] = {}
    for word in words:
        if not isinstance(word, str) or not word.strip():
            raise UserError(f"{name} must be words, received {word!r}")
        spellings = tokenizer.spellings(word) if name == "forbidden" else [_forced(tokenizer, word)]
        for ids in spellings:
            if name == "forced" and UNKNOWN_ID in ids:
                raise UserError(
                    f"forced: answers cannot contain {word!r}, which has unknown tokens"
                )
            found[tuple(int(i) for i in ids)] = None
    return tuple(ids for ids in found if ids and UNKNOWN_ID not in ids)


def _forced(tokenizer: Any, word: str) -> Any:
    """The ids that stand for a word in the middle of an answer."""
    if re.match(f"[{UNSPACED}]", word):  # without a space in front
        for ids in tokenizer.spellings(word):
            [piece, *_] = tokenizer.pieces(ids)
            if piece.startswith(word[0]) and "".join(tokenizer.pieces(ids)) == word:
                return ids
    return tokenizer.rows([word])[0]


def graph_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The checked options that decoding takes; of a prefix only that there is one."""
    rest = {name: value for name, value in options.items() if name != "n_best"}
    if "prefix" in rest:
        rest["prefix"] = True
    return {**rest, "num_samples": options["n_best"]} if "seed" in options else rest


def option_columns(options: Mapping[str, Any], count: int) -> list[list[bytes]]:
    """The options of which each text has its own, as columns.

    Raises:
        UserError: if there are not as many prefixes as texts.
    """
    prefix = options.get("prefix")
    if prefix is None:
        return []
    prefixes = [prefix] * count if isinstance(prefix, str) else list(prefix)
    if len(prefixes) != count:
        raise UserError(f"prefix: {len(prefixes)} were given for {count} texts")
    return [[each.encode() for each in prefixes]]


def search(task: Any, source_ids: Any, prefix_ids: Any = None, **options: Any) -> Any:
    """Searches or samples with a task's model.

    Args:
        task: the task.
        source_ids: int32 tensor `(B, S)`.
        prefix_ids: int32 tensor `(B, P)`, padded with 0, or None.
        **options: as `graph_options` returns them, without `prefix`.

    Returns:
        `Hypotheses`.
    """
    settings = {name: options.pop(name, getattr(task, name)) for name in _SETTINGS}
    coverage_penalty, forced = settings.pop("coverage_penalty"), options.pop("forced", ())
    diversity = options.pop("diversity", 0.0)
    aligns = options.pop("alignments", None) is not None
    options |= {
        "return_attention": task.replace_unknown or aligns,
        "suppressed": task.suppressed,
        "forbidden": options.pop("forbidden", ()),
        "prefix_ids": prefix_ids,
        **settings,
    }
    if "seed" in options:
        return sample(task.model, source_ids, **options)
    beam_size, penalty = options.pop("beam_size"), options.pop("length_penalty")
    if isinstance(beam_size, int) and beam_size == 1 and not forced:
        return greedy_search(task.model, source_ids, **options)
    # A single hypothesis is not compared with others: its score is that of greedy search.
    is_alone = tf.equal(beam_size, 1)
    return beam_search(
        task.model,
        source_ids,
        beam_size=beam_size,
        length_penalty=tf.where(is_alone, 0.0, tf.cast(penalty, tf.float32)),
        style=task.search_style,
        coverage_penalty=coverage_penalty,
        forced=forced,
        diversity=diversity,
        **options,
    )
