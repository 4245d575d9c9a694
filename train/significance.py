"""Whether one task is better than another, or only was on these examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sacrebleu.significance import PairedTest

from attention_zoo.train.metrics import METRICS, compute_metrics

SAMPLES = 1000
_SEED = 12345  # sacreBLEU's
_FEWEST = 10  # cases; resamples of fewer are too much alike to say anything


def compare(
    names: Sequence[str],
    sources: Sequence[Any],
    answers: tuple[Sequence[str], Sequence[str]],
    references: Sequence[str],
    options: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Compares two systems by paired bootstrap resampling (Koehn 2004).

    Examples are drawn with replacement, as many as there are, 1,000 times; both systems are scored
    on the same ones. Tested are sacreBLEU's metrics, which it does itself, and those that are the
    mean of a value of each case; with fewer than 10 examples none is.

    Args:
        names: names of metrics.
        sources: list of inputs.
        answers: the answers of both systems, the one that is judged first.
        references: the correct answers.
        options: as for `compute_metrics`.

    Returns:
        For each metric `other`, the second system's value, and `difference`, the first minus the
        second. Where the metric can be tested also `p`, the probability that two systems that are
        equally good differ as much on such examples; and of a mean, `interval`, from the 2.5th to
        the 97.5th percentile of the sampled differences.
    """
    scores = [compute_metrics(names, sources, a, references, options) for a in answers]
    result: dict[str, dict[str, Any]] = {}
    for name in names:
        ours, other = (score[name] for score in scores)
        metric = METRICS[name]
        arguments = metric.arguments(options or {})
        result[name] = {"other": other, "difference": ours - other}
        if len(references) < _FEWEST:
            continue
        if metric.sacrebleu:
            judge = metric.sacrebleu(references, **arguments)
            result[name]["p"] = _by_sacrebleu(judge, answers, references)
        elif metric.is_mean:
            values = [_values(name, sources, given, references, options) for given in answers]
            result[name] |= _resampled(values[0] - values[1])
    return result


def _by_sacrebleu(judge: Any, answers: Any, references: Sequence[str]) -> float:
    if list(answers[0]) == list(answers[1]):
        return 1.0  # sacreBLEU would count no sample as extreme as no difference
    systems: Any = [("other", list(answers[1])), ("ours", list(answers[0]))]
    test: Any = PairedTest(systems, {"metric": judge}, [list(references)], "bs", SAMPLES)
    _, results = test()
    [(_, ours)] = [pair for name, pair in results.items() if name != "System"]
    return ours.p_value


def _values(name: str, sources: Any, answers: Any, references: Any, options: Any) -> np.ndarray:
    """The value of each case; with several references a source is a single case."""
    cases: dict[Any, list[int]] = {}
    for i, source in enumerate(sources):
        cases.setdefault(source if METRICS[name].by_source else i, []).append(i)
    columns = (sources, answers, references)
    values = []
    for case in cases.values():
        source, answer, reference = ([column[i] for i in case] for column in columns)
        values.append(compute_metrics([name], source, answer, reference, options)[name])
    return np.array(values)


def _resampled(differences: np.ndarray) -> dict[str, Any]:
    """The interval and the probability of the mean of differences."""
    rng, count = np.random.default_rng(_SEED), len(differences)
    means = np.array([differences[rng.integers(0, count, count)].mean() for _ in range(SAMPLES)])
    actual = differences.mean()
    # As in sacreBLEU: how often a sample is as far from the mean of samples as that is from zero.
    extreme = np.sum(np.abs(means - means.mean()) >= abs(actual))
    low, high = np.percentile(means, [2.5, 97.5])
    return {"interval": [float(low), float(high)], "p": float((extreme + 1) / (SAMPLES + 1))}
