"""A backend of cpabx to copy and rename."""
