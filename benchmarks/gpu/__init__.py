"""Speed on a GPU, beside estimates and other ways: ``python -m benchmarks.gpu``. No GPU has run it yet."""
