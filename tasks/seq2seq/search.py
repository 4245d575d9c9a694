"""Checks the options of `Seq2Seq.predict`: how answers are searched for or sampled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attention_zoo.decoding.sampling import check_sampling
from attention_zoo.errors import UserError, suggest

if TYPE_CHECKING:
    pass

_SEARCHING = ("beam_size", "length_penalty", "max_length", "n_best")
_SAMPLING = ("seed", "temperature", "top_k", "top_p")


def checked_options(task: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Checks options and adds defaults.

    Args:
        task: the task.
        given: options by name; None means that an option was not given.

    Returns:
        `max_length`, `n_best`, and either `beam_size` and `length_penalty`, or those of `seed`,
        `temperature`, `top_k` and `top_p` that were given.

    Raises:
        UserError: if an option is unknown, out of range, or not supported by the engine.
    """
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in (*_SEARCHING, *_SAMPLING):
            hint = suggest(name, (*_SEARCHING, *_SAMPLING))
            raise UserError(f"there is no option {name!r}; {hint}")
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
    if task.engine.searches_itself and options["n_best"] != 1:
        raise UserError(
            f"{task.engine.name} gives one answer a text, received n_best={options['n_best']}"
        )
    if task.engine.searches_itself and (sampling or options != defaults):
        raise UserError(
            f"how {task.engine.name} searches is part of its graph: beam_size={task.beam_size}, "
            f"length_penalty={task.length_penalty}, max_length={task.max_target_length}, n_best=1; "
            f"received {given}"
        )
    if not sampling:
        return options
    if "seed" not in sampling:
        raise UserError(f"sampling needs a seed; received {', '.join(sorted(sampling))}")
    check_sampling(**{name: value for name, value in sampling.items() if name != "seed"})
    return {"max_length": options["max_length"], "n_best": options["n_best"], **sampling}


def graph_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The checked options that decoding takes."""
    rest = {name: value for name, value in options.items() if name != "n_best"}
    return {**rest, "num_samples": options["n_best"]} if "seed" in options else rest
