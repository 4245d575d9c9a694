"""What a model is for: a task is a model with its tokenizers, strings in and answers out."""
