"""Chapter 01: overview and history."""
