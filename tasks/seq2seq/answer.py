"""Answers of sequence to sequence."""

import dataclasses
from typing import Any

from attention_zoo.tasks.seq2seq.alignment import Alignment
from attention_zoo.text.lines import one_line


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, its score, and the n-best list it leads: pairs of text and score.

    Attributes:
        alignments: if they were asked for, the alignment of each text of the n-best list.
    """

    text: str
    score: float
    n_best: tuple[tuple[str, float], ...] = ()
    alignments: tuple[Alignment, ...] = ()

    @property
    def record(self) -> dict[str, Any]:
        """The answer as a dict for JSON."""
        record: dict[str, Any] = {"text": self.text, "score": self.score}
        if len(self.n_best) > 1:
            record["n_best"] = [{"text": text, "score": score} for text, score in self.n_best]
        if self.alignments:
            first, *_ = self.alignments
            record["alignment"] = dataclasses.asdict(first)
        return record

    @property
    def lines(self) -> list[str]:
        """What the command line prints: a line for each answer; after a tab its alignment."""
        lines = [one_line(text) for text, _ in self.n_best]
        if self.alignments:
            return [f"{line}\t{pairs}" for line, pairs in zip(lines, self.alignments, strict=True)]
        return lines
