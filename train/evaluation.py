"""Scoring a task on examples."""

from attention_zoo.train.metrics import compute_metrics


def evaluate(task, examples, metrics=None, **options):
    """Answers the examples and compares with their references.

    Args:
        task: a task.
        examples: list of tuples of strings; the last field is the reference.
        metrics: names of metrics; the task's own when omitted.
        **options: of the task's `predict`, such as `beam_size`.

    Returns:
        A dict: `metrics` (name to value) and `examples` (their number).
    """
    scores = compute_metrics(metrics or task.metrics, *task.answers_for(examples, **options))
    return {"metrics": scores, "examples": len(examples)}
