"""Which of two evaluations is the better one."""

import math

from attention_zoo.train.metrics import METRICS


def rank(figures, metrics):
    """What evaluations are ordered by: the greater, the better.

    The first metric decides. Ties, which it has for hours while a translation is still all
    wrong, are decided by the next one, and the last of them by the loss.

    Args:
        figures: a dict of the metrics, by name, and the `loss`.
        metrics: the names of the metrics, the one that decides first.

    Returns:
        A tuple of floats. What is missing or not a number ranks below all that is.

    Example:
        >>> early, late = {"bleu": 0.0, "loss": 3.5}, {"bleu": 0.0, "loss": 1.2}
        >>> rank(late, ["bleu"]) > rank(early, ["bleu"])
        True
    """
    values = [_signed(METRICS[name], figures.get(name)) for name in metrics]
    return (*values, -_known(figures.get("loss"), math.inf))


def _signed(metric, value):
    return metric.gain(_known(value, -math.inf if metric.higher_is_better else math.inf), 0.0)


def _known(value, worst):
    return worst if value is None or math.isnan(value) else value
