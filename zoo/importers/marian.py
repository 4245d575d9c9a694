"""Builds the `Transformer` that holds the weights of a translator of Marian."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.zoo.limits import check_arguments
from attention_zoo.zoo.transformer import Transformer
from attention_zoo.zoo.weights import assign_weights

# A logit that adds nothing to the sum of a softmax, and leaves room for the others in 8 bits.
_NEVER = -100.0


@dataclass(frozen=True)
class Vocabulary:
    """The ids of a foreign vocabulary.

    Attributes:
        ids: from each token to its id, 0 to V - 1 without gaps.
        unknown: the token for what the vocabulary lacks.
        end: the token that ends sentences.
        padding: the token that fills shorter rows and starts the decoder; None if there is
            none, and the decoder starts with zeros.
    """

    ids: Mapping[str, int]
    unknown: str
    end: str
    padding: str | None = None

    @property
    def tokens(self) -> list[str]:
        """The tokens but the special ones, by their ids."""
        special = {self.unknown, self.end, self.padding}
        return sorted(self.ids.keys() - special, key=self.ids.__getitem__)

    def check(self, size: int, origin: Any) -> None:
        """Checks that the ids are those of `size` rows of a table."""
        if sorted(self.ids.values()) != list(range(size)):
            raise UserError(
                f"{origin} has {len(self.ids)} tokens with ids from {min(self.ids.values())} to "
                f"{max(self.ids.values())}; the weights have {size} rows"
            )
        for token in filter(None, (self.unknown, self.end, self.padding)):
            if token not in self.ids:
                raise UserError(f"{origin} has no token {token}")

    def rows(self, table: np.ndarray, tokens: Sequence[str]) -> np.ndarray:
        """The rows of a table `(V, D)` by our ids: padding, unknown, start, end, then `tokens`."""
        zeros = np.zeros_like(table[:1])
        start = zeros[0] if self.padding is None else table[self.ids[self.padding]]
        special = [start, table[self.ids[self.unknown]], start, table[self.ids[self.end]]]
        return np.concatenate([special, table[[self.ids[token] for token in tokens]]])

    def biases(self, bias: np.ndarray, tokens: Sequence[str]) -> np.ndarray:
        """The biases `(V,)` of the logits by our ids.

        What is one token there, or none, is two here: padding and start. Their probabilities add
        up to that one's.
        """
        rows = self.rows(bias[:, np.newaxis], tokens)[:, 0]
        rows[[0, 2]] = _NEVER if self.padding is None else rows[0] - math.log(2.0)
        return rows


def make_translator(
    arguments: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    vocabularies: Sequence[Vocabulary],
    tokens: Sequence[Sequence[str]],
    origin: Any,
) -> Transformer:
    """Builds a model and assigns its weights.

    Args:
        arguments: constructor arguments of `Transformer`, without the sizes of vocabularies.
        weights: a dict from our names to arrays, with exactly the weights of the model, where rows
            of embeddings and biases of logits are in the order of the foreign ids.
        vocabularies: the foreign ids of source and target.
        tokens: the tokens of source and target that have our ids from 4, in this order.
        origin: where the weights come from, for error messages.

    Returns:
        The model.

    Raises:
        UserError: listing the weights that are missing, unexpected or of another shape.
    """
    ours = dict(weights)
    sides = {"source_embedding/table": 0, "target_embedding/table": 1}
    for name, side in sides.items():
        if name in ours:
            vocabularies[side].check(len(ours[name]), origin)
            ours[name] = vocabularies[side].rows(ours[name], tokens[side])
    for name in ("target_embedding/bias", "output_projection/bias"):
        if name in ours:
            ours[name] = vocabularies[1].biases(ours[name], tokens[1])
    if "output_projection/kernel" in ours:
        columns = ours["output_projection/kernel"].T
        ours["output_projection/kernel"] = vocabularies[1].rows(columns, tokens[1]).T
    sizes = [4 + len(side) for side in tokens]
    config = {"source_vocab_size": sizes[0], "target_vocab_size": sizes[1], **arguments}
    check_arguments(Transformer, config, ours, origin)
    try:
        model = Transformer(**config)
    except ValueError as error:
        raise UserError(f"{origin}: {error}") from error
    assign_weights(model, ours, origin)
    return model
