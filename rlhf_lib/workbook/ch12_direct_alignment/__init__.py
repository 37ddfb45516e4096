"""Chapter 12, Direct alignment: its exercises, questions, figures, labs and experiments."""
