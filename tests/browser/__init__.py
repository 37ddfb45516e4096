"""The labs in a real JupyterLab, moved by keyboard in a real Chromium, without a network."""
