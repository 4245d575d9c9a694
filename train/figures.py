"""What a training reports when it ends."""

from typing import NotRequired, TypedDict


class TrainingFigures(TypedDict):
    """The figures of a run, also in its `report.json`.

    Attributes:
        steps: optimizer steps taken.
        seconds: of training, without evaluations.
        tokens_per_second: targets per second.
        weights: which weights were kept.
        valid: their loss and metrics on the validation examples; empty without these.
        interrupted: whether a signal ended the run.
        signal: its number, or None.
        signatures: of metrics that have one, such as sacreBLEU's; only of a recipe.
    """

    steps: int
    seconds: float
    tokens_per_second: int
    weights: str
    valid: dict[str, float]
    interrupted: bool
    signal: int | None
    signatures: NotRequired[dict[str, str]]
