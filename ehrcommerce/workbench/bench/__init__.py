"""`manage.py bench`: how fast, at what cost, and whether it stays so as the tables grow.

Absolute times differ from machine to machine: what counts is the ratio to a reference that is measured in turn with the
product on the same servers, and counts. Each part is a module that registers itself (see `registry`)."""
