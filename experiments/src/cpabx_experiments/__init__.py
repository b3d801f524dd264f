"""The experiments of the paper, one command each: ``python -m cpabx experiment NAME``.

``pip install cpabx-experiments`` brings them; which framework is used is the user's choice.
"""
