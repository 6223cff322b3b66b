"""The verbs: one module each, with its function, its result and the text of it."""
