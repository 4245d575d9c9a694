"""See what a model attends to: explanations, their figures, pictures, and a page."""
