"""Agreement between the processes of a training: what one of them decides, all of them do."""

import json
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError


class Workers:
    """The processes that train together. Each makes the same calls in the same order.

    Args:
        strategy: a `tf.distribute.Strategy`.

    Attributes:
        count: the number of processes.
        index: which of them this is.
        is_chief: whether this is the process that evaluates and writes files.

    Example:
        >>> workers = Workers(tf.distribute.get_strategy())
        >>> workers.count, workers.any([False, True]), workers.from_chief(lambda: {"loss": 1.5})
        (1, [False, True], {'loss': 1.5})
    """

    def __init__(self, strategy):
        is_multi = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        resolver = strategy.cluster_resolver if is_multi else None
        self.strategy = strategy
        self.count = len(resolver.cluster_spec().job_tasks("worker")) if resolver else 1
        self.index = resolver.task_id if resolver else 0
        self.is_chief = self.index == 0

    def any(self, flags):
        """For each of some flags, whether it is set in any process."""
        return [bool(count > 0) for count in self._sum(np.array(flags, "float64"))]

    def from_chief(self, function):
        """Calls a function in the chief only.

        Args:
            function: without arguments, returns what JSON can hold; numbers keep all digits.

        Returns:
            The chief's result, in every process.
        """
        result = function() if self.is_chief else None
        if self.count == 1:
            return result
        text = json.dumps(result).encode() if self.is_chief else b""
        size = int(self._sum(np.array([len(text)], "float64"))[0])
        codes = np.zeros(size)
        codes[: len(text)] = np.frombuffer(text, "uint8")
        return json.loads(bytes(self._sum(codes).astype("uint8")).decode())

    def require_same(self, digests):
        """Checks that all processes have the same inputs.

        Args:
            digests: a dict from the name of an input to its digest.

        Raises:
            UserError: in every process, if those of one differ from the chief's.
        """
        expected: Any = self.from_chief(lambda: digests)
        different = [name for name in digests if digests[name] != expected[name]]
        if self.any([bool(different)])[0]:
            names = ", ".join(different) or "see the messages of the others"
            raise UserError(f"worker {self.index} and the chief have different inputs: {names}")

    def wait(self):
        """Waits until every process gets here."""
        self.any([False])

    def _sum(self, values):
        """The sum of an array of each process."""
        if self.count == 1:
            return values
        replicas = self.strategy.num_replicas_in_sync // self.count

        def from_first_replica(context):
            is_first = context.replica_id_in_sync_group % replicas == 0
            return tf.constant(values if is_first else np.zeros_like(values))

        given = self.strategy.experimental_distribute_values_from_function(from_first_replica)
        results: Any = self.strategy.experimental_local_results(self._reduce(given))
        return np.asarray(results[0])

    @tf.function(autograph=False, reduce_retracing=True)
    def _reduce(self, given) -> Any:
        def reduced(value):
            context = tf.distribute.get_replica_context()
            # A copy: arguments are on no device, which the reduction needs to know.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

        return self.strategy.run(reduced, args=(given,))
