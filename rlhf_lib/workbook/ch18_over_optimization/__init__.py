"""Chapter 18, Over-optimization: its exercises, questions, figures, labs and experiments."""
