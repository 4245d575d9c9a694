"""Metrics of rankings: the passages of each query are ordered by their scores.

Answers are scores and references relevances, strings of numbers; 0 is not relevant. Of passages
with equal scores the less relevant comes first, so that giving all the same score gains nothing.
"""

import math
from collections.abc import Sequence
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.train.metrics import register_metric

SCORE = "a score"


@register_metric("mrr", (SCORE,), needs_sources=True)
def mrr(answers: Sequence[str], references: Sequence[str], sources: Sequence[Any]) -> float:
    """Mean reciprocal rank of the first relevant passage of each query (Voorhees 1999), times 100.

    A query without a relevant passage counts 0.

    Args:
        answers: scores.
        references: relevances.
        sources: pairs of query and passage.

    Example:
        >>> pairs = [("q", "a"), ("q", "b"), ("q", "c")]
        >>> mrr(["0.1", "0.9", "0.5"], ["0", "0", "1"], pairs)
        50.0
    """
    rankings = _rankings(answers, references, sources)
    ranks = [next((i for i, r in enumerate(row, start=1) if r > 0), None) for row in rankings]
    return 100.0 * sum(1.0 / rank for rank in ranks if rank) / max(1, len(ranks))


@register_metric("ndcg", (SCORE,), needs_sources=True)
def ndcg(answers: Sequence[str], references: Sequence[str], sources: Sequence[Any]) -> float:
    """Mean normalised discounted cumulative gain (Järvelin and Kekäläinen 2002), times 100.

    The gain of a passage is its relevance, over log2(1 + rank). A query without a relevant
    passage counts 0.

    Args:
        answers: scores.
        references: relevances.
        sources: pairs of query and passage.

    Example:
        >>> pairs = [("q", "a"), ("q", "b")]
        >>> round(ndcg(["0.1", "0.9"], ["1", "0"], pairs), 2)
        63.09
    """
    total, rankings = 0.0, _rankings(answers, references, sources)
    for ranking in rankings:
        best = _gain(sorted(ranking, reverse=True))
        total += _gain(ranking) / best if best > 0 else 0.0
    return 100.0 * total / max(1, len(rankings))


def _gain(relevances: Sequence[float]) -> float:
    return sum(r / math.log2(rank + 1) for rank, r in enumerate(relevances, start=1))


def _rankings(
    answers: Sequence[str], references: Sequence[str], sources: Sequence[Any]
) -> list[list[float]]:
    """The relevances of the passages of each query, the highest score first."""
    queries: dict[str, list[tuple[float, float]]] = {}
    for source, answer, reference in zip(sources, answers, references, strict=True):
        try:
            score, relevance = float(answer), float(reference)
        except ValueError as error:
            raise UserError(f"a ranking needs numbers: {error}") from error
        # A score that is not a number ranks last.
        score = -math.inf if math.isnan(score) else score
        queries.setdefault(source[0], []).append((-score, relevance))
    return [[relevance for _, relevance in sorted(pairs)] for pairs in queries.values()]
