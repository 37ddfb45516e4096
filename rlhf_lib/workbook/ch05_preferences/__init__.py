"""Chapter 05, Preferences and data: its labelling desk, labs, exercises, questions, figures and experiments."""
