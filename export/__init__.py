"""A task becomes artefacts, each run in its own runtime and compared before it counts."""

import sys
import types


class _CallableModule(types.ModuleType):
    """Lets `az.export(task, directory)` and `import attention_zoo.export.verify` live together.

    Importing a folder binds its name in the package, so a function of the same name
    would come and go with the order of imports.
    """

    def __call__(self, task, directory, **options):
        """Exports a task; see `attention_zoo.export.export.export`."""
        from attention_zoo.export.export import export

        return export(task, directory, **options)


sys.modules[__name__].__class__ = _CallableModule
