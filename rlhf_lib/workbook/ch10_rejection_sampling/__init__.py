"""Chapter 10, Rejection sampling: its exercises, questions, figures, labs and experiments."""
