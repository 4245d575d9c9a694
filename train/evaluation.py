"""Scoring a task on examples."""

from attention_zoo.errors import UserError
from attention_zoo.train.metrics import (
    check_metrics,
    compute_metrics,
    metric_names,
    metric_signatures,
)
from attention_zoo.train.texts import truncation


def evaluate(task, examples, metrics=None, **options):
    """Answers the examples and compares with their references.

    Args:
        task: a task.
        examples: list of tuples of strings; the last field is the reference.
        metrics: names of metrics, or functions of answers and references; the task's own when
            omitted.
        **options: of the task's `predict`, such as `beam_size`.

    Returns:
        A dict: `metrics` (name to value), `examples` (their number), `truncated` (side to how
        many texts are cut off there), and `signatures` (name to sacreBLEU's, of metrics that
        are counted in more than one way).

    Raises:
        UserError: if there is no example, or a metric is none for the task.
    """
    metrics = metric_names(metrics or task.metrics)
    require_metrics(task, metrics)
    if not examples:
        raise UserError("no examples to evaluate")
    sources, answers, references = task.answers_for(examples, **options)
    scores = compute_metrics(metrics, sources, answers, references, task.metric_options)
    signatures = metric_signatures(metrics, references, task.metric_options)
    return {
        "metrics": scores,
        "examples": len(examples),
        "truncated": truncation(task, examples)[0],
        "signatures": signatures,
    }


def require_metrics(task, names):
    """Refuses metrics that are none for a task.

    Args:
        task: a task.
        names: of metrics.

    Raises:
        UserError: naming the metric, and those that are accepted.
    """
    check_metrics(names, task.kind_of_answers)
