"""Speed, errors and memory of cpabx beside its peers: ``python -m benchmarks`` from the root of a clone."""
