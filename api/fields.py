"""Pydantic field types shared by recipes and the options of tokenizers and models."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

LARGEST_VOCABULARY = 10_000_000


def _reject_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "Input should be a number")
    return value


# Pydantic accepts True as 1.
Whole = Annotated[int, BeforeValidator(_reject_bool)]
Real = Annotated[float, BeforeValidator(_reject_bool)]
VocabularySize = Annotated[Whole, Field(gt=0, le=LARGEST_VOCABULARY)]
