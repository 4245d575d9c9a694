"""Metrics: functions of answers and references, by the names that recipes give them."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attention_zoo.errors import UserError, suggest
from attention_zoo.registry import Registry

# Kinds of answers; a task says which is its own.
TEXT, LABEL, LABELS, NUMBER = "text", "a label", "several labels", "a number"
TAGS, SPAN, NEAREST, WORD = "tags", "a span", "the nearest text", "a word"
VECTOR = "a vector"  # which no metric judges


@dataclasses.dataclass(frozen=True)
class Metric:
    """A function, which way is better, and what it is for.

    With `by_source` the examples of one source are one case: its references are all of
    theirs. Otherwise every example is a case of its own.

    Attributes:
        function: takes answers and references, and options by name.
        answers: kinds of answers that it judges; none: those of every task.
        higher_is_better: as it says.
        by_source: as above.
        needs_sources: whether it also takes the sources, by the name `sources`.
        options: a dict from the name that a task has for an option to the function's.
        signature: a function of the references and the options, or None.
    """

    function: Callable[..., float]
    answers: tuple[str, ...] = ()
    higher_is_better: bool = True
    by_source: bool = False
    needs_sources: bool = False
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    signature: Callable[..., str] | None = None

    def judges(self, answers: str | None) -> bool:
        """Whether it is for a kind of answers; None is any."""
        return answers is None or not self.answers or answers in self.answers

    def gain(self, new: float, old: float) -> float:
        """How much better a new value is; negative if it is worse."""
        return new - old if self.higher_is_better else old - new

    def arguments(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those options of a task that are the function's."""
        return {ours: options[name] for name, ours in self.options.items() if name in options}


# Those of a task stand in its folder, and are registered when its settings are imported.
METRICS: Registry[Metric] = Registry("metric")


def register_metric(
    name: str, answers: Iterable[str] = (), **facts: Any
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Registers a function as a metric, for recipes and reports; a decorator.

    Args:
        name: of the metric.
        answers: kinds of answers that it judges, such as `"text"`; none: those of every task.
        **facts: other fields of `Metric`, such as `higher_is_better=False`.

    Raises:
        ValueError: if another metric has the name.

    Example:
        >>> @register_metric("length_ratio", ["text"])
        ... def length_ratio(answers, references):
        ...     return 100.0 * sum(map(len, answers)) / max(1, sum(map(len, references)))
        >>> METRICS["length_ratio"].function(["ab"], ["abcd"])
        50.0
    """

    def add(function: Callable[..., float]) -> Callable[..., float]:
        METRICS.register(name)(Metric(function, tuple(answers), **facts))
        return function

    return add


@register_metric("accuracy", (TEXT, LABEL, LABELS, NEAREST, WORD))
@register_metric("exact_match", (TEXT, LABEL, LABELS, TAGS, NEAREST, WORD))
def exact_match(answers: Sequence[str], references: Sequence[str]) -> float:
    """Percentage of answers that equal their reference.

    Example:
        >>> exact_match(["a", "b"], ["a", "c"])
        50.0
    """
    equal = sum(a == r for a, r in zip(answers, references, strict=True))
    return 100.0 * equal / max(len(references), 1)


def metric_names(metrics: Iterable[str | Callable[..., float]]) -> list[str]:
    """Names of metrics; functions among them are registered under their own names."""
    names = []
    for metric in metrics:
        if callable(metric):
            name = metric.__name__
            if name not in METRICS or METRICS[name].function is not metric:
                register_metric(name)(metric)
            names.append(name)
        else:
            names.append(metric)
    return names


def compute_metrics(
    names: Sequence[str],
    sources: Sequence[Any],
    answers: Sequence[str],
    references: Sequence[str],
    options: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Computes metrics by name.

    Args:
        names: of the metrics.
        sources: list of strings, what was asked.
        answers: list of strings, equal ones for equal sources.
        references: list of strings, what was expected.
        options: `metric_options` of a task: a dict, such as `{"bleu_tokenize": "zh"}`.

    Returns:
        A dict from name to value, in the order of the names.

    Raises:
        UserError: if there is no such metric, nothing to judge, or references are not what
            a metric reads.
    """
    check_metrics(names)
    if not names:
        return {}
    if not answers:
        raise UserError(f"no answers to compute {', '.join(names)} from")
    by_source: dict[Any, tuple[str, list[str]]] = {}
    for source, answer, reference in zip(sources, answers, references, strict=True):
        by_source.setdefault(source, (answer, []))[1].append(reference)
    cases = {False: (answers, references), True: tuple(zip(*by_source.values(), strict=True))}
    scores = {}
    for name in names:
        metric = METRICS[name]
        more = metric.arguments(options or {})
        if metric.needs_sources:
            more["sources"] = sources
        scores[name] = metric.function(*cases[metric.by_source], **more)
    return scores


def metric_signatures(
    names: Iterable[str], references: Sequence[str], options: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """How metrics were counted, for those that can be counted in several ways.

    Args:
        names: of the metrics.
        references: list of strings, what was expected.
        options: as of `compute_metrics`.

    Returns:
        A dict from name to sacreBLEU's signature.
    """
    metrics = {name: METRICS[name] for name in names}
    return {
        name: metric.signature(references, **metric.arguments(options or {}))
        for name, metric in metrics.items()
        if metric.signature and references
    }


def check_metrics(names: Iterable[str], answers: str | None = None) -> None:
    """Refuses names that no metric has, and metrics that cannot judge a kind of answers.

    Args:
        names: of the metrics.
        answers: the kind of the answers; None: any.

    Raises:
        UserError: naming the metric, and those that are accepted.
    """
    accepted = [name for name, metric in METRICS.items() if metric.judges(answers)]
    for name in names:
        if name not in METRICS:
            raise UserError(
                f"there is no metric {name!r}; {suggest(name, accepted)}. "
                "A plugin that registers it is named by --plugin"
            )
        if name not in accepted:
            raise UserError(
                f"the metric {name} is not for a task that answers with {answers}; "
                f"accepted: {', '.join(accepted) or 'none'}"
            )
