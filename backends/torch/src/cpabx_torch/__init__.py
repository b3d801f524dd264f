"""The torch backend of cpabx."""
