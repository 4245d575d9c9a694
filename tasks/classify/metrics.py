"""Metrics of labels: answers and references are lists of strings."""

from attention_zoo.text.examples import split_labels
from attention_zoo.train.metrics import LABEL, LABELS, register_metric


@register_metric("macro_f1", (LABEL,))
def macro_f1(answers, references):
    """Mean F1 over the labels, in percent; labels that occur on either side count.

    Example:
        >>> round(macro_f1(["a", "a", "b"], ["a", "b", "b"]), 2)
        66.67
    """
    labels = sorted({*answers, *references})
    pairs = [({a}, {r}) for a, r in zip(answers, references, strict=True)]
    scores = [_f1([(a & {label}, r & {label}) for a, r in pairs]) for label in labels]
    return sum(scores) / max(len(scores), 1)


@register_metric("micro_f1", (LABELS,))
def micro_f1(answers, references):
    """F1 over all labels of all examples, each with labels separated by commas, in percent.

    Example:
        >>> micro_f1(["a,b", ""], ["a", "c"])
        50.0
    """
    pairs = zip(answers, references, strict=True)
    return _f1([(set(split_labels(a)), set(split_labels(r))) for a, r in pairs])


def _f1(pairs):
    """F1 in percent over pairs of sets: the given labels and the expected ones."""
    right = sum(len(given & wanted) for given, wanted in pairs)
    total = sum(len(given) + len(wanted) for given, wanted in pairs)
    return 200.0 * right / total if total else 100.0
