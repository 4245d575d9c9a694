"""Metrics: functions of answers and references, by their names in recipes."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attention_zoo.errors import UserError, suggest
from attention_zoo.plugins import PLUGIN_HINT, is_registered
from attention_zoo.registry import Registry

# Kinds of answers; each task has one.
TEXT, LABEL, LABELS, NUMBER = "text", "a label", "several labels", "a number"
TAGS, SPAN, NEAREST, WORD = "tags", "a span", "the nearest text", "a word"
VECTOR = "a vector"  # no metric applies to it


@dataclasses.dataclass(frozen=True)
class Metric:
    """A function with its direction and the kinds of answers it applies to.

    With `by_source`, examples with the same source are one case, which has all of their
    references. Otherwise every example is a separate case.

    Attributes:
        function: takes answers and references, and options by name.
        answers: kinds of answers that it applies to; empty: all kinds.
        higher_is_better: whether higher values are better.
        by_source: see above.
        needs_sources: whether it also takes the sources, as the argument `sources`.
        options: maps the names of a task's options to the function's arguments.
        signature: a function of the references and the options, or None.
        is_mean: whether it is the mean of its values for single cases.
        sacrebleu: a function of the references and the options that makes sacreBLEU's metric, if
            it is one of these.
    """

    function: Callable[..., float]
    answers: tuple[str, ...] = ()
    higher_is_better: bool = True
    by_source: bool = False
    needs_sources: bool = False
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    signature: Callable[..., str] | None = None
    is_mean: bool = False
    sacrebleu: Callable[..., Any] | None = None

    def judges(self, answers: str | None) -> bool:
        """Whether it applies to a kind of answers; None is any kind."""
        return answers is None or not self.answers or answers in self.answers

    def gain(self, new: float, old: float) -> float:
        """How much better a new value is; negative if it is worse."""
        return new - old if self.higher_is_better else old - new

    def arguments(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The function's arguments from the options of a task."""
        return {ours: options[name] for name, ours in self.options.items() if name in options}


# The metrics of a task are in its folder, and are registered when its settings are imported.
METRICS: Registry[Metric] = Registry("metric")


def register_metric(
    name: str, answers: Iterable[str] = (), **facts: Any
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Registers a function as a metric, for recipes and reports; a decorator.

    Args:
        name: the name of the metric.
        answers: kinds of answers that it applies to, such as `"text"`; empty: all kinds.
        **facts: other fields of `Metric`, such as `higher_is_better=False`.

    Raises:
        ValueError: if another metric has the same name.

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


@register_metric("accuracy", (TEXT, LABEL, LABELS, NEAREST, WORD), is_mean=True)
@register_metric("exact_match", (TEXT, LABEL, LABELS, TAGS, NEAREST, WORD), is_mean=True)
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
        names: names of metrics.
        sources: list of strings, the inputs.
        answers: list of strings, equal ones for equal sources.
        references: list of strings, the correct answers.
        options: `metric_options` of a task: a dict, such as `{"bleu_tokenize": "zh"}`.

    Returns:
        A dict from name to value, in the order of the names.

    Raises:
        UserError: if a metric is unknown, there are no answers, or a metric cannot read the
            references.
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
    """The signatures of metrics that can be computed in several ways.

    Args:
        names: names of metrics.
        references: list of strings, the correct answers.
        options: as for `compute_metrics`.

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
    """Rejects unknown metrics, and metrics that do not apply to a kind of answers.

    Args:
        names: names of metrics.
        answers: the kind of the answers; None: any kind.

    Raises:
        UserError: naming the metric, and the accepted ones.
    """
    accepted = [name for name, metric in METRICS.items() if metric.judges(answers)]
    for name in names:
        if not is_registered(name, METRICS):
            hint = suggest(name, accepted)
            raise UserError(f"there is no metric {name!r}; {hint}. {PLUGIN_HINT}")
        if not METRICS[name].judges(answers):
            raise UserError(
                f"the metric {name} does not apply to a task that answers with {answers}; "
                f"accepted: {', '.join(accepted) or 'none'}"
            )
