"""Which of two evaluations is better."""

import math

from attention_zoo.train.metrics import METRICS


def rank(figures, metrics):
    """The sort key of evaluations: higher is better.

    The first metric decides. Ties, which can last for hours while all translations are still
    wrong, are broken by the next metrics, and finally by the loss.

    Args:
        figures: a dict of the metrics, by name, and the `loss`.
        metrics: the names of the metrics, the most important first.

    Returns:
        A tuple of floats. Missing values and NaN rank below all numbers.

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
