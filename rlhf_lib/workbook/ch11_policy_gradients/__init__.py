"""Chapter 11, Policy gradients: its exercises, questions, figures, labs and experiments."""
