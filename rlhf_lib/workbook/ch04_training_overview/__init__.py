"""Chapter 04: from a thermostat to three recipes of post-training."""
