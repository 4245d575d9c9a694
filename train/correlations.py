"""Correlations of numbers, as metrics: answers and references are strings of numbers."""

import numpy as np

from attention_zoo.errors import UserError, shown
from attention_zoo.train.metrics import NUMBER, register_metric


@register_metric("pearson", (NUMBER,))
def pearson(answers, references):
    """Pearson's correlation of numbers, times 100; 0 if one side is constant or not finite.

    Example:
        >>> round(pearson(["1", "2", "4"], ["2", "4", "8"]), 6)
        100.0
    """
    return _correlation(_numbers(answers), _references(references))


@register_metric("spearman", (NUMBER,))
def spearman(answers, references):
    """Spearman's rank correlation, times 100; ties have their mean rank.

    Example:
        >>> round(spearman(["1", "2", "4"], ["1", "10", "11"]), 6)
        100.0
    """
    given, wanted = _numbers(answers), _references(references)
    if not np.isfinite(given).all():
        return 0.0
    return _correlation(_ranks(given), _ranks(wanted))


def _numbers(texts):
    try:
        return np.array([float(text) for text in texts])
    except (TypeError, ValueError) as error:
        raise UserError(f"a correlation needs numbers: {error}") from error


def _references(texts):
    """The references as numbers, which must be finite."""
    values = _numbers(texts)
    for text, is_finite in zip(texts, np.isfinite(values), strict=True):
        if not is_finite:
            raise UserError(f"a correlation needs finite numbers, received {shown(text)}")
    return values


def _ranks(values):
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _correlation(first, second):
    # A model may answer NaN: this is not an error, but there is no correlation.
    if not len(first) or not np.isfinite(first).all():
        return 0.0
    # Scaled first, so that squares do not overflow.
    first, second = (values / max(np.abs(values).max(), 1e-300) for values in (first, second))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(100.0 * (first @ second) / lengths)
