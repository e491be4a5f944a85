"""What `manage.py demo` and `manage.py test` stand on. Never imported by production code."""
