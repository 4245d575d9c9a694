"""Answers of sequence to sequence."""

import dataclasses
from typing import Any

from attention_zoo.text.lines import one_line


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, its score, and the n-best list it leads: pairs of text and score."""

    text: str
    score: float
    n_best: tuple[tuple[str, float], ...] = ()

    @property
    def record(self) -> dict[str, Any]:
        """The answer as a dict for JSON."""
        record: dict[str, Any] = {"text": self.text, "score": self.score}
        if len(self.n_best) > 1:
            record["n_best"] = [{"text": text, "score": score} for text, score in self.n_best]
        return record

    @property
    def lines(self) -> list[str]:
        """What the command line prints: one line for each answer, without line breaks."""
        return [one_line(text) for text, _ in self.n_best]
