"""The paper's experiments: ``python -m cpabx experiment NAME``."""
