"""A phase of training, as a generator of reports."""
