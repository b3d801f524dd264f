"""Registration of images beside other packages: ``nox -s bench-align``."""
