"""Tasks that answer together, and that teach another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attention_zoo.decoding.ensemble import Ensemble
from attention_zoo.errors import UserError
from attention_zoo.pretrained import locate
from attention_zoo.tasks.engine import KerasEngine
from attention_zoo.tasks.loading import load_task

_SIDES = ("source", "target")


def together(tasks: Sequence[Any]) -> Any:
    """Several tasks as one: the probabilities of a token are the mean of theirs.

    Args:
        tasks: sequence-to-sequence tasks with the same tokens. The first one's settings are kept,
            except `replace_unknown` and `coverage_penalty`: together they have no attention.

    Raises:
        UserError: if a task is of another kind or has other tokens.

    Example:
        >>> from attention_zoo.loading import load
        >>> task = together([load("g2p_transformer"), load("g2p_rnn")])
        >>> task(["zoo"])
        ['Z UW']
    """
    first, *others = tasks
    for task in others:
        _require_same_tokens(first, task)
    if not others:
        return first
    model: Any = Ensemble([task.model for task in tasks])
    task = first.with_engine(KerasEngine(model))
    for name in (f"max_{side}_length" for side in _SIDES):
        setattr(task, name, min(getattr(each, name) for each in tasks))
    task.replace_unknown, task.coverage_penalty = False, 0.0
    return task


def load_teacher(task: Any, settings: Any) -> Any:
    """The model that teaches a task: logits of teacher forcing, from the same ids.

    Args:
        task: the task to train.
        settings: `train` of a recipe.

    Raises:
        UserError: if a teacher cannot be loaded, has other tokens, or reads shorter texts.
    """
    models = []
    for name in settings.teacher.names:
        teacher = load_task(locate(name))
        try:
            _require_same_tokens(task, teacher)
        except UserError as error:
            raise UserError(f"train.teacher: {name}: {error}") from error
        if settings.packing and not teacher.model.takes_segments:
            raise UserError(f"train.teacher: {name} cannot keep packed examples apart")
        needed = max(task.max_source_length, task.max_target_length)
        if teacher.model.max_length < needed:
            raise UserError(
                f"train.teacher: {name} reads at most {teacher.model.max_length} ids, the task "
                f"has up to {needed}"
            )
        models.append(teacher.model)
    return Ensemble(models)


def _require_same_tokens(task: Any, other: Any) -> None:
    if other.kind != task.kind:
        raise UserError(f"the task is {other.kind}, not {task.kind}")
    for side in _SIDES:
        if _tokens(task, side) != _tokens(other, side):
            raise UserError(f"the tokens of the {side} are not the same")


def _tokens(task: Any, side: str) -> list[str]:
    tokenizer = getattr(task, f"{side}_tokenizer")
    return tokenizer.pieces(range(tokenizer.vocab_size))
