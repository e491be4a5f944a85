"""Loading demo patients, and any folder of FHIR JSON beside them: read, link, invent what is missing, write."""
