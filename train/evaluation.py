"""Scoring a task on examples."""

from attention_zoo.errors import UserError
from attention_zoo.train.metrics import (
    check_metrics,
    compute_metrics,
    metric_names,
    metric_signatures,
)
from attention_zoo.train.significance import compare
from attention_zoo.train.texts import truncation


def evaluate(task, examples, metrics=None, against=None, **options):
    """Answers the examples and compares the answers with the references.

    Args:
        task: a task.
        examples: list of tuples of strings; the last field is the reference.
        metrics: names of metrics, or functions of answers and references; default: the
            task's metrics.
        against: another task or artefact that answers the same texts, to compare with.
        **options: options of the task's `predict`, such as `beam_size`.

    Returns:
        A dict: `metrics` (name to value), `examples` (how many), `truncated` (side to how many
        texts are truncated), `signatures` (name to sacreBLEU's signature, for metrics that have
        one), and with `against` also `compared`, see `attention_zoo.train.significance.compare`.

    Raises:
        UserError: if there are no examples, or a metric does not apply to the task.
    """
    metrics = metric_names(metrics or task.metrics)
    require_metrics(task, metrics)
    if not examples:
        raise UserError("no examples to evaluate")
    if against is not None and _sort(against) != _sort(task):
        raise UserError(f"against: {_named(against)} answers other questions than {_named(task)}")
    (sources, references, answers), scores = answer_and_score(task, examples, metrics, **options)
    signatures = metric_signatures(metrics, references, task.metric_options)
    compared = {}
    if against is not None:
        _, others, _ = against.answers_for(examples, **options)
        pair = (answers, others)
        compared = {"compared": compare(metrics, sources, pair, references, task.metric_options)}
    return {
        **compared,
        "metrics": scores,
        "examples": len(examples),
        "truncated": truncation(task, examples)[0],
        "signatures": signatures,
    }


def _sort(task):
    return task.kind, len(task.text_inputs)


def _named(task):
    return f"{task.kind} ({', '.join(map(str, task.fields))})"


def answer_and_score(task, examples, metrics, **options):
    """Answers examples, and computes metrics.

    Args:
        task: a task.
        examples: list of tuples of strings.
        metrics: names of metrics.
        **options: options of the task's `predict`.

    Returns:
        Three lists, sources, references and answers; and a dict from the metrics to their values.
    """
    sources, answers, references = task.answers_for(examples, **options)
    scores = compute_metrics(metrics, sources, answers, references, task.metric_options)
    return (sources, references, answers), scores


def require_metrics(task, names):
    """Rejects metrics that do not apply to a task.

    Args:
        task: a task.
        names: names of metrics.

    Raises:
        UserError: naming the metric, and the accepted ones.
    """
    check_metrics(names, task.kind_of_answers)
