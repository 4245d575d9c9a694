"""A metric: how far numbers are from what was expected, on average."""

import attention_zoo as az


@az.register_metric("mean_absolute_error", ["a number"], higher_is_better=False)
def mean_absolute_error(answers, references):
    """The mean of the absolute differences of numbers, written as strings."""
    pairs = zip(answers, references, strict=True)
    return sum(abs(float(a) - float(r)) for a, r in pairs) / max(1, len(references))
