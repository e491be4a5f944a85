"""Leaks on purpose, in the test build alone: an app of the proof's own settings that patches ours from outside. It shows
that the scanner sees what it is there to see. Nothing of it is in a production module."""
