"""The charts of the sandbox clinic: FHIR R4 resources built in plain Python, so that the demo has patients on any
day it is started and without a file to go stale. Everybody in here is invented."""
