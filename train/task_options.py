"""The section `options` of a recipe: arguments of the task, each with its type and range."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from attention_zoo.errors import UserError, explain, suggest
from attention_zoo.zoo.options import LONGEST, Real, Whole

_Length = Annotated[Whole, Field(ge=1, le=LONGEST)]


class _Options(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Classify(_Options):
    problem: Literal["one", "several", "number"] = "one"
    threshold: Annotated[Real, Field(ge=0, le=1)] = 0.5
    class_weights: Literal["balanced"] | dict[str, Annotated[Real, Field(ge=0)]] | None = None


class _Answer(_Options):
    stride: _Length = 128
    max_question_length: _Length = 64
    max_answer_length: _Length = 30
    no_answer: bool = False
    threshold: Real = 0.0


class _Embed(_Options):
    pooling: Literal["mean", "cls", "max"] = "mean"
    normalize: bool = True


class _FillMask(_Options):
    whole_words: bool = False
    seed: Annotated[Whole, Field(ge=0, lt=1 << 31)] = 0
    next_sentence: bool | None = None


_OPTIONS = {
    "seq2seq": _Options,
    "classify": _Classify,
    "tag": _Options,
    "answer": _Answer,
    "embed": _Embed,
    "fill_mask": _FillMask,
}


def task_options(task, given):
    """Checks the options of a task and gives them the types that they should have.

    Args:
        task: name of the kind of task.
        given: a dict.

    Returns:
        The same options, as a dict.

    Raises:
        UserError: if one is unknown or out of range.

    Example:
        >>> task_options("answer", {"threshold": "1e-1"})
        {'threshold': 0.1}
    """
    accepted = _OPTIONS[task].model_fields
    for name in given:
        if name not in accepted:
            hint = suggest(name, accepted) if accepted else "it has none"
            raise UserError(f"options: {task} has no option {name!r}; {hint}")
    try:
        options = _OPTIONS[task](**given)
    except pydantic.ValidationError as error:
        raise UserError("\n".join(explain(error, _OPTIONS[task], "options"))) from error
    return {name: getattr(options, name) for name in given}
