"""Chapter 07, Reward modeling: its exercises, questions, figures, labs and experiments."""
