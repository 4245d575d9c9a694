"""Recipe: questions about packages, answered from their descriptions."""
