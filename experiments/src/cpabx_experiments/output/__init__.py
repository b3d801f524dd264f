"""The folder of an experiment, and what is written there."""
