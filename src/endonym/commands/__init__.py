"""What each command does, apart from its command line; and the Python API."""
