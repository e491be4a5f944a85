"""The EHR of the sandbox: authorization server, FHIR R4 server, and a small chart for clinicians."""
