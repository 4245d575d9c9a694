"""What is asked of whatever answers, a task or an artefact, and by what the two are compared."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Compared:
    """A signature that every artefact of a task has, and what goes in and comes out.

    Attributes:
        signature: its name.
        inputs: the names of its arguments.
        output: the name of the numbers that are compared.
    """

    signature: str
    inputs: tuple
    output: str


class Answering:
    """Examples in, answers and references out; a subclass is callable on a list of texts.

    Attributes:
        answers_are_even: whether an output of `serving_default` has as many columns whatever was
            asked, so that those of several calls can be put together.
        decodes: whether an answer is decoded token by token.
        answers_alone: whether an answer depends on its own text alone.
        metric_options: see `attention_zoo.train.metrics.compute_metrics`.
    """

    answers_are_even = True
    decodes = False
    answers_alone = True
    # How metrics are counted where there are several ways, such as {"bleu_tokenize": "zh"}.
    metric_options = {}  # noqa: RUF012  (replaced, never changed)

    @classmethod
    def column_contents(cls, fields, problem=None):
        """What the columns of examples hold where it is not text.

        Args:
            fields: the names of the columns.
            problem: which one, of tasks that have several.

        Returns:
            A dict, see `holds` of `attention_zoo.text.readers.read_examples`.
        """
        return {}

    @property
    def holds(self):
        """What the columns of its examples hold where it is not text."""
        return self.column_contents(self.fields, getattr(self, "problem", None))

    @property
    def searches(self):
        """Signatures that answer as `serving_default` does when they are asked so.

        A dict from the name of a signature to options: name to type and value.
        """
        return {}

    def longest(self, name):
        """The greatest length of an input of ids of this name."""
        return self.max_target_length if name == "target_ids" else self.max_source_length

    def input_of(self, example):
        """The input in an example: a string, or a tuple of strings."""
        inputs = tuple(example[: len(self.text_inputs)])
        return inputs[0] if len(inputs) == 1 else inputs

    def input_sides(self, texts):
        """The inputs of examples, a list of `Side`."""
        raise NotImplementedError

    def sides(self, examples):
        """All that is cut into tokens of examples, a list of `Side`."""
        return self.input_sides([self.input_of(example) for example in examples])

    def truncated(self, texts):
        """The indices of the texts of which not all is read."""
        return sorted({i for side in self.input_sides(texts) for i in side.beyond()})

    def references(self, examples):
        """What is expected of the examples, strings."""
        return [example[-1] for example in examples]

    def answers_for(self, examples, **options):
        """Answers examples.

        Args:
            examples: list of tuples of strings.
            **options: of `predict`.

        Returns:
            Three lists, of which metrics are made: sources, answers, references.
        """
        sources = [self.input_of(example) for example in examples]
        return sources, self(sources, **options), self.references(examples)

    def answers_to(self, texts):
        """The answers that artefacts must give too, strings."""
        return self(texts)

    @property
    def export_metrics(self):
        """The metrics by which the answers of artefacts are judged."""
        return self.metrics

    def is_same(self, first, second):
        """Whether two answers, of the model and of an artefact, are the same."""
        return first == second
