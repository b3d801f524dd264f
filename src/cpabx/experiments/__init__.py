"""The experiments of the paper, one command each: ``python -m cpabx experiment NAME``.

Needs ``pip install cpabx[experiments]``; ``import cpabx`` never loads this package.
"""
