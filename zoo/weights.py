"""The weights of a model by their names in files."""

from attention_zoo.errors import UserError


def weight_name(variable):
    """The name of a weight in a file: its path without the name of the model."""
    return variable.path.split("/", 1)[1]


def saved_weights(model):
    """The variables that are the model: not the states of random number generators."""
    return [v for v in model.weights if not v.path.endswith("seed_generator_state")]


def assign_weights(model, arrays, origin):
    """Puts arrays into a model.

    Args:
        model: a model.
        arrays: a dict from the name of each weight to its array.
        origin: named in errors.

    Raises:
        UserError: if a weight is missing or left over, or a shape differs: all of them
            are listed.
    """
    variables = {weight_name(v): v for v in saved_weights(model)}
    problems = [f"missing: {name}" for name in variables.keys() - arrays.keys()]
    problems += [f"left over: {name}" for name in arrays.keys() - variables.keys()]
    problems += [
        f"{name}: shape {arrays[name].shape} in the file, {variables[name].shape} in the model"
        for name in variables.keys() & arrays.keys()
        if arrays[name].shape != tuple(variables[name].shape)
    ]
    if problems:
        raise UserError(f"{origin} does not fit the model: {'; '.join(sorted(problems))}")
    for name, variable in variables.items():
        variable.assign(arrays[name])
