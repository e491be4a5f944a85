"""Another site: an EHR and the partners of a shop, for development and tests. Spoken to over plain HTTP only.

It imports nothing of the rest of ehrcommerce, and nothing there imports it: what is learned against it holds for any
EHR.
"""
